# shellcheck shell=bash
# The Python client: its sources, its stubs, and all of its tests against the real binary.

python_venv=$target/venv-python

part_python() {
  check "rust tools" install_rust_tools
  check "cargo build" cargo build --locked
  check "python client: install" install_python_client
  check "python client: ruff" lint_python_client
  check "python client: mypy" in_python_client mypy --cache-dir "$target/mypy-python"
  check "python client: stubs are those of the protos" in_python_client python tools/make_stubs.py --check
  check "python client: the blocking one is made from the other" in_python_client python tools/make_sync.py --check
  check "python client: tests, vectors, samples" in_python_client pytest -q
  check "python client: package" build_python_client
  if [[ -n ${TENURE_TESTS_LONG:-} ]]; then
    check "python client: speed" in_python_client python tools/speed.py
  fi
}

# in_python_client COMMAND [ARGUMENT...]: a command of the client's environment, in its directory.
in_python_client() (
  cd clients/python
  TENURE_BIN=$target/debug/tenure PATH=$python_venv/bin:$PATH "$@"
)

install_python_client() {
  local wanted=clients/python/tests/requirements.txt
  ! cmp -s "$wanted" "$python_venv/requirements.txt" || return 0
  need python3 python3 python3-venv
  python3 -c 'import ensurepip, venv' || install_packages python3-venv
  python3 -m venv --clear "$python_venv"
  local pip=("$python_venv/bin/pip" install --quiet --disable-pip-version-check --no-deps)
  "${pip[@]}" --requirement "$wanted"
  "${pip[@]}" --no-build-isolation --editable clients/python
  cp "$wanted" "$python_venv/requirements.txt"
}

lint_python_client() {
  in_python_client ruff check --no-cache . ../../tests/vectors
  in_python_client ruff format --no-cache --check . ../../tests/vectors
}

# The wheel has all modules, the stubs and the marker of its types, and works where nothing else is installed.
build_python_client() {
  local out=$target/python-package
  rm -rf "$out"
  in_python_client python -m hatchling build -d "$out"
  python3 -m zipfile --list "$out"/*.whl >"$out/contents"
  cat "$out/contents"
  local file
  for file in tenure/py.typed tenure/sync.py tenure/_sync/_client.py tenure/v1/session_pb2.pyi; do
    grep -q "^$file " "$out/contents"
  done
  tar --list --file "$out"/*.tar.gz >"$out/sources"
  grep -q /samples/token_refresh.py "$out/sources"
  python3 -m venv "$out/venv"
  "$out/venv/bin/pip" install --quiet --disable-pip-version-check "$out"/*.whl
  (cd "$out" && TENURE_BIN=$target/debug/tenure venv/bin/python -c '
from tenure import sync, testing
with testing.serve() as server, sync.connect(server.address) as client:
    assert client.namespace("crm").owner("acme", "ada").get_or_create("c1").created
')
}
