// The sessions of one owner.

import { randomUUID } from "node:crypto";

import type { MessageInitShape } from "@bufbuild/protobuf";
import { fromJson } from "@bufbuild/protobuf";
import { ListValueSchema } from "@bufbuild/protobuf/wkt";

import type { Credential } from "./credential.js";
import { toCredential } from "./credential.js";
import { Credentials } from "./credentials.js";
import { InvalidValueError } from "./errors.js";
import type { CredentialSchema } from "./gen/tenure/v1/session_pb.js";
import type { AppendSchema, UpdateSessionRequest } from "./gen/tenure/v1/session_service_pb.js";
import { OnExisting, SessionService } from "./gen/tenure/v1/session_service_pb.js";
import type { Invalidated, InvalidateOptions } from "./invalidate.js";
import { invalidate } from "./invalidate.js";
import type { McpContext, Owner, Session, SessionWithState } from "./session.js";
import { checkedTexts, fromSession, fromSessionWithState, given, toMcp } from "./session.js";
import type { StateInput, StateInputs } from "./state.js";
import { checkedInteger, checkedList, checkedState, checkedText, setKey } from "./state.js";
import { toDuration, toTimestamp } from "./time.js";
import type { WatchOptions } from "./watch.js";
import { Watch } from "./watch.js";
import type { CallOptions, Wire } from "./wire.js";

/** What a session begins with. */
export interface GetOrCreateOptions extends CallOptions {
  /** The first state. */
  readonly state?: StateInputs | undefined;
  /** What is needed to revive the MCP session. */
  readonly mcp?: McpContext | undefined;
  /** For the admin's filters. */
  readonly labels?: readonly string[] | undefined;
  /** The first credentials, by name. */
  readonly credentials?: Readonly<Record<string, Credential>> | undefined;
  /** How long it lives without being used; without it the namespace's default. */
  readonly idleTtlMs?: number | undefined;
  /** How long it lives at most; without it the namespace's default. */
  readonly maxLifetimeMs?: number | undefined;
  /** When the login behind it happened (`auth_time` or `iat`); without it now. */
  readonly authenticatedAt?: Date | undefined;
  /** What the identity provider calls that login (`sid`). */
  readonly providerSessionId?: string | undefined;
  /** A UUID that makes a repetition of this very call safe; without it the client makes one. */
  readonly requestId?: string | undefined;
}

/** What a session begins with, and which it is. */
export interface CreateOptions extends GetOrCreateOptions {
  /** The id to use: 16 to 256 visible ASCII characters. Without it Tenure makes one. */
  readonly sessionId?: string | undefined;
  /** Keeps parallel workflows apart: at most one live session per conversation. */
  readonly conversationId?: string | undefined;
  /** What to do when the conversation has a live session: by default it is an error. */
  readonly onExisting?: "FAIL" | "RETURN" | "REPLACE" | undefined;
}

/** A session that was asked for with create. */
export interface CreatedSession extends Session {
  /** Whether this call made it. */
  readonly created: boolean;
  /** Whether this answer repeats that of an earlier call with the same `requestId`. */
  readonly replayed: boolean;
}

/** How a session is read. */
export interface GetOptions extends CallOptions {
  /** Reads without sliding the idle deadline. */
  readonly peek?: boolean | undefined;
  /** Only these keys of the state. */
  readonly stateKeys?: readonly string[] | undefined;
}

/** Values to add to the end of a list. */
export interface Append {
  /** The values, in order. */
  readonly values: readonly StateInput[];
  /** The list keeps at most so many; the oldest drop out. */
  readonly maxLength?: number | undefined;
}

/** A change of single keys. A key may stand in only one of `set`, `remove`, `increment`, `append`. */
export interface UpdateOptions extends CallOptions {
  /** Keys to set, whole. */
  readonly set?: StateInputs | undefined;
  /** Keys to remove. */
  readonly remove?: readonly string[] | undefined;
  /** Integers to add. A missing key starts at 0. */
  readonly increment?: Readonly<Record<string, number | bigint>> | undefined;
  /** Values to append to lists. A missing key starts empty. */
  readonly append?: Readonly<Record<string, Append | readonly StateInput[]>> | undefined;
  /** Replaces the MCP context. */
  readonly mcp?: McpContext | undefined;
  /** Replaces the labels. */
  readonly labels?: readonly string[] | undefined;
  /** Only if the session is at this revision. */
  readonly ifRevision?: number | undefined;
  /** Answer without the state after the change. */
  readonly omitState?: boolean | undefined;
  /** A UUID that makes a repetition of this very call safe; without it the client makes one. */
  readonly requestId?: string | undefined;
}

/** A session after a change. */
export interface UpdatedSession extends Session {
  /** The values of the incremented keys after the change. */
  readonly increments: Readonly<Record<string, number>>;
  /** Whether this answer repeats that of an earlier call with the same `requestId`. */
  readonly replayed: boolean;
}

/** How a session gets a new id. */
export interface RotateOptions extends CallOptions {
  /** The id to use from now on; without it Tenure makes one. */
  readonly newSessionId?: string | undefined;
  /** When the new login happened; without it as it was. */
  readonly authenticatedAt?: Date | undefined;
  /** What the identity provider calls the new login; without it as it was. */
  readonly providerSessionId?: string | undefined;
  /** A UUID that makes a repetition of this very call safe; without it the client makes one. */
  readonly requestId?: string | undefined;
}

/** A session under its new id. */
export interface RotatedSession extends Session {
  /** Whether this answer repeats that of an earlier call with the same `requestId`. */
  readonly replayed: boolean;
}

/** How sessions are listed. */
export interface ListOptions extends CallOptions {
  /** At most so many in one answer; without it 50. */
  readonly pageSize?: number | undefined;
  /** With their state. */
  readonly includeState?: boolean | undefined;
}

/** One page of a list. */
export interface SessionPage {
  /** Newest first. */
  readonly sessions: readonly Session[];
  /** Where the next page starts; empty on the last. */
  readonly nextPageToken: string;
}

/** How a claim is made. */
export interface ClaimOptions extends CallOptions {
  /** How long the claim holds: from 1 second to 24 hours. */
  readonly ttlMs: number;
  /** A UUID that makes a repetition of this very call safe; without it the client makes one. */
  readonly requestId?: string | undefined;
}

/** What became of a claim. */
export interface Claim {
  /** Whether this call claimed the key. */
  readonly claimed: boolean;
  /** Whether this answer repeats that of an earlier call with the same `requestId`. */
  readonly replayed: boolean;
}

const rpc = SessionService.method;

/** The sessions of one owner in one namespace. */
export class Sessions {
  readonly #wire: Wire;
  /** The namespace. */
  readonly namespace: string;
  /** The owner. */
  readonly owner: Owner;

  /** @internal */
  constructor(wire: Wire, namespace: string, owner: Owner) {
    this.#wire = wire;
    this.namespace = namespace;
    this.owner = owner;
  }

  /** Makes a session. */
  async create(options: CreateOptions = {}): Promise<CreatedSession> {
    const { session, created, replayed } = await this.#wire.call(
      rpc.createSession,
      {
        namespace: this.namespace,
        owner: this.owner,
        sessionId: text("sessionId", options.sessionId),
        conversationId: text("conversationId", options.conversationId),
        ...(options.state && { state: checkedState("state", options.state) }),
        ...(options.mcp && { mcp: toMcp(options.mcp) }),
        labels: checkedTexts("labels", options.labels ?? []),
        ...(options.credentials && { credentials: toCredentials(options.credentials) }),
        ...(options.idleTtlMs !== undefined && { idleTtl: toDuration("idleTtlMs", options.idleTtlMs) }),
        ...(options.maxLifetimeMs !== undefined && {
          maxLifetime: toDuration("maxLifetimeMs", options.maxLifetimeMs),
        }),
        ...(options.authenticatedAt && {
          authenticatedAt: toTimestamp("authenticatedAt", options.authenticatedAt),
        }),
        providerSessionId: text("providerSessionId", options.providerSessionId),
        onExisting: OnExisting[options.onExisting ?? "FAIL"],
        requestId: requestId(options),
      },
      options,
    );
    const own = fromSession(session);
    return given({ ...(replayed ? await this.#withState(own, options) : own), created, replayed });
  }

  /** The live session of a conversation, or a new one: what a tool handler wants. */
  getOrCreate(conversationId: string, options: GetOrCreateOptions = {}): Promise<CreatedSession> {
    if (conversationId === "") {
      throw new InvalidValueError("conversationId", "is empty: each call would make a session");
    }
    return this.create({ ...options, conversationId, onExisting: "RETURN" });
  }

  /** Reads a session and slides its idle deadline. */
  async get(sessionId: string, options: GetOptions = {}): Promise<SessionWithState> {
    const { session } = await this.#wire.call(
      rpc.getSession,
      {
        namespace: this.namespace,
        owner: this.owner,
        sessionId: checkedText("sessionId", sessionId),
        peek: options.peek ?? false,
        stateKeys: checkedTexts("stateKeys", options.stateKeys ?? []),
      },
      options,
    );
    return given(fromSessionWithState(session));
  }

  /** Changes single keys of a session's state, in one step. */
  async update(sessionId: string, options: UpdateOptions): Promise<UpdatedSession> {
    const { session, increments, replayed } = await this.#wire.call(
      rpc.updateSession,
      {
        namespace: this.namespace,
        owner: this.owner,
        sessionId: checkedText("sessionId", sessionId),
        ...(options.set && { set: checkedState("set", options.set) }),
        remove: checkedTexts("remove", options.remove ?? []),
        ...(options.increment && { increment: toIncrements(options.increment) }),
        ...(options.append && { append: toAppends(options.append) }),
        ...(options.mcp && { mcp: toMcp(options.mcp) }),
        ...(options.labels && { labels: { values: checkedTexts("labels", options.labels) } }),
        ...(options.ifRevision !== undefined && {
          ifRevision: BigInt(checkedInteger("ifRevision", options.ifRevision)),
        }),
        omitState: options.omitState ?? false,
        requestId: requestId(options),
      },
      options,
    );
    const own = fromSession(session);
    const complete = replayed && options.omitState !== true;
    return given({
      ...(complete ? await this.#withState(own, options) : own),
      increments: fromIncrements(increments),
      replayed,
    });
  }

  /** Slides a session's idle deadline without moving its state. */
  async touch(sessionId: string, options: CallOptions = {}): Promise<Session> {
    const { session } = await this.#wire.call(rpc.touchSession, this.#named(sessionId), options);
    return given(fromSession(session));
  }

  /** Gives a session a new id; the old one is dead in the same step. For a login or a change of rights. */
  async rotate(sessionId: string, options: RotateOptions = {}): Promise<RotatedSession> {
    const { session, replayed } = await this.#wire.call(
      rpc.rotateSession,
      {
        ...this.#named(sessionId),
        newSessionId: text("newSessionId", options.newSessionId),
        ...(options.authenticatedAt && {
          authenticatedAt: toTimestamp("authenticatedAt", options.authenticatedAt),
        }),
        ...(options.providerSessionId !== undefined && {
          providerSessionId: text("providerSessionId", options.providerSessionId),
        }),
        requestId: requestId(options),
      },
      options,
    );
    const own = fromSession(session);
    return given({ ...(replayed ? await this.#withState(own, options) : own), replayed });
  }

  /** Ends a session. False if there was none to end; repeating it is no error. */
  async end(sessionId: string, options: CallOptions = {}): Promise<boolean> {
    const { deleted } = await this.#wire.call(rpc.deleteSession, this.#named(sessionId), options);
    return deleted;
  }

  /** The owner's live sessions, newest first; pages are fetched as they are needed. */
  async *list(options: ListOptions = {}): AsyncGenerator<Session, void, undefined> {
    let pageToken = "";
    do {
      const page = await this.listPage({ ...options, pageToken });
      yield* page.sessions;
      pageToken = page.nextPageToken;
    } while (pageToken !== "");
  }

  /** One page of {@link list}. */
  async listPage(
    options: ListOptions & { readonly pageToken?: string | undefined } = {},
  ): Promise<SessionPage> {
    const { sessions, nextPageToken } = await this.#wire.call(
      rpc.listSessions,
      {
        namespace: this.namespace,
        owner: this.owner,
        pageSize: int32("pageSize", options.pageSize),
        pageToken: text("pageToken", options.pageToken),
        includeState: options.includeState ?? false,
      },
      options,
    );
    return { sessions: sessions.map((session) => given(fromSession(session))), nextPageToken };
  }

  /** Ends all sessions of this owner, at once and everywhere. */
  invalidate(options: InvalidateOptions = {}): Promise<Invalidated> {
    return invalidate(this.#wire, this.namespace, { owner: this.owner }, options);
  }

  /** True exactly once for each key until its TTL has passed: for nonces and other single-use ids. */
  async claimOnce(key: string, options: ClaimOptions): Promise<boolean> {
    return (await this.claim(key, options)).claimed;
  }

  /** As {@link claimOnce}, and whether the answer repeats an earlier one. */
  async claim(key: string, options: ClaimOptions): Promise<Claim> {
    const { claimed, replayed } = await this.#wire.call(
      rpc.claimOnce,
      {
        namespace: this.namespace,
        owner: this.owner,
        key: checkedText("key", key),
        ttl: toDuration("ttlMs", options.ttlMs),
        requestId: requestId(options),
      },
      options,
    );
    return { claimed, replayed };
  }

  /** This owner's lifecycle events, and the revocations that cover it. */
  watch(options: WatchOptions = {}): Watch {
    return new Watch(this.#wire, this.namespace, this.owner, options);
  }

  /** The credentials kept with a session. */
  credentials(sessionId: string): Credentials {
    return new Credentials(this.#wire, this.#named(sessionId));
  }

  #named(sessionId: string): { namespace: string; owner: Owner; sessionId: string } {
    return { namespace: this.namespace, owner: this.owner, sessionId: checkedText("sessionId", sessionId) };
  }

  /**
   * The answer to a call that the client itself repeated comes without state: it is read then. Who chose the
   * request id gets the answer as it came.
   */
  async #withState(
    session: Session,
    options: CallOptions & { requestId?: string | undefined },
  ): Promise<Session> {
    if (options.requestId !== undefined) {
      return session;
    }
    const { signal, timeoutMs, correlationId } = options;
    return this.get(session.id, { peek: true, signal, timeoutMs, correlationId });
  }
}

function text(field: string, value: string | undefined): string {
  return value === undefined ? "" : checkedText(field, value);
}

function requestId(options: { readonly requestId?: string | undefined }): string {
  return options.requestId === undefined ? randomUUID() : checkedText("requestId", options.requestId);
}

function int32(field: string, value: number | undefined): number {
  const integer = value ?? 0;
  if (!Number.isInteger(integer) || Math.abs(integer) > 0x7fff_ffff) {
    throw new InvalidValueError(field, `${String(value)} is not an integer of 32 bits`);
  }
  return integer;
}

function toIncrements(
  increments: Readonly<Record<string, number | bigint>>,
): UpdateSessionRequest["increment"] {
  const wire: UpdateSessionRequest["increment"] = {};
  for (const [key, value] of Object.entries(increments)) {
    const by = checkedInteger(`increment.${key}`, value);
    setKey(wire, checkedText("increment", key), BigInt(by));
  }
  return wire;
}

function fromIncrements(increments: Readonly<Record<string, bigint>>): Record<string, number> {
  const values: Record<string, number> = {};
  for (const [key, value] of Object.entries(increments)) {
    setKey(values, key, Number(value));
  }
  return values;
}

type WireAppend = MessageInitShape<typeof AppendSchema>;

function toAppends(
  appends: Readonly<Record<string, Append | readonly StateInput[]>>,
): Record<string, WireAppend> {
  const wire: Record<string, WireAppend> = {};
  for (const [key, append] of Object.entries(appends)) {
    const { values, maxLength } = isList(append) ? { values: append, maxLength: 0 } : append;
    const checked = checkedList(`append.${key}`, values);
    const one = {
      values: fromJson(ListValueSchema, checked),
      maxLength: int32(`append.${key}.maxLength`, maxLength),
    };
    setKey(wire, checkedText("append", key), one);
  }
  return wire;
}

function isList(append: Append | readonly StateInput[]): append is readonly StateInput[] {
  return Array.isArray(append);
}

type WireCredential = MessageInitShape<typeof CredentialSchema>;

function toCredentials(credentials: Readonly<Record<string, Credential>>): Record<string, WireCredential> {
  const wire: Record<string, WireCredential> = {};
  for (const [name, credential] of Object.entries(credentials)) {
    setKey(wire, checkedText("credentials", name), toCredential(`credentials.${name}`, credential));
  }
  return wire;
}
