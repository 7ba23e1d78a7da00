# shellcheck shell=bash
# Each pair of the clients' languages writes and reads the same sessions.

part_interop() {
  check "rust tools" install_rust_tools
  check "cargo build" cargo build --locked
  check "rust client: interop" cargo build --locked -p tenure-client --example interop
  check "python client: install" install_python_client
  check "npm ci" typescript_install
  check "tsc" typescript npm run compile
  check "each pair of languages" env "TENURE_BIN=$target/debug/tenure" python3 tests/vectors/interop/pairs.py
}
