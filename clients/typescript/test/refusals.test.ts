// Errors that take more than one call to provoke, from the real service.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { after, before, describe, it } from "node:test";
import { promisify } from "node:util";

import type { OAuthTokenSet, Refresh, Sessions } from "tenure-client";
import { DataUnreadableError, OverloadedError, RefreshInProgressError } from "tenure-client";
import type { Service } from "tenure-client/testing";

import { binary, service } from "./service.js";

const tokens = (accessToken: string, inMs: number): OAuthTokenSet => ({
  accessToken,
  refreshToken: `refresh-of-${accessToken}`,
  expiresAt: new Date(Date.now() + inMs),
});
const stale = tokens("stale", 5_000);
const never: Refresh = () => Promise.reject(new Error("nobody asked for a refresh"));

async function sessionWith(sessions: Sessions) {
  const { id } = await sessions.create({ credentials: { t: stale } });
  return { id, credentials: sessions.credentials(id) };
}

describe("the real service", () => {
  let running: Service;
  before(async () => {
    running = await service();
  });
  after(() => running.stop());

  it("tells who waits too long for another's refresh", async () => {
    using tenure = running.connect();
    const { credentials } = await sessionWith(tenure.namespace("crm").owner("acme", "ada"));
    const fresh = await credentials.withFreshToken("t", async () => {
      await assert.rejects(
        credentials.withFreshToken("t", never, { timeoutMs: 5_000 }),
        RefreshInProgressError,
      );
      return tokens("fresh", 3_600_000);
    });
    assert.equal(fresh.accessToken, "fresh");
  });

  it("lets others refresh when one gives up", async () => {
    using tenure = running.connect();
    const { credentials } = await sessionWith(tenure.namespace("crm").owner("acme", "ada"));
    const gone = new AbortController();
    const reason = new Error("enough");
    const hanging = credentials.withFreshToken(
      "t",
      (_, { signal }) => {
        const aborted = new Promise<never>((__, reject) => {
          signal?.addEventListener("abort", () => {
            reject(reason);
          });
        });
        gone.abort(reason);
        return aborted;
      },
      { signal: gone.signal, leaseTtlMs: 300_000 },
    );
    await assert.rejects(hanging, reason);
    const fresh = await credentials.withFreshToken("t", (_, { uncertain }) => {
      assert.ok(uncertain, "who was cut short may have used the refresh token");
      return Promise.resolve(tokens("fresh", 3_600_000));
    });
    assert.equal(fresh.accessToken, "fresh");
  });

  it("says when it cannot open what a destroyed key sealed", async () => {
    using tenure = running.connect();
    const { credentials } = await sessionWith(tenure.namespace("crm").owner("unreadable", "ada"));
    const destroy = ["keys", "destroy", "--namespace", "crm", "--tenant", "unreadable", "--yes"];
    await promisify(execFile)(binary, [...destroy, "--server", running.url]);
    await assert.rejects(credentials.get("t"), DataUnreadableError);
  });
});

it("a service with too much to do says so", async () => {
  const running = await service({ args: ["--set", "grpc.max_in_flight=1"] });
  using tenure = running.connect();
  const sessions = tenure.namespace("crm").owner("acme", "ada");
  const { id, credentials } = await sessionWith(sessions);
  const { version } = await credentials.get("t");
  const overloaded = () =>
    sessions.get(id).then(
      () => undefined,
      (error: unknown) => {
        assert(error instanceof OverloadedError);
        return error;
      },
    );
  const fresh = await credentials.withFreshToken("t", async () => {
    // Whoever waits for this refresh takes the only place.
    const gone = new AbortController();
    const waiting = credentials.withFreshToken("t", never, { rejected: { version }, signal: gone.signal });
    waiting.catch(() => undefined);
    let error: OverloadedError | undefined;
    while (error === undefined) {
      error = await overloaded();
    }
    assert(error.retryAfterMs !== undefined);
    gone.abort();
    while ((await overloaded()) !== undefined);
    return tokens("fresh", 3_600_000);
  });
  assert.equal(fresh.accessToken, "fresh");
  await running.stop();
});
