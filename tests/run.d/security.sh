# shellcheck shell=bash
# Who calls, what they may do, what is encrypted, what is written down: over the memory store. Over Redis the same
# is the part redis.

# Rust's tests by what their paths contain, and the files of the black-box tests. The part core leaves them out.
security_tests=(audit callers credentials vault)
security_black_box=(tests/blackbox/test_{credentials,isolation,strangers,tls,tls_reload}.py)

part_security() {
  check "rust tools" install_rust_tools
  check "cargo test security" cargo test --locked --workspace -- "${security_tests[@]}" --skip=redis
  check "python tools" install_python_tools
  check "cargo build" cargo build --locked
  check "black-box tests of security" "$venv/bin/python" -m pytest "${security_black_box[@]}"
}
