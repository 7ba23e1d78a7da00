# shellcheck shell=bash
# The tools of the tests: their versions, where they are kept, how they are installed.
# Python packages are pinned in tests/requirements.txt.

cargo_deny_version=0.20.2
# The one that the TypeScript client makes its stubs with.
buf_version=$(sed -n 's/.*"@bufbuild.buf": "\(.*\)".*/\1/p' clients/typescript/package.json)

# Everything that a run makes is under the one target directory, and is kept between runs.
target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
export CARGO_TARGET_DIR=$target
export PYTHONPYCACHEPREFIX=$target/pycache
tools=$target/tools
venv=$target/venv
cargo_deny=$tools/bin/cargo-deny
buf=$tools/node_modules/.bin/buf

# install_packages PACKAGE...: from the system's package manager.
install_packages() {
  local root=()
  [[ $(id -u) -eq 0 ]] || root=(sudo -n)
  "${root[@]}" apt-get update -qq
  "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"
}

# need COMMAND PACKAGE...: makes sure that there is such a command.
need() {
  command -v "$1" >/dev/null || install_packages "${@:2}"
}

install_rust_tools() {
  need cc build-essential
  cargo --version
  cargo fmt --version || rustup component add rustfmt
  cargo clippy --version || rustup component add clippy
}

install_cargo_deny() {
  [[ $("$cargo_deny" --version 2>/dev/null) != "cargo-deny $cargo_deny_version" ]] || return 0
  need cc build-essential
  # Unoptimised it builds in about a minute, and a check takes a second all the same.
  env --unset=CARGO_TARGET_DIR CARGO_PROFILE_RELEASE_OPT_LEVEL=0 CARGO_PROFILE_RELEASE_LTO=off \
    cargo install --quiet --locked --root "$tools" "cargo-deny@$cargo_deny_version"
}

install_buf() {
  [[ $("$buf" --version 2>/dev/null) != "$buf_version" ]] || return 0
  need npm nodejs npm
  npm install --no-save --no-audit --no-fund --loglevel=error --prefix "$tools" "@bufbuild/buf@$buf_version"
  [[ $("$buf" --version) == "$buf_version" ]]
}

install_python_tools() {
  ! cmp -s tests/requirements.txt "$venv/requirements.txt" || return 0
  need python3 python3 python3-venv
  python3 -c 'import ensurepip, venv' || install_packages python3-venv
  python3 -m venv --clear "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check --no-deps --requirement tests/requirements.txt
  cp tests/requirements.txt "$venv/requirements.txt"
}
