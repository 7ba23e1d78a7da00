// Lifecycle events as an async iterable that goes on where it broke off.

import { setTimeout as pause } from "node:timers/promises";

import { discreet } from "./discreet.js";
import type { EndReason, InvalidationReason } from "./errors.js";
import {
  CursorExpiredError,
  DeadlineExceededError,
  InvalidValueError,
  ownFailure,
  TenureError,
} from "./errors.js";
import { UnavailableError } from "./outages.js";
import * as wire from "./gen/tenure/v1/session_pb.js";
import type { WatchSessionsResponse } from "./gen/tenure/v1/session_service_pb.js";
import { SessionService } from "./gen/tenure/v1/session_service_pb.js";
import type { Owner, Selector } from "./session.js";
import { fromOwner, fromSelector } from "./session.js";
import { checkedText } from "./state.js";
import { fromTimestamp } from "./time.js";
import type { Wire } from "./wire.js";
import { pauseMs } from "./wire/retry.js";

/** What happened in a session's life. */
export type EventKind = "CREATED" | "UPDATED" | "ROTATED" | "ENDED" | "REVOKED";

/** One lifecycle event. */
export interface SessionEvent {
  /** What happened; `UNKNOWN` if a newer service says something that this client does not know. */
  readonly kind: EventKind | "UNKNOWN";
  /** Unique within the namespace; the same when the event is delivered again. */
  readonly eventId: string;
  /** When. */
  readonly occurredAt: Date;
  /** Where. */
  readonly namespace: string;
  /** Whose session; undefined for a revocation. */
  readonly owner: Owner | undefined;
  /** Which session: the new id of a rotated one; empty for a revocation. */
  readonly sessionId: string;
  /** The id before a rotation. */
  readonly previousSessionId: string;
  /** The session's conversation. */
  readonly conversationId: string;
  /** The session's revision after the event. */
  readonly revision: number;
  /** Why it ended. */
  readonly endReason: EndReason | undefined;
  /** Why it was invalidated. */
  readonly invalidationReason: InvalidationReason | undefined;
  /** What a revocation covers. */
  readonly selector: Selector | undefined;
  /** A revocation covers what was authenticated up to then. */
  readonly authenticatedUntil: Date | undefined;
  /** Where to resume after this event. */
  readonly cursor: string;
}

/** Events were lost: drop what you hold. What happens from now on is seen again. */
export interface StartedAnew {
  readonly kind: "STARTED_ANEW";
  /** Where to resume after this item. */
  readonly cursor: string;
}

/** What a watch gives. */
export type WatchItem = SessionEvent | StartedAnew;

/** What is watched. */
export interface WatchOptions {
  /** Only these kinds; without it all. */
  readonly kinds?: readonly EventKind[] | undefined;
  /** Resume after this cursor; without it start now. */
  readonly cursor?: string | undefined;
  /**
   * How long the service may say nothing, not even a heartbeat, before the stream is opened anew. 60 s unless
   * said otherwise; it should be several times the service's `grpc.watch_heartbeat`.
   */
  readonly longestSilenceMs?: number | undefined;
  /** Ends the watch; its iteration then rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Lifecycle events: in order for each owner, at least once. A lost stream is resumed from its cursor. Where
 * that is no longer possible the watch says so with `STARTED_ANEW`. It can be iterated once; leaving the loop,
 * or `close`, ends it.
 */
export class Watch implements AsyncIterableIterator<WatchItem, undefined, undefined> {
  readonly #wire: Wire;
  readonly #request: { namespace: string; owner?: Owner; kinds: wire.EventKind[] };
  readonly #closed = new AbortController();
  readonly #caller: AbortSignal | undefined;
  readonly #items: AsyncGenerator<WatchItem, undefined, undefined>;
  readonly #longestSilenceMs: number;
  /** Where a lost stream is resumed: after what was read. */
  #position: string;
  /** After what was given. */
  #cursor: string;
  #opened: () => void = () => undefined;
  readonly #open: Promise<void>;
  #ahead: Promise<IteratorResult<WatchItem, undefined>> | undefined;

  /** @internal */
  constructor(wire: Wire, namespace: string, owner: Owner | undefined, options: WatchOptions) {
    this.#wire = wire;
    this.#request = { namespace, ...(owner && { owner }), kinds: (options.kinds ?? []).map(toKind) };
    this.#cursor = this.#position = checkedText("cursor", options.cursor ?? "");
    this.#longestSilenceMs = options.longestSilenceMs ?? defaultSilenceMs;
    this.#caller = options.signal;
    this.#open = new Promise((resolve) => {
      this.#opened = resolve;
    });
    this.#items = this.#run();
  }

  /** Where a later watch resumes: after the last item that was given, or after a heartbeat that followed. */
  get cursor(): string {
    return this.#cursor;
  }

  /**
   * Resolves when the stream is open: what happens after that is seen. Iterating opens it as well, and waits as
   * long as it takes; this has a deadline, that of calls unless said otherwise.
   */
  async started(options: { readonly timeoutMs?: number | undefined } = {}): Promise<void> {
    this.#ahead ??= this.#items.next();
    // Whoever does not iterate after a failure has heard of it here.
    this.#ahead.catch(() => undefined);
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        reject(new DeadlineExceededError(ownFailure("DEADLINE_EXCEEDED", "the watch did not open in time")));
      }, options.timeoutMs ?? this.#wire.timeoutMs);
    });
    try {
      await Promise.race([this.#open, this.#ahead, late]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Ends the watch and its iteration. */
  close(): void {
    this.#closed.abort();
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async next(): Promise<IteratorResult<WatchItem, undefined>> {
    const item = this.#ahead ?? this.#items.next();
    this.#ahead = undefined;
    const given = await item;
    if (given.done !== true) {
      this.#cursor = given.value.cursor;
    }
    return given;
  }

  async return(): Promise<IteratorResult<WatchItem, undefined>> {
    this.close();
    await this.#ahead?.catch(() => undefined);
    return this.#items.return(undefined);
  }

  async *#run(): AsyncGenerator<WatchItem, undefined, undefined> {
    const ends = this.#caller === undefined ? [this.#closed.signal] : [this.#closed.signal, this.#caller];
    let anew = false;
    for (let failures = 1; ; failures++) {
      let retryAfterMs = 0;
      try {
        for await (const { event, cursor } of this.#messages(ends)) {
          failures = 1;
          this.#position = cursor;
          if (anew) {
            // Only now is nothing missed any more: who reads anew after this sees what follows.
            anew = false;
            // With an event behind it, only that event's cursor leads past both.
            yield { kind: "STARTED_ANEW", cursor: event === undefined ? cursor : this.#cursor };
          }
          if (event === undefined) {
            this.#cursor = cursor;
          }
          this.#opened();
          if (event !== undefined) {
            yield fromEvent(event, cursor);
          }
        }
      } catch (error) {
        if (this.#closed.signal.aborted) {
          return undefined;
        }
        if (error instanceof CursorExpiredError && this.#position !== "") {
          this.#position = "";
          anew = true;
        } else if (!(error instanceof TenureError) || !error.retryable) {
          throw error;
        } else {
          retryAfterMs = error.retryAfterMs ?? 0;
        }
      }
      // The first attempt after a stream that worked comes soon; then the pauses grow.
      await pause(retryAfterMs + pauseMs(failures), undefined, { signal: AbortSignal.any(ends) }).catch(
        () => undefined,
      );
      if (this.#closed.signal.aborted) {
        return undefined;
      }
      this.#caller?.throwIfAborted();
    }
  }

  /** One stream, from the position on, until it breaks or falls silent. */
  async *#messages(ends: readonly AbortSignal[]): AsyncIterable<WatchSessionsResponse> {
    const silent = new AbortController();
    const signal = AbortSignal.any([silent.signal, ...ends]);
    const timer = setTimeout(() => {
      silent.abort(new UnavailableError(ownFailure("UNAVAILABLE", "the stream of events fell silent")));
    }, this.#longestSilenceMs);
    timer.unref();
    try {
      const request = { ...this.#request, cursor: this.#position };
      for await (const message of this.#wire.open(SessionService.method.watchSessions, request, { signal })) {
        yield message;
        timer.refresh();
      }
    } finally {
      clearTimeout(timer);
    }
  }
}

const defaultSilenceMs = 60_000;

const kinds: Readonly<Record<EventKind, wire.EventKind>> = {
  CREATED: wire.EventKind.CREATED,
  UPDATED: wire.EventKind.UPDATED,
  ROTATED: wire.EventKind.ROTATED,
  ENDED: wire.EventKind.ENDED,
  REVOKED: wire.EventKind.REVOKED,
};

function toKind(kind: EventKind): wire.EventKind {
  if (!Object.hasOwn(kinds, kind)) {
    throw new InvalidValueError("kinds", `must be of ${Object.keys(kinds).join(", ")}`);
  }
  return kinds[kind];
}

function fromEvent(event: wire.SessionEvent, cursor: string): SessionEvent {
  const { UNSPECIFIED } = wire.InvalidationReason;
  const invalidated =
    event.invalidationReason !== UNSPECIFIED || event.endReason === wire.EndReason.INVALIDATED;
  return discreet(
    {
      kind: kindName(event.kind),
      eventId: event.eventId,
      occurredAt: fromTimestamp("occurred_at", event.occurredAt),
      namespace: event.namespace,
      owner: event.owner && fromOwner(event.owner),
      sessionId: event.sessionId,
      previousSessionId: event.previousSessionId,
      conversationId: event.conversationId,
      revision: Number(event.revision),
      endReason: endReasonName(event.endReason),
      invalidationReason: invalidated ? invalidationName(event.invalidationReason) : undefined,
      selector: fromSelector(event.selector),
      authenticatedUntil:
        event.authenticatedUntil && fromTimestamp("authenticated_until", event.authenticatedUntil),
      cursor,
    },
    ["kind", "eventId", "occurredAt", "endReason", "invalidationReason"],
  );
}

// A newer service may send numbers that these enumerations do not have.

function kindName(kind: wire.EventKind): EventKind | "UNKNOWN" {
  const name = wire.EventKind[kind] as keyof typeof wire.EventKind | undefined;
  return name === undefined || name === "UNSPECIFIED" ? "UNKNOWN" : name;
}

function endReasonName(reason: wire.EndReason): EndReason | undefined {
  const name = wire.EndReason[reason] as keyof typeof wire.EndReason | undefined;
  return name === "UNSPECIFIED" ? undefined : name;
}

function invalidationName(reason: wire.InvalidationReason): InvalidationReason {
  const name = wire.InvalidationReason[reason] as InvalidationReason | undefined;
  return name ?? "UNSPECIFIED";
}
