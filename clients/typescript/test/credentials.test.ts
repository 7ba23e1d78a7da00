// Fresh tokens: one caller refreshes, the rest wait. Against a service that keeps the contract's leases.

import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { Code } from "@connectrpc/connect";
import type { OAuthTokenSet } from "tenure-client";
import { connect, InvalidValueError, RefreshInProgressError, RefreshLeaseLostError } from "tenure-client";

import { refusal, scripted, unavailable } from "./scripted.js";
import { Vault } from "./vault.js";

const minute = 60_000;
const expiring = (accessToken: string, inMs: number): OAuthTokenSet => ({
  accessToken,
  refreshToken: `refresh-of-${accessToken}`,
  expiresAt: new Date(Date.now() + inMs),
});

async function withVault(
  test: (vault: Vault, credentials: ReturnType<ReturnType<typeof bound>>) => Promise<void>,
  change: (methods: Vault["methods"]) => Vault["methods"] = (methods) => methods,
): Promise<void> {
  const vault = new Vault();
  const running = await scripted({}, change(vault.methods));
  using tenure = connect(running.url, { env: {} });
  await test(vault, bound(tenure)());
  await running.stop();
}

function bound(tenure: ReturnType<typeof connect>) {
  return () => tenure.namespace("crm").owner("acme", "ada").credentials("some-session-id-1");
}

const never = () => Promise.reject(new Error("nobody asked for a refresh"));

describe("credentials", () => {
  it("come back as they went", async () => {
    await withVault(async (_, credentials) => {
      const tokens = {
        ...expiring("a", minute),
        tokenType: "Bearer",
        scopes: ["read"],
        issuer: "i",
        audience: "r",
      };
      assert.equal(await credentials.put("github", tokens), 1);
      assert.deepEqual(await credentials.get("github"), { credential: tokens, version: 1 });
      assert.equal(await credentials.put("key", Buffer.from("secret")), 2);
      const { credential } = await credentials.get("key");
      assert.deepEqual(credential, new Uint8Array(Buffer.from("secret")));
      await assert.rejects(credentials.withFreshToken("key", never), InvalidValueError);
    });
  });

  it("are refreshed by one caller; the rest wait for its result", async () => {
    await withVault(async (vault, credentials) => {
      await credentials.put("github", expiring("stale", 1000));
      let refreshes = 0;
      const refresh = async (stale: OAuthTokenSet) => {
        refreshes++;
        assert.equal(stale.refreshToken, "refresh-of-stale");
        await new Promise((resolve) => setTimeout(resolve, 50));
        return expiring("fresh", 10 * minute);
      };
      const calls = Array.from({ length: 20 }, () => credentials.withFreshToken("github", refresh));
      const tokens = await Promise.all(calls);
      assert.deepEqual(new Set(tokens.map(({ accessToken }) => accessToken)), new Set(["fresh"]));
      assert.deepEqual([refreshes, vault.completions], [1, 1]);
      assert.equal((await credentials.withFreshToken("github", never)).accessToken, "fresh");
      const rejected = await credentials.withFreshToken("github", never);
      const another = () => Promise.resolve(expiring("another", minute));
      assert.equal((await credentials.withFreshToken("github", another, { rejected })).version, 3);
      // Somebody has refreshed the one that was rejected.
      assert.equal((await credentials.withFreshToken("github", never, { rejected })).accessToken, "another");
      assert.equal(vault.version, 3n);
    });
  });

  it("are given back when the refresh fails, so that the next caller may try", async () => {
    await withVault(async (vault, credentials) => {
      await credentials.put("github", expiring("stale", 0));
      const broken = new Error("the authorization server is away");
      await assert.rejects(
        credentials.withFreshToken("github", () => Promise.reject(broken)),
        broken,
      );
      assert.equal(vault.lease, "");
      const fresh = await credentials.withFreshToken("github", () =>
        Promise.resolve(expiring("fresh", 10 * minute)),
      );
      assert.equal(fresh.accessToken, "fresh");
    });
  });

  it("are stored although the caller gave up, if the refresh went on", async () => {
    await withVault(async (vault, credentials) => {
      await credentials.put("github", expiring("stale", 0));
      const gone = new AbortController();
      const reason = new Error("enough");
      let finish: (tokens: OAuthTokenSet) => void = () => undefined;
      const refresh = () => {
        gone.abort(reason);
        return new Promise<OAuthTokenSet>((resolve) => (finish = resolve));
      };
      await assert.rejects(credentials.withFreshToken("github", refresh, { signal: gone.signal }), reason);
      const waiting = credentials.withFreshToken("github", never);
      finish(expiring("fresh", 10 * minute));
      assert.equal((await waiting).accessToken, "fresh");
      assert.equal(vault.completions, 1);
    });
  });

  it("wait at the service, and a little less long than the caller", async () => {
    const waits: (number | undefined)[] = [];
    await withVault(
      async (_, credentials) => {
        await credentials.put("github", expiring("stale", 0));
        await assert.rejects(credentials.withFreshToken("github", never), RefreshInProgressError);
        await assert.rejects(
          credentials.withFreshToken("github", never, { timeoutMs: 20_000 }),
          RefreshInProgressError,
        );
        const [usual = 0, given = 0] = waits;
        assert(usual > 50 && usual < 60 && given > 10 && given < 20, String(waits));
      },
      (methods) => ({
        ...methods,
        beginRefresh: ({ wait }) => {
          waits.push(Number(wait?.seconds) + (wait?.nanos ?? 0) / 1e9);
          throw refusal(Code.Aborted, "REFRESH_IN_PROGRESS");
        },
      }),
    );
  });

  it("that were stored by a call whose answer was lost are recognised", async () => {
    await withVault(
      async (vault, credentials) => {
        await credentials.put("github", expiring("stale", 0));
        const refresh = () => Promise.resolve(expiring("fresh", 10 * minute));
        assert.equal((await credentials.withFreshToken("github", refresh)).accessToken, "fresh");
        assert.equal(vault.completions, 2);
      },
      (methods) => {
        let lost = false;
        const completeRefresh: typeof methods.completeRefresh = async (request, context) => {
          const answer = await methods.completeRefresh?.(request, context);
          if (!lost) {
            lost = true;
            throw unavailable();
          }
          return answer ?? {};
        };
        return { ...methods, completeRefresh };
      },
    );
  });

  it("are not taken for stored when somebody else has the lease by now", async () => {
    await withVault(async (vault, credentials) => {
      await credentials.put("github", expiring("stale", 0));
      const slow = () => {
        vault.lease = "somebody else's";
        return Promise.resolve(expiring("too late", minute));
      };
      await assert.rejects(credentials.withFreshToken("github", slow), RefreshLeaseLostError);
    });
  });
});
