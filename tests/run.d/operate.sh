# shellcheck shell=bash
# What platform teams run: the Helm chart, the image, the Compose file. No cluster and no container engine is needed.

operate_venv=$target/venv-operate
operate_bin=$tools/operate
# Charts are rendered for this Kubernetes, unless a test says otherwise.
operate_kubernetes=1.37

part_operate() {
  check "rust tools" install_rust_tools
  check "cargo build" cargo build --locked
  check "operate: go tools" install_operate_tools
  check "operate: python tools" install_operate_packages
  check "helm lint" lint_chart
  check "helm-docs" chart_documentation
  check "chart: unit tests" chart_unit_tests
  check "hadolint" "$operate_venv/bin/hadolint" Dockerfile
  check "chart, image, compose file" operate_tests
  telemetry_checks
}

# One module pins Helm, its tools and the small programs of the tests, so that what they share is compiled once.
install_operate_tools() {
  local wanted
  wanted=$(cd tests/operate && cat go.mod go.sum ./*/*.go | sha256sum)
  [[ $(cat "$operate_bin/made" 2>/dev/null) != "$wanted" ]] || return 0
  go version
  local helm=helm.sh/helm/v3/pkg minor=${operate_kubernetes#*.} flags="-s -w"
  flags+=" -X $helm/chartutil.k8sVersionMajor=1 -X $helm/chartutil.k8sVersionMinor=$minor"
  flags+=" -X $helm/lint/rules.k8sVersionMajor=1 -X $helm/lint/rules.k8sVersionMinor=$minor"
  mkdir -p "$operate_bin"
  (
    cd tests/operate
    [[ -z $(gofmt -l .) ]]
    CGO_ENABLED=0 GOFLAGS=-mod=readonly go build -trimpath -ldflags "$flags" -o "$operate_bin/" tool ./...
  )
  echo "$wanted" >"$operate_bin/made"
}

install_operate_packages() {
  need openssl openssl
  need unshare util-linux
  need debootstrap debootstrap
  need redis-server redis-server
  need promtool prometheus
  local wanted=tests/operate/requirements.txt
  ! cmp -s "$wanted" "$operate_venv/requirements.txt" || return 0
  need python3 python3 python3-venv
  python3 -c 'import ensurepip, venv' || install_packages python3-venv
  python3 -m venv --clear "$operate_venv"
  "$operate_venv/bin/pip" install --quiet --disable-pip-version-check --no-deps --requirement "$wanted"
  cp "$wanted" "$operate_venv/requirements.txt"
}

lint_chart() {
  local values
  "$operate_bin/helm" lint --strict helm/tenure
  for values in helm/tenure/values-*.yaml; do
    "$operate_bin/helm" lint --strict helm/tenure --values "$values"
  done
}

# The chart's README is made from the comments in its values; UPDATE_DOCS=1 writes it.
chart_documentation() {
  local docs=("$operate_bin/helm-docs" --log-level warning --chart-search-root helm/tenure --sort-values-order file)
  if [[ -n ${UPDATE_DOCS:-} ]]; then
    "${docs[@]}"
  fi
  "${docs[@]}" --dry-run >"$target/chart-readme"
  diff -u helm/tenure/README.md "$target/chart-readme" || {
    echo "helm/tenure/README.md is out of date: run UPDATE_DOCS=1 tests/run operate"
    return 1
  }
}

chart_unit_tests() {
  "$operate_bin/helm-unittest" --strict helm/tenure
}

operate_tests() {
  PATH=$operate_bin:$PATH TENURE_BIN=$target/debug/tenure "$operate_venv/bin/python" -m pytest tests/operate
}
