// Makes the stubs anew beside the committed ones, and fails where they differ.

import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const committed = join(root, "src", "gen");
const fresh = mkdtempSync(join(tmpdir(), "tenure-stubs-"));

/** @param {string} directory */
function stubs(directory) {
  const names = readdirSync(directory, { recursive: true, withFileTypes: true });
  const files = names.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  return new Map(files.map((file) => [file.slice(directory.length + 1), readFileSync(file, "utf8")]));
}

try {
  const template = JSON.stringify({
    version: "v2",
    inputs: [{ directory: "../../proto", paths: ["../../proto/tenure/v1"] }, { directory: "proto" }],
    plugins: [{ local: "protoc-gen-es", out: fresh, opt: ["target=ts", "import_extension=js"] }],
  });
  const { status } = spawnSync("npx", ["--no-install", "buf", "generate", "--template", template], {
    cwd: root,
    stdio: "inherit",
  });
  if (status !== 0) {
    process.exit(1);
  }
  const [old, now] = [stubs(committed), stubs(fresh)];
  const differing = [...new Set([...old.keys(), ...now.keys()])].filter(
    (name) => old.get(name) !== now.get(name),
  );
  if (now.size === 0 || differing.length > 0) {
    console.error(`src/gen is not what the protos give: ${differing.join(", ")}\nRun: npm run generate`);
    process.exitCode = 1;
  } else {
    console.log(`src/gen is what the protos give: ${String(now.size)} files`);
  }
} finally {
  rmSync(fresh, { recursive: true });
}
