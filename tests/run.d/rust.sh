# shellcheck shell=bash
# The Rust client: its tests, the vectors and the samples against the real binary, and what would be published.

part_rust() {
  check "rust tools" install_rust_tools
  check "cargo build" cargo build --locked
  check "rust client: clippy with each feature" rust_client_clippy
  check "rust client: tests, vectors, samples, stubs" rust_client test --all-features
  check "rust client: without its features" rust_client check
  check "rust client: documentation" env RUSTDOCFLAGS="-D warnings" cargo doc --locked --quiet -p tenure-client --all-features --no-deps
  check "rust client: package" rust_client_package
  if [[ -n ${TENURE_TESTS_LONG:-} ]]; then
    check "rust client: overhead" rust_client run --features testing --example overhead
  fi
}

# rust_client COMMAND [ARGUMENT...]: a cargo command for the crate.
rust_client() {
  local command=$1
  shift
  TENURE_BIN=$target/debug/tenure cargo "$command" --locked -p tenure-client "$@"
}

rust_client_clippy() {
  local features
  for features in "" opentelemetry testing; do
    rust_client clippy --features "$features" -- -D warnings
  done
}

# The package has all modules, the stubs and the samples, and builds where nothing of the repository lies beside it.
rust_client_package() {
  local out=$target/rust-package
  mkdir -p "$out"
  cargo package --locked --allow-dirty --list -p tenure-client >"$out/contents"
  cat "$out/contents"
  local file
  for file in README.md CHANGELOG.md src/lib.rs src/proto/tenure.v1.rs examples/tool_handler.rs; do
    grep -qx "$file" "$out/contents"
  done
  cargo package --locked --allow-dirty --quiet -p tenure-client
}
