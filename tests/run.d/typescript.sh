# shellcheck shell=bash
# The TypeScript client: types, style, stubs; then its tests, the vectors and the samples against the real binary.

part_typescript() {
  check "rust tools" install_rust_tools
  check "cargo build" cargo build --locked
  check "npm ci" typescript_install
  check "tsc" typescript npm run compile
  check "eslint" typescript npm run lint
  check "stubs" typescript npm run stubs
  check "npm test" typescript env TENURE_BIN="$target/debug/tenure" npm test
  check "the package installs" typescript_package
}

# typescript COMMAND [ARGUMENT...]: in the package's folder.
typescript() {
  (cd clients/typescript && "$@")
}

# shellcheck disable=SC2016  # what stands in backticks is JavaScript's
typescript_install() {
  need npm nodejs npm
  need openssl openssl
  node -e 'if (parseInt(process.versions.node) < 20) throw process.version + " is too old: Node.js 20 is needed"'
  typescript npm ci --no-audit --no-fund --loglevel=error
}

# What would be published works where nothing else is installed.
typescript_package() {
  local folder=$target/typescript-package
  rm -rf "$folder"
  mkdir -p "$folder"
  typescript npm pack --silent --pack-destination "$folder"
  cd "$folder" || return
  npm init --yes >/dev/null
  npm install --no-audit --no-fund --loglevel=error ./tenure-client-*.tgz
  ls node_modules/tenure-client/samples/{tool-handler,conversation-isolation,logout-everywhere,token-refresh}.ts
  TENURE_BIN=$target/debug/tenure node --input-type=module --eval '
    import { startTenure } from "tenure-client/testing";
    const service = await startTenure();
    const tenure = service.connect();
    const { created } = await tenure.namespace("crm").owner("acme", "ada").getOrCreate("c1");
    tenure.close();
    await service.stop();
    if (!created) process.exit(1);
  '
}
