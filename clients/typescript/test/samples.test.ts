// The samples do what they say.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { describe, it } from "node:test";
import { promisify } from "node:util";

import { packageRoot, service } from "./service.js";

const said: Record<string, string[]> = {
  "tool-handler": [
    'Orders of Globex (search 1, recently ["Globex"])',
    'Orders of Globex (search 2, recently ["Globex","Globex"])',
    'Orders of Initech (search 3, recently ["Globex","Globex","Initech"])',
  ],
  "conversation-isolation": [
    'ada, write an offer: {"customer":"Globex"}',
    'ada, check an invoice: {"customer":"Initech"}',
    "bob, write an offer: {}",
    "bob, with ada's id: SESSION_NOT_FOUND",
  ],
  "logout-everywhere": [
    "dropped: INVALIDATED, PASSWORD_CHANGED",
    "dropped: INVALIDATED, PASSWORD_CHANGED",
    "ended: 2",
    "the laptop is told: PASSWORD_CHANGED",
  ],
  "token-refresh": ["tokens: access-2; refreshes: 1"],
};

async function run(name: string, server: string): Promise<string[]> {
  const sample = new URL(`build/samples/${name}.js`, packageRoot).pathname;
  const env = { PATH: process.env["PATH"], TENURE_SERVER: server };
  const { stdout } = await promisify(execFile)(process.execPath, [sample], { env, timeout: 60_000 });
  return stdout.trim().split("\n");
}

describe("samples", () => {
  for (const [name, lines] of Object.entries(said)) {
    it(name, async () => {
      const running = await service();
      assert.deepEqual(await run(name, running.url), lines);
      await running.stop();
    });
  }
});
