// A watch that outlives its streams.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setTimeout as pause } from "node:timers/promises";

import { Code } from "@connectrpc/connect";
import type { Watch, WatchItem } from "tenure-client";
import { CallerNotAllowedError, connect, DeadlineExceededError } from "tenure-client";
import { EventKind } from "tenure-client/stubs";

import { refusal, scripted, unavailable } from "./scripted.js";
import { service } from "./service.js";

async function next(watch: Watch): Promise<WatchItem> {
  const item = await watch.next();
  assert(item.done !== true, "the watch ended");
  return item.value;
}

const event = (eventId: string, cursor: string) => ({
  event: { eventId, kind: EventKind.CREATED, occurredAt: { seconds: 1n } },
  cursor,
});

describe("watch", () => {
  it("gives what happens after it has started, and ends when the loop is left", async () => {
    const running = await service();
    using tenure = running.connect();
    const namespace = tenure.namespace("crm");
    const sessions = namespace.owner("acme", "ada");
    const watch = sessions.watch();
    await watch.started();
    const { id } = await sessions.create({ conversationId: "c1" });
    await namespace.owner("acme", "eve").create();
    await sessions.end(id);
    const seen: WatchItem[] = [];
    for await (const item of watch) {
      seen.push(item);
      if (seen.length === 2) {
        break;
      }
    }
    const [created, ended] = seen;
    assert(created?.kind === "CREATED" && created.sessionId === id && created.conversationId === "c1");
    assert(ended?.kind === "ENDED" && ended.endReason === "DELETED");
    assert.deepEqual(await watch.next(), { done: true, value: undefined });
    const later = namespace.watch({ cursor: created.cursor, owner: sessions.owner });
    assert.deepEqual(await next(later), ended);
    later.close();
    assert.deepEqual(await later.next(), { done: true, value: undefined });
    await running.stop();
  });

  it("says when it had to start anew, as after a restart that lost the log", async () => {
    const first = await service();
    const listen = new URL(first.url).host;
    using tenure = first.connect();
    const namespace = tenure.namespace("crm");
    const watch = namespace.watch();
    await watch.started();
    await first.stop("SIGKILL");
    const second = await service({ listen });
    const anew = await next(watch);
    assert.equal(anew.kind, "STARTED_ANEW");
    const { id } = await namespace.owner("acme", "ada").create();
    const created = await next(watch);
    assert(created.kind === "CREATED" && created.sessionId === id);
    watch.close();
    await second.stop();
  });

  it("resumes a lost stream from its cursor, heartbeats included", async () => {
    const cursors: string[] = [];
    const running = await scripted({
      async *watchSessions({ cursor }) {
        cursors.push(cursor);
        if (cursors.length === 1) {
          yield { cursor: "start" };
          yield event("1", "one");
          yield { cursor: "beat" };
          while (watch.cursor !== "beat") {
            await pause(1);
          }
          running.cut();
        } else if (cursors.length === 2) {
          throw unavailable();
        } else if (cursors.length === 3) {
          yield { cursor: "beat" };
          yield event("2", "two");
          // It ends without an error, as behind some proxies.
        } else {
          yield event("3", "three");
          await pause(10_000);
        }
      },
    });
    using tenure = connect(running.url, { env: {} });
    const watch = tenure.namespace("crm").watch();
    const ids: string[] = [];
    for await (const item of watch) {
      assert(item.kind !== "STARTED_ANEW");
      ids.push(item.eventId);
      if (ids.length === 3) {
        break;
      }
    }
    assert.deepEqual(ids, ["1", "2", "3"]);
    assert.deepEqual(cursors, ["", "beat", "beat", "two"]);
    assert.equal(watch.cursor, "three");
    await running.stop();
  });

  it("opens a stream anew that fell silent", async () => {
    let opened = 0;
    const running = await scripted({
      async *watchSessions(_, call) {
        opened++;
        yield opened === 1 ? { cursor: "start" } : event("1", "one");
        await pause(10_000, undefined, { signal: call.signal }).catch(() => undefined);
      },
    });
    using tenure = connect(running.url, { env: {} });
    const watch = tenure.namespace("crm").watch({ longestSilenceMs: 200 });
    const item = await next(watch);
    // A slow machine may fall silent for so long once more.
    assert(item.kind === "CREATED" && opened >= 2);
    watch.close();
    await running.stop();
  });

  it("says anew only once the new stream is open, and keeps the cursor of what was given", async () => {
    let opened = 0;
    const running = await scripted({
      async *watchSessions({ cursor }) {
        opened++;
        if (cursor === "old") {
          throw refusal(Code.OutOfRange, "CURSOR_EXPIRED");
        }
        yield { cursor: "start" };
        yield event("1", "one");
        await pause(10_000);
      },
    });
    using tenure = connect(running.url, { env: {} });
    const watch = tenure.namespace("crm").watch({ cursor: "old" });
    assert.deepEqual(await next(watch), { kind: "STARTED_ANEW", cursor: "start" });
    assert.equal(opened, 2);
    assert.equal(watch.cursor, "start");
    assert.equal((await next(watch)).kind, "CREATED");
    assert.equal(watch.cursor, "one");
    watch.close();
    await running.stop();
  });

  it("does not let its cursor pass over an event that was read with the marker", async () => {
    const running = await scripted({
      async *watchSessions({ cursor }) {
        if (cursor === "old") {
          throw refusal(Code.OutOfRange, "CURSOR_EXPIRED");
        }
        yield event("1", "one");
        await pause(10_000);
      },
    });
    using tenure = connect(running.url, { env: {} });
    const watch = tenure.namespace("crm").watch({ cursor: "old" });
    assert.deepEqual(await next(watch), { kind: "STARTED_ANEW", cursor: "old" });
    assert.equal(watch.cursor, "old");
    assert.equal((await next(watch)).kind, "CREATED");
    assert.equal(watch.cursor, "one");
    watch.close();
    await running.stop();
  });

  it("rejects with what cannot be mended, and with the signal's reason", async () => {
    const running = await scripted({
      async *watchSessions({ kinds }) {
        if (kinds.length > 0) {
          throw refusal(Code.PermissionDenied, "CALLER_NOT_ALLOWED");
        }
        yield { cursor: "start" };
        await pause(10_000);
      },
    });
    using tenure = connect(running.url, { env: {} });
    const namespace = tenure.namespace("crm");
    await assert.rejects(namespace.watch({ kinds: ["ENDED"] }).next(), CallerNotAllowedError);
    await assert.rejects(namespace.watch({ kinds: ["ENDED"] }).started(), CallerNotAllowedError);
    using away = connect("127.0.0.1:1", { env: {} });
    await assert.rejects(away.namespace("crm").watch().started({ timeoutMs: 100 }), DeadlineExceededError);
    const gone = new AbortController();
    const watch = namespace.watch({ signal: gone.signal });
    await watch.started();
    const reason = new Error("enough");
    setTimeout(() => {
      gone.abort(reason);
    }, 20);
    await assert.rejects(watch.next(), reason);
    await running.stop();
  });
});
