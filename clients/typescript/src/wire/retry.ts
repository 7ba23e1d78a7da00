// The one layer that repeats calls.

import type { DescMethod } from "@bufbuild/protobuf";
import { ConnectError } from "@connectrpc/connect";

import { TenureError } from "../errors.js";
import { CredentialService } from "../gen/tenure/v1/credential_service_pb.js";
import { SessionService } from "../gen/tenure/v1/session_service_pb.js";
import { mayHelp, retryAfterMs } from "./failure.js";
import type { Limit } from "./limit.js";

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

/** Repeats calls while that is safe, may help, and their deadline allows. */
export class Retries {
  readonly #most: number;
  readonly #budget = new Budget();

  constructor(most: number) {
    this.#most = most;
  }

  /** Makes a call; an attempt is told how much of the call's time is left. */
  async run<Answer>(
    attempt: (leftMs: number) => Promise<Answer>,
    timeoutMs: number,
    limit: Limit,
  ): Promise<Answer> {
    const end = performance.now() + timeoutMs;
    let left = timeoutMs;
    for (let repetition = 1; ; repetition++) {
      try {
        const answer = await attempt(left);
        this.#budget.earn();
        return answer;
      } catch (thrown) {
        if (thrown instanceof TenureError) {
          throw thrown;
        }
        const error = ConnectError.from(thrown);
        if (limit.isOver || repetition > this.#most || !mayHelp(error) || !this.#budget.spend()) {
          throw thrown;
        }
        const pause = (retryAfterMs(error) ?? 0) + pauseMs(repetition);
        left = Math.ceil(end - performance.now() - pause);
        if (left <= 0) {
          throw thrown;
        }
        await sleep(pause, limit.signal);
      }
    }
  }
}

/** Whether repeating a call has no second effect. */
export function isSafe(method: DescMethod, message: object): boolean {
  return idempotent.has(method) || ("requestId" in message && message.requestId !== "");
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
