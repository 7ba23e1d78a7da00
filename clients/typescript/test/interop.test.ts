// The program that other languages' tests talk to: one line in, one line out, in the same order.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { describe, it } from "node:test";
import { text } from "node:stream/consumers";

import { packageRoot, service } from "./service.js";

describe("interop", () => {
  it("answers each line, and ends with its stdin", async () => {
    const running = await service();
    const main = new URL("build/interop/main.js", packageRoot).pathname;
    const child = spawn(process.execPath, [main, running.url], { stdio: ["pipe", "pipe", "inherit"] });
    const place = { namespace: "crm", owner: { tenant: "acme", user: "ada" } };
    const sessionId = "chosen-by-the-test";
    const state = { n: { $integer: "9007199254740991" }, t: "ü" };
    const requests = [
      {
        do: "create",
        ...place,
        with: { session_id: sessionId, state, authenticated_at: "2026-01-01T00:00:00Z" },
      },
      { do: "update", ...place, with: { session_id: sessionId, increment: { n: -1 } } },
      { do: "get", ...place, with: { session_id: "unknown-unknown-unknown" } },
      { do: "create", ...place, with: { state: { n: { $integer: "9007199254740992" } } } },
    ];
    child.stdin.end(requests.map((request) => `${JSON.stringify(request)}\n`).join(""));
    const lines = (await text(child.stdout)).trim().split("\n");
    const answers = lines.map(
      (line) => JSON.parse(line) as { answer?: Record<string, unknown>; error?: unknown },
    );
    const [created, updated, absent, refused] = answers;
    assert.equal(answers.length, requests.length);
    assert.deepEqual(created?.answer?.["state"], { n: 9007199254740991, t: "ü" });
    assert.equal(created.answer["authenticated_at"], "2026-01-01T00:00:00.000Z");
    assert.deepEqual(updated?.answer?.["increments"], { n: 9007199254740990 });
    assert.deepEqual(absent, { error: { reason: "SESSION_NOT_FOUND", code: "NOT_FOUND" } });
    assert.deepEqual(refused, { error: { reason: "INVALID_VALUE", code: "CLIENT" } });
    await running.stop();
  });
});
