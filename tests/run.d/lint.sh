# shellcheck shell=bash
# What can be said about the sources without running them.

part_lint() {
  check "rust tools" install_rust_tools
  check "rustfmt" cargo fmt --all --check
  check "clippy" cargo clippy --locked --workspace --all-targets -- -D warnings
  check "cargo-deny: install" install_cargo_deny
  check "cargo-deny" "$cargo_deny" --locked --workspace check bans licenses sources
  check "buf: install" install_buf
  check "buf lint" "$buf" lint proto
  check "buf format" "$buf" format proto --diff --exit-code
  check "buf breaking" buf_breaking
  check "python tools" install_python_tools
  check "ruff" lint_python_style
  check "mypy" lint_python_types
  check "shellcheck" lint_shell
}

# A released message or RPC stays what it is: the last release's tag is what the protos are compared with.
buf_breaking() {
  local release
  release=$(git tag --list 'v[0-9]*' --sort=-version:refname | head -n 1)
  if [[ -z $release ]]; then
    echo "nothing is released yet"
    return
  fi
  "$buf" breaking proto --against ".git#tag=$release,subdir=proto"
}

lint_python_style() {
  "$venv/bin/ruff" check --no-cache tests benches
  "$venv/bin/ruff" format --no-cache --check tests benches
}

lint_python_types() {
  "$venv/bin/mypy" --cache-dir "$target/mypy" --config-file tests/blackbox/pyproject.toml tests/blackbox
  "$venv/bin/mypy" --cache-dir "$target/mypy-operate" --config-file tests/operate/pyproject.toml tests/operate
  "$venv/bin/mypy" --cache-dir "$target/mypy-bench" --config-file tests/bench/pyproject.toml tests/bench benches/compare/rows.py
}

# The files of tests/run.d are checked as what they are: parts of tests/run.
lint_shell() {
  "$venv/bin/shellcheck" --external-sources --check-sourced tests/run .ci/run
}
