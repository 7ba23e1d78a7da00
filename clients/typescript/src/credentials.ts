// The secrets kept with one session.

import type { Credential, OAuthTokenSet } from "./credential.js";
import { fromCredential, isOAuth, toCredential, veiled } from "./credential.js";
import { InvalidValueError, malformed, RefreshLeaseLostError } from "./errors.js";
import { CredentialService } from "./gen/tenure/v1/credential_service_pb.js";
import type * as wire from "./gen/tenure/v1/session_pb.js";
import type { Owner } from "./session.js";
import { checkedInteger, checkedText } from "./state.js";
import { toDuration } from "./time.js";
import type { CallOptions, Wire } from "./wire.js";
import { untilAborted } from "./wire/abort.js";

/** A credential that was read. */
export interface StoredCredential {
  readonly credential: Credential;
  /** Grows with each write of this name. */
  readonly version: number;
}

/** A token set that is fresh, and the version that it is stored as. */
export interface FreshToken extends OAuthTokenSet {
  /** Grows with each write of this name. */
  readonly version: number;
}

/** What a refresh function is told beside the token set. */
export interface RefreshContext {
  /** Whether an earlier refresher disappeared: it may have used the refresh token already. */
  readonly uncertain: boolean;
  /** Ends with the call that asked for the token. */
  readonly signal: AbortSignal | undefined;
}

/** Gets a new token set from the authorization server, with the old one's refresh token. */
export type Refresh = (stale: OAuthTokenSet, context: RefreshContext) => Promise<OAuthTokenSet>;

/** When and how a token set is refreshed. */
export interface FreshTokenOptions extends CallOptions {
  /**
   * How long to read and to wait for another caller's refresh; without it 60 seconds. Then it is a
   * `RefreshInProgressError`. The refresh function and the storing of its result take their own time.
   */
  readonly timeoutMs?: number | undefined;
  /** What an earlier call gave, and the resource server refused: it is refreshed unless somebody has done so. */
  readonly rejected?: Pick<FreshToken, "version"> | undefined;
  /** How long it must be valid from now on; without it 60 seconds. */
  readonly minValidityMs?: number | undefined;
  /** How long the refresh function may take before another caller may try; without it 30 seconds. */
  readonly leaseTtlMs?: number | undefined;
}

const rpc = CredentialService.method;
const defaultMinValidityMs = 60_000;
const defaultTimeoutMs = 60_000;
// How long whoever aborted waits until the lease is given back.
const longestFarewellMs = 1_000;

interface Place {
  readonly namespace: string;
  readonly owner: Owner;
  readonly sessionId: string;
}

/** The credentials kept with one session, encrypted. */
export class Credentials {
  readonly #wire: Wire;
  readonly #place: Place;

  /** @internal */
  constructor(wire: Wire, place: Place) {
    this.#wire = wire;
    this.#place = place;
  }

  /** Stores a credential under a name, whole, and answers its version. It is not repeated by itself. */
  async put(name: string, credential: Credential, options: CallOptions = {}): Promise<number> {
    const request = { ...this.#named(name), credential: toCredential("credential", credential) };
    const { version } = await this.#wire.call(rpc.putCredential, request, options);
    return Number(version);
  }

  /** Reads a credential. */
  async get(name: string, options: CallOptions = {}): Promise<StoredCredential> {
    return fromStored(await this.#wire.call(rpc.getCredential, this.#named(name), options));
  }

  /** Destroys a credential. False if there was none. */
  async delete(name: string, options: CallOptions = {}): Promise<boolean> {
    const { deleted } = await this.#wire.call(rpc.deleteCredential, this.#named(name), options);
    return deleted;
  }

  /** The names of the credentials. */
  async names(options: CallOptions = {}): Promise<readonly string[]> {
    const { names } = await this.#wire.call(rpc.listCredentials, this.#place, options);
    return names;
  }

  /**
   * A token set that is fresh. If it is not, one caller of all instances refreshes it; the rest wait. When `refresh`
   * fails, the lease is given back. An aborted call rejects at once; the lease ends with `refresh`, which is told by
   * its signal, and what it gives all the same is stored.
   */
  async withFreshToken(name: string, refresh: Refresh, options: FreshTokenOptions = {}): Promise<FreshToken> {
    const timeoutMs = options.timeoutMs ?? defaultTimeoutMs;
    const deadline = performance.now() + timeoutMs;
    let staleVersion = options.rejected?.version;
    if (staleVersion === undefined) {
      const current = freshToken(name, await this.get(name, { ...options, timeoutMs }));
      if (isFresh(current, options)) {
        return current;
      }
      staleVersion = current.version;
    }
    const leftMs = Math.max(deadline - performance.now(), 1);
    const { outcome } = await this.#wire.call(
      rpc.beginRefresh,
      {
        ...this.#named(name),
        staleVersion: BigInt(checkedInteger("rejected.version", staleVersion)),
        wait: toDuration("timeoutMs", waitMs(leftMs)),
        ...(options.leaseTtlMs !== undefined && { leaseTtl: toDuration("leaseTtlMs", options.leaseTtlMs) }),
      },
      { ...options, timeoutMs: leftMs },
    );
    switch (outcome.case) {
      case "refreshed":
        return freshToken(name, fromStored(outcome.value));
      case "lease": {
        const { leaseId, uncertain } = outcome.value;
        const stale = freshToken(name, fromStored(outcome.value));
        const refreshing = this.#refresh(
          { name, leaseId, stale },
          () => refresh(stale, { uncertain, signal: options.signal }),
          options,
        );
        return options.signal === undefined ? refreshing : untilAborted(refreshing, options.signal);
      }
      default:
        throw malformed("an outcome of BeginRefresh");
    }
  }

  async #refresh(
    { name, leaseId, stale }: { name: string; leaseId: string; stale: FreshToken },
    refresh: () => Promise<OAuthTokenSet>,
    { signal, correlationId }: CallOptions,
  ): Promise<FreshToken> {
    const lease = { ...this.#named(name), leaseId };
    let tokens: OAuthTokenSet;
    let credential: ReturnType<typeof toCredential>;
    try {
      tokens = await refresh();
      credential = toCredential("refreshed", tokens);
    } catch (error) {
      // The lease would end by itself; giving it back lets the next caller try at once.
      const timeoutMs = signal?.aborted === true ? longestFarewellMs : undefined;
      // `refresh` was called and gave nothing: it may have used the refresh token, and the next caller is told.
      const abandoned = { ...lease, uncertain: true };
      await this.#wire
        .call(rpc.abandonRefresh, abandoned, { timeoutMs, correlationId })
        .catch(() => undefined);
      throw error;
    }
    try {
      // The old token may be spent by now: the result is stored even if the caller has gone away.
      const { version } = await this.#wire.call(
        rpc.completeRefresh,
        { ...lease, credential },
        { correlationId },
      );
      return veiled({ ...tokens, version: Number(version) });
    } catch (error) {
      if (!(error instanceof RefreshLeaseLostError)) {
        throw error;
      }
      // A repetition whose first attempt arrived finds the lease used up; so does who came too late.
      const stored = freshToken(name, await this.get(name));
      if (stored.version <= stale.version) {
        throw error;
      }
      return stored;
    }
  }

  #named(name: string): Place & { name: string } {
    return { ...this.#place, name: checkedText("name", name) };
  }
}

function isFresh(tokens: OAuthTokenSet, options: FreshTokenOptions): boolean {
  const { expiresAt } = tokens;
  return (
    expiresAt === undefined ||
    expiresAt.getTime() - Date.now() > (options.minValidityMs ?? defaultMinValidityMs)
  );
}

function fromStored(stored: { credential?: wire.Credential | undefined; version: bigint }): StoredCredential {
  return { credential: fromCredential(stored.credential), version: Number(stored.version) };
}

function freshToken(name: string, { credential, version }: StoredCredential): FreshToken {
  if (!isOAuth(credential)) {
    throw new InvalidValueError(name, "is not an OAuth token set");
  }
  return veiled({ ...credential, version });
}

/** How long the service may wait: a tenth less than there is, so that its answer arrives, also on a busy machine. */
function waitMs(leftMs: number): number {
  return Math.max(leftMs - Math.min(Math.max(leftMs / 10, 200), 1000), 0);
}
