// Credentials, as TypeScript knows them.

import type { MessageInitShape } from "@bufbuild/protobuf";

import { discreet } from "./discreet.js";
import { InvalidValueError, malformed } from "./errors.js";
import type * as wire from "./gen/tenure/v1/session_pb.js";
import { checkedTexts } from "./session.js";
import { checkedText } from "./state.js";
import { fromTimestamp, toTimestamp } from "./time.js";

/** An OAuth token set. */
export interface OAuthTokenSet {
  readonly accessToken: string;
  /** Empty if there is none. */
  readonly refreshToken?: string | undefined;
  /** Usually "Bearer". */
  readonly tokenType?: string | undefined;
  /** The scopes that were granted. */
  readonly scopes?: readonly string[] | undefined;
  /** When the access token expires; undefined if unknown. */
  readonly expiresAt?: Date | undefined;
  /** The authorization server that issued it. */
  readonly issuer?: string | undefined;
  /** The resource it is meant for. */
  readonly audience?: string | undefined;
}

/** A secret kept with a session: an OAuth token set, or bytes of any meaning (an API key, a cookie). */
export type Credential = OAuthTokenSet | Uint8Array;

/** Whether a credential is an OAuth token set. */
export function isOAuth(credential: Credential): credential is OAuthTokenSet {
  return !(credential instanceof Uint8Array);
}

export function toCredential(
  field: string,
  credential: Credential,
): MessageInitShape<typeof wire.CredentialSchema> {
  if (credential instanceof Uint8Array) {
    return { secret: { case: "opaque", value: credential.slice() } };
  }
  if (typeof credential !== "object") {
    throw new InvalidValueError(field, "is neither an OAuth token set nor bytes");
  }
  const { expiresAt } = credential;
  const value = {
    accessToken: checkedText(`${field}.accessToken`, credential.accessToken),
    refreshToken: checkedText(`${field}.refreshToken`, credential.refreshToken ?? ""),
    tokenType: checkedText(`${field}.tokenType`, credential.tokenType ?? ""),
    scopes: checkedTexts(`${field}.scopes`, credential.scopes ?? []),
    ...(expiresAt && { expiresAt: toTimestamp(`${field}.expiresAt`, expiresAt) }),
    issuer: checkedText(`${field}.issuer`, credential.issuer ?? ""),
    audience: checkedText(`${field}.audience`, credential.audience ?? ""),
  };
  return { secret: { case: "oauth", value } };
}

export function fromCredential(credential: wire.Credential | undefined): Credential {
  const secret = credential?.secret;
  switch (secret?.case) {
    case "oauth":
      return fromTokenSet(secret.value);
    case "opaque":
      // Its own bytes: what came with it stands beside them.
      return secret.value.slice();
    default:
      throw malformed("a credential of a kind that this client knows");
  }
}

function fromTokenSet(tokens: wire.OAuthTokenSet): OAuthTokenSet {
  return veiled({
    accessToken: tokens.accessToken,
    refreshToken: tokens.refreshToken,
    tokenType: tokens.tokenType,
    scopes: tokens.scopes,
    expiresAt: tokens.expiresAt && fromTimestamp("expires_at", tokens.expiresAt),
    issuer: tokens.issuer,
    audience: tokens.audience,
  });
}

/** The token set as it is given to the caller: without its tokens in a log. */
export function veiled<Tokens extends OAuthTokenSet>(tokens: Tokens): Tokens {
  return discreet(tokens, ["tokenType", "scopes", "expiresAt", "issuer", "audience"]);
}
