// Sessions, owners and selectors, as TypeScript knows them.

import type { MessageInitShape } from "@bufbuild/protobuf";

import { discreet } from "./discreet.js";
import type { InvalidationReason } from "./errors.js";
import { invalidationReasons, InvalidValueError, malformed } from "./errors.js";
import * as wire from "./gen/tenure/v1/session_pb.js";
import type { State } from "./state.js";
import { checkedText } from "./state.js";
import { fromDuration, fromTimestamp } from "./time.js";

/** On whose behalf a session exists. */
export interface Owner {
  /** The tenant (customer, organisation). */
  readonly tenant: string;
  /** The user, stable over token refreshes. Empty: the anonymous owner. */
  readonly user: string;
  /** Who vouches for the user, usually the identity provider's issuer URL; may be empty. */
  readonly issuer: string;
}

/** What is needed to revive an MCP session on another instance. */
export interface McpContext {
  /** The params of the client's `initialize` request, as the JSON text that came. */
  readonly initializeParamsJson?: string | undefined;
  /** The negotiated protocol version. */
  readonly protocolVersion?: string | undefined;
  /** Whether the client's `notifications/initialized` has been seen. */
  readonly initialized?: boolean | undefined;
  /** The level of `logging/setLevel`; empty if the client never asked. */
  readonly logLevel?: string | undefined;
  /** The URIs the client subscribed to. */
  readonly resourceSubscriptions?: readonly string[] | undefined;
}

/** One session. */
export interface Session {
  /** Opaque, and as secret as a password: never log it. */
  readonly id: string;
  /** The namespace it lives in. */
  readonly namespace: string;
  /** Whom it belongs to. */
  readonly owner: Owner;
  /** The conversation it serves; empty if none was given. */
  readonly conversationId: string;
  /** For the admin's filters. */
  readonly labels: readonly string[];
  /** What it remembers; undefined where the call returns no state. */
  readonly state: State | undefined;
  /** What is needed to revive the MCP session; undefined if nothing was stored. */
  readonly mcp: Required<McpContext> | undefined;
  /** Grows by one with each change of content. */
  readonly revision: number;
  /** When it was made. */
  readonly createdAt: Date;
  /** When it was last used. */
  readonly lastUsedAt: Date;
  /** How long it lives without being used. */
  readonly idleTtlMs: number;
  /** When it ends if it is not used. */
  readonly idleExpiresAt: Date;
  /** When it ends in any case. */
  readonly expiresAt: Date;
  /** When the login behind it happened. */
  readonly authenticatedAt: Date;
  /** What the identity provider calls that login; empty if unknown. */
  readonly providerSessionId: string;
  /** The names of the credentials kept with it. */
  readonly credentialNames: readonly string[];
}

/** A session with its state. */
export type SessionWithState = Session & { readonly state: State };

/** Which sessions of a namespace an invalidation covers. */
export type Selector =
  /** Every session that bears or bore this id, whoever owns it. */
  | { readonly sessionId: string }
  /** Everything of one owner. */
  | { readonly owner: OwnerInput }
  /** Everything of one user of an issuer, over all tenants. */
  | { readonly subject: { readonly issuer: string; readonly user: string } }
  /** Everything that came from one login. */
  | { readonly providerSession: { readonly issuer: string; readonly providerSessionId: string } }
  /** Everything of one tenant. */
  | { readonly tenant: string }
  /** Everything that an issuer vouched for. */
  | { readonly issuer: string }
  /** Everything in the namespace. */
  | { readonly all: true };

/** An owner, where the issuer may be left out. */
export type OwnerInput = Omit<Owner, "issuer"> & Partial<Pick<Owner, "issuer">>;

export function checkedOwner(owner: OwnerInput): Owner {
  return {
    tenant: checkedText("tenant", owner.tenant),
    user: checkedText("user", owner.user),
    issuer: checkedText("issuer", owner.issuer ?? ""),
  };
}

export function toMcp(mcp: McpContext): MessageInitShape<typeof wire.McpContextSchema> {
  return {
    initializeParamsJson: checkedText("mcp.initializeParamsJson", mcp.initializeParamsJson ?? ""),
    protocolVersion: checkedText("mcp.protocolVersion", mcp.protocolVersion ?? ""),
    initialized: mcp.initialized ?? false,
    logLevel: checkedText("mcp.logLevel", mcp.logLevel ?? ""),
    resourceSubscriptions: checkedTexts("mcp.resourceSubscriptions", mcp.resourceSubscriptions ?? []),
  };
}

export function checkedTexts(field: string, texts: readonly string[]): string[] {
  return texts.map((text, index) => checkedText(`${field}[${String(index)}]`, text));
}

/** The session as it is given to the caller: neither its id nor its state stands in a log by accident. */
export function given<Kind extends Session>(session: Kind): Kind {
  return discreet(session, [
    "namespace",
    "revision",
    "createdAt",
    "lastUsedAt",
    "idleExpiresAt",
    "expiresAt",
  ]);
}

/** Its fields; {@link given} makes a session of them. */
export function fromSession(session: wire.Session | undefined): Session {
  if (session === undefined) {
    throw malformed("a session");
  }
  if (session.idleTtl === undefined) {
    throw malformed("idle_ttl");
  }
  return {
    id: session.id,
    namespace: session.namespace,
    owner: fromOwner(session.owner),
    conversationId: session.conversationId,
    labels: session.labels,
    state: session.state,
    mcp: session.mcp && fromMcp(session.mcp),
    revision: Number(session.revision),
    createdAt: fromTimestamp("created_at", session.createdAt),
    lastUsedAt: fromTimestamp("last_used_at", session.lastUsedAt),
    idleTtlMs: fromDuration(session.idleTtl),
    idleExpiresAt: fromTimestamp("idle_expires_at", session.idleExpiresAt),
    expiresAt: fromTimestamp("expires_at", session.expiresAt),
    authenticatedAt: fromTimestamp("authenticated_at", session.authenticatedAt),
    providerSessionId: session.providerSessionId,
    credentialNames: session.credentialNames,
  };
}

/** The same, from a call that always returns the state. */
export function fromSessionWithState(session: wire.Session | undefined): SessionWithState {
  const own = fromSession(session);
  if (!hasState(own)) {
    throw malformed("state");
  }
  return own;
}

function hasState(session: Session): session is SessionWithState {
  return session.state !== undefined;
}

export function fromOwner(owner: wire.Owner | undefined): Owner {
  return { tenant: owner?.tenant ?? "", user: owner?.user ?? "", issuer: owner?.issuer ?? "" };
}

function fromMcp(mcp: wire.McpContext): Required<McpContext> {
  return {
    initializeParamsJson: mcp.initializeParamsJson,
    protocolVersion: mcp.protocolVersion,
    initialized: mcp.initialized,
    logLevel: mcp.logLevel,
    resourceSubscriptions: mcp.resourceSubscriptions,
  };
}

export function toSelector(selector: Selector): MessageInitShape<typeof wire.SelectorSchema> {
  if (Object.keys(selector).length !== 1) {
    throw new InvalidValueError("selector", "must name exactly one thing");
  }
  if ("sessionId" in selector) {
    return { selector: { case: "sessionId", value: checkedText("selector.sessionId", selector.sessionId) } };
  }
  if ("owner" in selector) {
    return { selector: { case: "owner", value: checkedOwner(selector.owner) } };
  }
  if ("subject" in selector) {
    const issuer = checkedText("selector.subject.issuer", selector.subject.issuer);
    const user = checkedText("selector.subject.user", selector.subject.user);
    return { selector: { case: "subject", value: { issuer, user } } };
  }
  if ("providerSession" in selector) {
    const { issuer, providerSessionId } = selector.providerSession;
    const value = {
      issuer: checkedText("selector.providerSession.issuer", issuer),
      providerSessionId: checkedText("selector.providerSession.providerSessionId", providerSessionId),
    };
    return { selector: { case: "providerSession", value } };
  }
  if ("tenant" in selector) {
    return { selector: { case: "tenant", value: checkedText("selector.tenant", selector.tenant) } };
  }
  if ("issuer" in selector) {
    return { selector: { case: "issuer", value: checkedText("selector.issuer", selector.issuer) } };
  }
  return { selector: { case: "all", value: selector.all } };
}

export function fromSelector(selector: wire.Selector | undefined): Selector | undefined {
  const { case: name, value } = selector?.selector ?? { case: undefined, value: undefined };
  switch (name) {
    case undefined:
      return undefined;
    case "sessionId":
      return { sessionId: value };
    case "owner":
      return { owner: fromOwner(value) };
    case "subject":
      return { subject: { issuer: value.issuer, user: value.user } };
    case "providerSession":
      return { providerSession: { issuer: value.issuer, providerSessionId: value.providerSessionId } };
    case "tenant":
      return { tenant: value };
    case "issuer":
      return { issuer: value };
    case "all":
      return { all: true };
  }
}

export function toInvalidationReason(reason: InvalidationReason): wire.InvalidationReason {
  const known: readonly string[] = invalidationReasons;
  if (reason !== "UNSPECIFIED" && !known.includes(reason)) {
    throw new InvalidValueError("reason", `must be one of ${invalidationReasons.join(", ")}`);
  }
  return wire.InvalidationReason[reason];
}
