// Errors, repetitions, deadlines and headers, against a service that fails when it is told to.

import assert from "node:assert/strict";
import { after, describe, it } from "node:test";
import { setTimeout as pause } from "node:timers/promises";

import { AsyncLocalStorageContextManager } from "./context.js";
import { context, propagation, ROOT_CONTEXT, trace } from "@opentelemetry/api";
import type { HandlerContext, ServiceImpl } from "@connectrpc/connect";
import { Code, ConnectError } from "@connectrpc/connect";
import type { ConnectOptions, Tenure } from "tenure-client";
import {
  connect,
  DeadlineExceededError,
  LimitExceededError,
  NotFoundError,
  OverloadedError,
  RevisionMismatchError,
  SessionExpiredError,
  SessionInvalidatedError,
  SessionNotFoundError,
  TenureError,
  UnavailableError,
} from "tenure-client";
import type { SessionService } from "tenure-client/stubs";

import { Budget, pauseMs } from "#dist/wire/retry.js";
import type { Scripted } from "./scripted.js";
import { anySession, refusal, scripted, unavailable } from "./scripted.js";

const cleanups: (() => unknown)[] = [];

after(async () => {
  for (const cleanup of cleanups.reverse()) {
    await cleanup();
  }
});

async function against(
  methods: Partial<ServiceImpl<typeof SessionService>>,
  options: ConnectOptions = {},
): Promise<{ tenure: Tenure; service: Scripted }> {
  const service = await scripted(methods);
  const tenure = connect(service.url, { env: {}, ...options });
  cleanups.push(
    () => service.stop(),
    () => {
      tenure.close();
    },
  );
  return { tenure, service };
}

function sessionsOf(tenure: Tenure) {
  return tenure.namespace("crm").owner("acme", "ada");
}

describe("errors", () => {
  async function thrown(error: ConnectError): Promise<TenureError> {
    const { tenure } = await against({ getSession: () => Promise.reject(error) }, { retries: 0 });
    const failed = await sessionsOf(tenure)
      .get("some-session-id-1")
      .then(
        () => undefined,
        (reason: unknown) => reason,
      );
    assert(failed instanceof TenureError);
    return failed;
  }

  it("are classes by reason, with their data", async () => {
    const mismatch = await thrown(
      refusal(Code.Aborted, "REVISION_MISMATCH", { metadata: { revision: "7" } }),
    );
    assert(mismatch instanceof RevisionMismatchError);
    assert.equal(mismatch.currentRevision, 7);
    const invalidated = await thrown(
      refusal(Code.NotFound, "SESSION_INVALIDATED", { metadata: { end_reason: "PASSWORD_CHANGED" } }),
    );
    assert(invalidated instanceof SessionInvalidatedError && invalidated instanceof SessionNotFoundError);
    assert.equal(invalidated.invalidationReason, "PASSWORD_CHANGED");
    const expired = await thrown(refusal(Code.NotFound, "SESSION_EXPIRED_ABSOLUTE"));
    assert(expired instanceof SessionExpiredError);
    assert.equal(expired.endReason, "EXPIRED_ABSOLUTE");
    assert.equal(expired.name, "SessionExpiredError");
    const limit = await thrown(
      refusal(Code.ResourceExhausted, "TOO_MANY_SESSIONS", {
        metadata: { limit: "sessions_per_owner", maximum: "100", asked: "101" },
      }),
    );
    assert(limit instanceof LimitExceededError);
    assert.deepEqual([limit.limit, limit.maximum, limit.asked], ["sessions_per_owner", 100, 101]);
    assert.equal(limit.retryable, false);
    const overloaded = await thrown(refusal(Code.ResourceExhausted, "OVERLOADED", { retryAfterMs: 20 }));
    assert(overloaded instanceof OverloadedError);
    assert.equal(overloaded.retryAfterMs, 20);
    assert.equal(overloaded.retryable, true);
  });

  it("fall back to the code where the reason is new, and other domains are not believed", async () => {
    const fresh = await thrown(refusal(Code.FailedPrecondition, "SOMETHING_NEW"));
    assert.equal(fresh.constructor, TenureError);
    assert.deepEqual([fresh.reason, fresh.code], ["SOMETHING_NEW", "FAILED_PRECONDITION"]);
    assert((await thrown(refusal(Code.NotFound, "NOWHERE"))).constructor === NotFoundError);
    const foreign = new ConnectError("in words", Code.Internal);
    assert.equal((await thrown(foreign)).reason, "");
    assert.equal((await thrown(refusal(Code.NotFound, "constructor"))).constructor, NotFoundError);
  });

  it("say that nobody is there", async () => {
    using tenure = connect("127.0.0.1:1", { env: {}, retries: 0 });
    await assert.rejects(sessionsOf(tenure).get("some-session-id-1"), (error) => {
      assert(error instanceof UnavailableError);
      return error.message.includes("127.0.0.1:1");
    });
  });

  it("say that the client is closed", async () => {
    const { tenure } = await against({});
    tenure.close();
    await assert.rejects(sessionsOf(tenure).get("some-session-id-1"), /closed/);
  });
});

describe("repetitions", () => {
  it("happen while the service is away, with the same request id", async () => {
    const ids: string[] = [];
    const { tenure } = await against({
      createSession: ({ requestId }) => {
        ids.push(requestId);
        return ids.length < 3
          ? Promise.reject(unavailable())
          : Promise.resolve({ session: anySession, created: true });
      },
    });
    const session = await sessionsOf(tenure).create();
    assert.equal(session.created, true);
    assert.equal(ids.length, 3);
    assert.equal(new Set(ids).size, 1);
  });

  it("happen when the service says when", async () => {
    let calls = 0;
    const { tenure } = await against({
      getSession: () =>
        ++calls === 1
          ? Promise.reject(refusal(Code.ResourceExhausted, "OVERLOADED", { retryAfterMs: 120 }))
          : Promise.resolve({ session: anySession }),
    });
    const start = performance.now();
    await sessionsOf(tenure).get("some-session-id-1");
    assert.equal(calls, 2);
    assert(performance.now() - start >= 119);
  });

  it("do not happen for other errors, nor more often than said", async () => {
    let calls = 0;
    const error = { thrown: refusal(Code.Internal, "INTERNAL") };
    const { tenure } = await against({
      getSession: () => {
        calls++;
        return Promise.reject(error.thrown);
      },
    });
    await assert.rejects(sessionsOf(tenure).get("some-session-id-1"));
    assert.equal(calls, 1);
    error.thrown = unavailable();
    await assert.rejects(sessionsOf(tenure).get("some-session-id-1"), UnavailableError);
    assert.equal(calls, 1 + 5);
  });

  it("do not happen for what has a second effect", async () => {
    let calls = 0;
    const service = await scripted(
      {},
      {
        putCredential: () => {
          calls++;
          return Promise.reject(unavailable());
        },
      },
    );
    using tenure = connect(service.url, { env: {} });
    await assert.rejects(sessionsOf(tenure).credentials("some-session-id-1").put("key", Buffer.from("s")));
    assert.equal(calls, 1);
    await service.stop();
  });

  it("stay inside the deadline", async () => {
    let calls = 0;
    const { tenure } = await against({
      getSession: () => {
        calls++;
        return Promise.reject(refusal(Code.Unavailable, "STORE_UNAVAILABLE", { retryAfterMs: 60_000 }));
      },
    });
    // Had it waited for its end, it would be a DeadlineExceededError.
    await assert.rejects(
      sessionsOf(tenure).get("some-session-id-1", { timeoutMs: 30_000 }),
      UnavailableError,
    );
    assert.equal(calls, 1);
  });

  it("tell the service how much of the deadline is left", async () => {
    const left: number[] = [];
    const { tenure } = await against({
      getSession: (_, call) => {
        left.push(call.timeoutMs() ?? Number.NaN);
        const again = refusal(Code.Unavailable, "STORE_UNAVAILABLE", { retryAfterMs: 200 });
        return left.length === 1 ? Promise.reject(again) : Promise.resolve({ session: anySession });
      },
    });
    await sessionsOf(tenure).get("some-session-id-1", { timeoutMs: 60_000 });
    const [first = 0, second = 0] = left;
    assert(first > 30_000 && first <= 60_000 && second <= first - 150, String(left));
  });

  it("end with the caller's signal, and reject with its reason", async () => {
    let calls = 0;
    const gone = new AbortController();
    const reason = new Error("the user left");
    const { tenure } = await against({
      getSession: () => {
        calls++;
        setTimeout(() => {
          gone.abort(reason);
        }, 50);
        return Promise.reject(refusal(Code.Unavailable, "STORE_UNAVAILABLE", { retryAfterMs: 5000 }));
      },
    });
    await assert.rejects(sessionsOf(tenure).get("some-session-id-1", { signal: gone.signal }), reason);
    assert.equal(calls, 1);
    await assert.rejects(sessionsOf(tenure).get("some-session-id-1", { signal: gone.signal }), reason);
    assert.equal(calls, 1);
  });

  it("have a budget, and pauses that grow up to a cap", () => {
    const budget = new Budget();
    const repeated = Array.from({ length: 30 }, () => budget.spend()).filter(Boolean);
    assert.equal(repeated.length, Budget.full);
    for (let earned = 0; earned < 10; earned++) {
      assert.equal(budget.spend(), false);
      budget.earn();
    }
    assert.equal(budget.spend(), true);
    assert.deepEqual(
      [1, 2, 3, 20].map((repetition) => pauseMs(repetition, () => 1)),
      [50, 100, 200, 2000],
    );
    assert.equal(
      pauseMs(20, () => 0),
      0,
    );
  });

  it("give the state that the repeated answer lacks", async () => {
    let calls = 0;
    const stateless = { ...anySession, state: undefined };
    const { tenure } = await against({
      updateSession: () =>
        ++calls === 1
          ? Promise.reject(unavailable())
          : Promise.resolve({ session: stateless, replayed: true }),
      getSession: ({ peek }) => ({ session: { ...anySession, state: { peek } } }),
    });
    const session = await sessionsOf(tenure).update("some-session-id-1", { set: { a: 1 } });
    assert.deepEqual([session.replayed, session.state], [true, { peek: true }]);
    const own = await sessionsOf(tenure).update("some-session-id-1", {
      set: { a: 1 },
      requestId: crypto.randomUUID(),
    });
    assert.deepEqual([own.replayed, own.state], [true, undefined]);
  });
});

describe("deadlines", () => {
  it("end a call that is not answered", async () => {
    const { tenure } = await against({
      getSession: async (_, call) => {
        await pause(5000, undefined, { signal: call.signal }).catch(() => undefined);
        return {};
      },
    });
    await assert.rejects(
      sessionsOf(tenure).get("some-session-id-1", { timeoutMs: 100 }),
      DeadlineExceededError,
    );
  });
});

describe("headers", () => {
  it("bear the token of each moment, the correlation id and the trace", async () => {
    const seen: Headers[] = [];
    const tokens = ["first", "second"];
    const { tenure } = await against(
      {
        touchSession: (_, call) => {
          seen.push(call.requestHeader);
          return seen.length === 1 ? Promise.reject(unavailable()) : Promise.resolve({ session: anySession });
        },
      },
      { token: () => Promise.resolve(tokens.shift() ?? "none left") },
    );
    context.setGlobalContextManager(new AsyncLocalStorageContextManager());
    propagation.setGlobalPropagator({
      inject: (active, carrier, setter) => {
        const span = trace.getSpanContext(active);
        setter.set(carrier, "baggage", "nobody's business");
        setter.set(carrier, "traceparent", `00-${span?.traceId ?? ""}-${span?.spanId ?? ""}-01`);
      },
      extract: (active) => active,
      fields: () => ["traceparent"],
    });
    const span = { traceId: "0af7651916cd43dd8448eb211c80319c", spanId: "b7ad6b7169203331", traceFlags: 1 };
    await context.with(trace.setSpanContext(ROOT_CONTEXT, span), () =>
      sessionsOf(tenure).touch("some-session-id-1", { correlationId: "from-the-caller" }),
    );
    assert.deepEqual(
      seen.map((header) => header.get("authorization")),
      ["Bearer first", "Bearer second"],
    );
    for (const header of seen) {
      assert.equal(header.get("tenure-correlation-id"), "from-the-caller");
      assert.equal(header.get("baggage"), null);
      assert.equal(header.get("traceparent"), `00-${span.traceId}-${span.spanId}-01`);
    }
  });

  it("hold the user's token of their owner, asked for with each request", async () => {
    const seen: (string | null)[] = [];
    const note = ({ requestHeader }: HandlerContext) => seen.push(requestHeader.get("tenure-user-token"));
    const { tenure } = await against({
      getSession: (_, call) =>
        note(call) === 1 ? Promise.reject(unavailable()) : Promise.resolve({ session: anySession }),
      invalidateSessions: (_, call) => {
        note(call);
        return {};
      },
    });
    const namespace = tenure.namespace("crm");
    let asked = 0;
    const userToken = () => Promise.resolve(`t-${String(asked++)}`);
    const ada = namespace.owner("acme", "ada", { userToken });
    await ada.get("some-session-id-1");
    await ada.invalidate();
    await namespace.owner("acme", "bob", { userToken: "bobs" }).get("some-session-id-1");
    await namespace.owner("acme", "eve").get("some-session-id-1");
    assert.deepEqual(seen, ["t-0", "t-1", "t-2", "bobs", null]);
  });

  it("lack a token when none can be had: the call fails with its cause", async () => {
    const cause = new Error("the vault is sealed");
    let calls = 0;
    const { tenure } = await against(
      {},
      {
        token: () => {
          calls++;
          throw cause;
        },
      },
    );
    await assert.rejects(sessionsOf(tenure).get("some-session-id-1"), (error) => {
      return error instanceof TenureError && error.code === "UNAUTHENTICATED" && error.cause === cause;
    });
    assert.equal(calls, 1);
  });
});
