# shellcheck shell=bash
# What must not grow, counted and not timed: allocations, system calls, Redis' commands and bytes. The benchmarks
# themselves run once, to see that they do.

part_bench() {
  check "rust tools" install_rust_tools
  check "redis-server" need_redis
  check "strace" need strace strace
  check "allocations per Get" cargo test --locked --test cost -- --nocapture
  check "the benchmarks run" cargo test --locked --bench steps --bench memory
  check "release build" cargo build --locked --release --bin tenure
  check "counts under load" env "TENURE_BIN=$target/release/tenure" python3 tests/bench/counts.py
  if [[ -n ${TENURE_TESTS_LONG:-} ]]; then
    check "h2load" need h2load nghttp2-client
    check "the table of comparisons" benches/compare/run
    check "five million sessions" cargo bench --locked --bench memory -- 1000 5000000
  fi
}
