// The calls of tests/vectors, made through the client's public API.

import type {
  Append,
  CreateOptions,
  Credential,
  GetOrCreateOptions,
  InvalidateOptions,
  McpContext,
  Namespace,
  OAuthTokenSet,
  Owner,
  RotateOptions,
  Selector,
  Session,
  Sessions,
  StateInput,
  StateInputs,
  UpdateOptions,
} from "tenure-client";
import {
  InvalidFieldError,
  isOAuth,
  LimitExceededError,
  RevisionMismatchError,
  SessionInvalidatedError,
  TenureError,
} from "tenure-client";

import type { Fields, Value } from "./values.js";
import { isFields } from "./values.js";

/** Where a call is made. */
export interface Place {
  readonly namespace: Namespace;
  readonly sessions: Sessions;
}

type Call = (place: Place, with_: Arguments) => Promise<Fields>;

/** The arguments of a call, of which none may be overlooked. */
export class Arguments {
  readonly #fields: Fields;
  readonly #left: Set<string>;

  constructor(fields: Fields) {
    this.#fields = fields;
    this.#left = new Set(Object.keys(fields));
  }

  // The kind is what the case's format says.
  // eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters
  get<Kind>(name: string): Kind | undefined {
    this.#left.delete(name);
    return this.#fields[name] as Kind | undefined;
  }

  // eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters
  need<Kind>(name: string): Kind {
    const value = this.get<Kind>(name);
    if (value === undefined) {
      throw new Error(`the call needs ${name}`);
    }
    return value;
  }

  milliseconds(name: string): number | undefined {
    const seconds = this.get<number>(name);
    return seconds === undefined ? undefined : seconds * 1000;
  }

  time(name: string): Date | undefined {
    return time(this.get<Value>(name));
  }

  end(): void {
    if (this.#left.size > 0) {
      throw new Error(`the call does not know ${[...this.#left].join(", ")}`);
    }
  }
}

/** Makes a call. Rejects with what the client rejects with. */
export async function call(name: string, place: Place, fields: Fields): Promise<Fields> {
  const make = Object.hasOwn(calls, name) ? calls[name] : undefined;
  if (make === undefined) {
    throw new Error(`there is no call ${name}`);
  }
  const with_ = new Arguments(fields);
  const answer = await make(place, with_);
  with_.end();
  return answer;
}

const calls: Readonly<Record<string, Call>> = {
  create: async ({ sessions }, with_) => {
    const options: CreateOptions = {
      ...beginning(with_),
      sessionId: with_.get("session_id"),
      conversationId: with_.get("conversation_id"),
      onExisting: with_.get("on_existing"),
    };
    const session = await sessions.create(options);
    return { ...sessionFields(session), created: session.created, replayed: session.replayed };
  },
  get_or_create: async ({ sessions }, with_) => {
    const session = await sessions.getOrCreate(with_.need("conversation_id"), beginning(with_));
    return { ...sessionFields(session), created: session.created, replayed: session.replayed };
  },
  get: async ({ sessions }, with_) => {
    const options = { peek: with_.get<boolean>("peek"), stateKeys: with_.get<string[]>("state_keys") };
    return sessionFields(await sessions.get(with_.need("session_id"), options));
  },
  update: async ({ sessions }, with_) => {
    const options: UpdateOptions = {
      set: with_.get<StateInputs>("set"),
      remove: with_.get("remove"),
      increment: with_.get("increment"),
      append: appends(with_.get("append")),
      mcp: mcp(with_.get("mcp")),
      labels: with_.get("labels"),
      ifRevision: with_.get("if_revision"),
      omitState: with_.get("omit_state"),
      requestId: with_.get("request_id"),
    };
    const session = await sessions.update(with_.need("session_id"), options);
    return { ...sessionFields(session), increments: session.increments, replayed: session.replayed };
  },
  touch: async ({ sessions }, with_) => sessionFields(await sessions.touch(with_.need("session_id"))),
  rotate: async ({ sessions }, with_) => {
    const options: RotateOptions = {
      newSessionId: with_.get("new_session_id"),
      authenticatedAt: with_.time("authenticated_at"),
      providerSessionId: with_.get("provider_session_id"),
      requestId: with_.get("request_id"),
    };
    const session = await sessions.rotate(with_.need("session_id"), options);
    return { ...sessionFields(session), replayed: session.replayed };
  },
  end: async ({ sessions }, with_) => ({ deleted: await sessions.end(with_.need("session_id")) }),
  list: async ({ sessions }, with_) => {
    const page = await sessions.listPage({
      pageSize: with_.get("page_size"),
      pageToken: with_.get("page_token"),
      includeState: with_.get("include_state"),
    });
    return { sessions: page.sessions.map(sessionFields), next_page_token: page.nextPageToken };
  },
  list_all: async ({ sessions }, with_) => {
    const all: Fields[] = [];
    const options = {
      pageSize: with_.get<number>("page_size"),
      includeState: with_.get<boolean>("include_state"),
    };
    for await (const session of sessions.list(options)) {
      all.push(sessionFields(session));
    }
    return { sessions: all };
  },
  invalidate: async ({ namespace }, with_) => {
    const selector = toSelector(with_.need("selector"));
    return defined({ ...renamed(await namespace.invalidate(selector, invalidating(with_))) });
  },
  invalidate_owner: async ({ sessions }, with_) => {
    return defined({ ...renamed(await sessions.invalidate(invalidating(with_))) });
  },
  claim_once: async ({ sessions }, with_) => {
    const key = with_.need<string>("key");
    const options = { ttlMs: with_.milliseconds("ttl") ?? 0, requestId: with_.get<string>("request_id") };
    const { claimed, replayed } = await sessions.claim(key, options);
    return { claimed, replayed };
  },
  put_credential: async ({ sessions }, with_) => {
    const credentials = sessions.credentials(with_.need("session_id"));
    return { version: await credentials.put(with_.need("name"), toCredential(with_.need("credential"))) };
  },
  get_credential: async ({ sessions }, with_) => {
    const credentials = sessions.credentials(with_.need("session_id"));
    const { credential, version } = await credentials.get(with_.need("name"));
    return { credential: credentialFields(credential), version };
  },
  list_credentials: async ({ sessions }, with_) => {
    return { names: await sessions.credentials(with_.need("session_id")).names() };
  },
  delete_credential: async ({ sessions }, with_) => {
    return { deleted: await sessions.credentials(with_.need("session_id")).delete(with_.need("name")) };
  },
  fresh_token: async ({ sessions }, with_) => {
    let refreshes = 0;
    const refreshed = tokenSet(with_.get("refreshed") ?? {});
    const refresh = () => {
      refreshes++;
      return Promise.resolve(refreshed);
    };
    const credentials = sessions.credentials(with_.need("session_id"));
    const name = with_.need<string>("name");
    const rejected = with_.get<boolean>("force") === true ? await credentials.get(name) : undefined;
    const token = await credentials.withFreshToken(name, refresh, { rejected });
    return { credential: credentialFields(token), refreshes };
  },
  now: () => Promise.resolve({ time: new Date() }),
};

function beginning(with_: Arguments): GetOrCreateOptions {
  const credentials = with_.get<Record<string, Fields>>("credentials");
  return {
    state: with_.get<StateInputs>("state"),
    mcp: mcp(with_.get("mcp")),
    labels: with_.get("labels"),
    credentials:
      credentials &&
      Object.fromEntries(
        Object.entries(credentials).map(([name, credential]) => [name, toCredential(credential)]),
      ),
    idleTtlMs: with_.milliseconds("idle_ttl"),
    maxLifetimeMs: with_.milliseconds("max_lifetime"),
    authenticatedAt: with_.time("authenticated_at"),
    providerSessionId: with_.get("provider_session_id"),
    requestId: with_.get("request_id"),
  };
}

function invalidating(with_: Arguments): InvalidateOptions {
  return {
    exceptSessionId: with_.get("except_session_id"),
    authenticatedUntil: with_.time("authenticated_until"),
    reason: with_.get("reason"),
    note: with_.get("note"),
    actor: with_.get("actor"),
    dryRun: with_.get("dry_run"),
  };
}

function mcp(fields: Fields | undefined): McpContext | undefined {
  if (fields === undefined) {
    return undefined;
  }
  const with_ = new Arguments(fields);
  const context: McpContext = {
    initializeParamsJson: with_.get("initialize_params_json"),
    protocolVersion: with_.get("protocol_version"),
    initialized: with_.get("initialized"),
    logLevel: with_.get("log_level"),
    resourceSubscriptions: with_.get("resource_subscriptions"),
  };
  with_.end();
  return context;
}

function appends(fields: Record<string, Fields> | undefined): Record<string, Append> | undefined {
  if (fields === undefined) {
    return undefined;
  }
  const append = ({ values, max_length }: Fields): Append => ({
    values: values as StateInput[],
    maxLength: max_length as number | undefined,
  });
  return Object.fromEntries(Object.entries(fields).map(([key, one]) => [key, append(one)]));
}

function toCredential(fields: Fields): Credential {
  const { oauth, opaque } = fields as { oauth?: Fields; opaque?: string };
  return oauth === undefined ? Buffer.from(opaque ?? "", "base64") : tokenSet(oauth);
}

function tokenSet(fields: Fields): OAuthTokenSet {
  const with_ = new Arguments(fields);
  const tokens: OAuthTokenSet = {
    accessToken: with_.get("access_token") ?? "",
    refreshToken: with_.get("refresh_token"),
    tokenType: with_.get("token_type"),
    scopes: with_.get("scopes"),
    expiresAt: with_.time("expires_at"),
    issuer: with_.get("issuer"),
    audience: with_.get("audience"),
  };
  with_.end();
  return tokens;
}

function credentialFields(credential: Credential): Fields {
  return isOAuth(credential)
    ? { oauth: defined({ ...renamed(credential), version: undefined }) }
    : { opaque: Buffer.from(credential).toString("base64") };
}

function toSelector(fields: Fields): Selector {
  const selector = Object.entries(fields).map(([name, value]) => [
    camel(name),
    isFields(value)
      ? Object.fromEntries(Object.entries(value).map(([key, part]) => [camel(key), part]))
      : value,
  ]);
  return Object.fromEntries(selector) as Selector;
}

function selectorFields(selector: Selector | undefined): Fields | undefined {
  return selector && mapFields(renamed(selector), (value) => (isFields(value) ? renamed(value) : value));
}

export function sessionFields(session: Session): Fields {
  return defined({
    id: session.id,
    namespace: session.namespace,
    owner: ownerFields(session.owner),
    conversation_id: session.conversationId,
    labels: session.labels,
    state: session.state,
    mcp: session.mcp && renamed(session.mcp),
    revision: session.revision,
    created_at: session.createdAt,
    last_used_at: session.lastUsedAt,
    idle_ttl: session.idleTtlMs / 1000,
    idle_expires_at: session.idleExpiresAt,
    expires_at: session.expiresAt,
    authenticated_at: session.authenticatedAt,
    provider_session_id: session.providerSessionId,
    credential_names: session.credentialNames,
  });
}

function ownerFields(owner: Owner | undefined): Fields | undefined {
  return owner && { ...owner };
}

/** An item of a watch. */
export function itemFields(item: import("tenure-client").WatchItem): Fields {
  if (item.kind === "STARTED_ANEW") {
    return { started_anew: true };
  }
  const unset = (text: string) => (text === "" ? undefined : text);
  return defined({
    event_id: item.eventId,
    kind: item.kind,
    occurred_at: item.occurredAt,
    namespace: item.namespace,
    owner: ownerFields(item.owner),
    session_id: unset(item.sessionId),
    previous_session_id: unset(item.previousSessionId),
    conversation_id: unset(item.conversationId),
    revision: item.revision === 0 ? undefined : item.revision,
    end_reason: item.endReason,
    invalidation_reason: item.invalidationReason,
    selector: selectorFields(item.selector),
    authenticated_until: item.authenticatedUntil,
  });
}

/** What a typed error holds. Anything else than a typed error is thrown again. */
export function errorFields(error: unknown): Fields {
  if (!(error instanceof TenureError)) {
    throw error;
  }
  const fields: Fields = { reason: error.reason, code: error.code };
  if (error instanceof SessionInvalidatedError) {
    fields["end_reason"] = error.invalidationReason;
  }
  if (error instanceof RevisionMismatchError) {
    fields["revision"] = error.currentRevision;
  }
  if (error instanceof LimitExceededError || error instanceof InvalidFieldError) {
    Object.assign(fields, { limit: error.limit, maximum: error.maximum, asked: error.asked });
  }
  if (error instanceof InvalidFieldError) {
    fields["fields"] = error.violations.map(({ field }) => field);
  }
  return defined(fields);
}

function time(value: Value): Date | undefined {
  return typeof value === "string" ? new Date(value) : (value as Date | undefined);
}

function defined(fields: Fields): Fields {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}

function mapFields(fields: Fields, change: (value: Value) => Value): Fields {
  return Object.fromEntries(Object.entries(fields).map(([key, value]) => [key, change(value)]));
}

/** With the wire's names. */
function renamed(fields: object): Fields {
  const snake = (name: string) => name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
  return Object.fromEntries(Object.entries(fields).map(([name, value]) => [snake(name), value as Value]));
}

function camel(name: string): string {
  return name.replaceAll(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
}
