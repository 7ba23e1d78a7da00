// The one layer that repeats calls.

import type { DescMethod } from "@bufbuild/protobuf";
import type { Interceptor } from "@connectrpc/connect";
import { ConnectError } from "@connectrpc/connect";

import { TenureError } from "../errors.js";
import { CredentialService } from "../gen/tenure/v1/credential_service_pb.js";
import { SessionService } from "../gen/tenure/v1/session_service_pb.js";
import { mayHelp, retryAfterMs } from "./failure.js";

const firstPauseMs = 50;
const longestPauseMs = 2000;

/** Calls without a request id that have no second effect when they are repeated. */
const idempotent: ReadonlySet<DescMethod> = new Set([
  SessionService.method.getSession,
  SessionService.method.touchSession,
  SessionService.method.deleteSession,
  SessionService.method.invalidateSessions,
  SessionService.method.listSessions,
  CredentialService.method.getCredential,
  CredentialService.method.deleteCredential,
  CredentialService.method.listCredentials,
  // The lease that a lost answer granted ends by itself, and keeps others from refreshing until then.
  CredentialService.method.beginRefresh,
  // A second one is refused: the lease is used up.
  CredentialService.method.completeRefresh,
  CredentialService.method.abandonRefresh,
]);

/**
 * A bucket of tokens over all calls of a client: when most calls fail, repeating them would only add load. A
 * repetition costs one token, a call that succeeds gives a tenth back.
 */
export class Budget {
  static readonly full = 20;

  #tenths = Budget.full * 10;

  earn(): void {
    this.#tenths = Math.min(this.#tenths + 1, Budget.full * 10);
  }

  /** Whether there is a token for a repetition. */
  spend(): boolean {
    if (this.#tenths < 10) {
      return false;
    }
    this.#tenths -= 10;
    return true;
  }
}

/** How long to wait before a repetition: up to a limit that doubles and is capped, never the same for two clients. */
export function pauseMs(repetition: number, random: () => number = Math.random): number {
  return Math.min(firstPauseMs * 2 ** (Math.min(repetition, 10) - 1), longestPauseMs) * random();
}

/** Repeats a call while that is safe, may help, and the deadline allows. */
export function retries(most: number): Interceptor {
  const budget = new Budget();
  return (next) => async (request) => {
    if (request.stream || !isSafe(request.method, request.message)) {
      return next(request);
    }
    const start = performance.now();
    let timeout: number | undefined;
    for (let repetition = 1; ; repetition++) {
      try {
        const answer = await next(request);
        budget.earn();
        return answer;
      } catch (thrown) {
        if (thrown instanceof TenureError) {
          throw thrown;
        }
        const error = ConnectError.from(thrown);
        if (request.signal.aborted || repetition > most || !mayHelp(error) || !budget.spend()) {
          throw thrown;
        }
        const pause = (retryAfterMs(error) ?? 0) + pauseMs(repetition);
        timeout ??= timeoutOf(request.header);
        const left = start + timeout - performance.now() - pause;
        if (left <= 0) {
          throw thrown;
        }
        await sleep(pause, request.signal);
        if (left < Number.POSITIVE_INFINITY) {
          request.header.set("grpc-timeout", `${String(Math.ceil(left))}m`);
        }
      }
    }
  };
}

function isSafe(method: DescMethod, message: object): boolean {
  return idempotent.has(method) || ("requestId" in message && message.requestId !== "");
}

/** What the transport made of the caller's deadline, in milliseconds. */
function timeoutOf(header: Headers): number {
  const timeout = /^(\d+)m$/.exec(header.get("grpc-timeout") ?? "");
  return timeout === null ? Number.POSITIVE_INFINITY : Number(timeout[1]);
}

/** Waits, at most until the signal. Rejects with the signal's reason. */
export function sleep(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const end = () => {
      clearTimeout(timer);
      reject(signal.reason as Error);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", end);
      resolve();
    }, milliseconds);
    if (signal.aborted) {
      end();
    } else {
      signal.addEventListener("abort", end, { once: true });
    }
  });
}
