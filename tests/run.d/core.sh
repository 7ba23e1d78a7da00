# shellcheck shell=bash
# The service over its memory store: Rust's own tests, then the real binary over the wire. What has redis in its
# name is the part redis; what is of security is that part.

part_core() {
  check "rust tools" install_rust_tools
  check "cargo test" cargo test --locked --workspace -- --skip=redis "${security_tests[@]/#/--skip=}"
  check "python tools" install_python_tools
  check "cargo build" cargo build --locked
  check "black-box tests" "$venv/bin/python" -m pytest tests/blackbox "${security_black_box[@]/#/--ignore=}"
}
