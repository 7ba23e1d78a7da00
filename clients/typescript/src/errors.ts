// What can go wrong: one class for each family of the service's `reason`. The texts are for people.

/** A field that the service refused. */
export interface FieldViolation {
  /** The field's path in the request. */
  readonly field: string;
  /** What is wrong with it. */
  readonly description: string;
}

/** Why a session ended. */
export type EndReason =
  "EXPIRED_IDLE" | "EXPIRED_ABSOLUTE" | "DELETED" | "ROTATED" | "REPLACED" | "EVICTED" | "INVALIDATED";

/** The reasons that an invalidation can be given. */
export const invalidationReasons = [
  "PASSWORD_CHANGED",
  "LOGGED_OUT",
  "PERMISSIONS_CHANGED",
  "ACCOUNT_DISABLED",
  "CREDENTIAL_COMPROMISED",
  "ADMIN",
  "PROVIDER_SESSION_ENDED",
] as const;

/** Why sessions were invalidated. `UNSPECIFIED`: not said, or unknown to this client. */
export type InvalidationReason = (typeof invalidationReasons)[number] | "UNSPECIFIED";

/** What is known of a failed call. */
export interface Failure {
  /** The gRPC code, as in `NOT_FOUND`; `CLIENT` if nothing was sent. */
  readonly code: string;
  /** The service's `reason`; empty if the error comes from the way there. */
  readonly reason: string;
  readonly message: string;
  /** What the service says beside the reason. */
  readonly metadata: Readonly<Record<string, string>>;
  readonly violations: readonly FieldViolation[];
  readonly correlationId: string | undefined;
  readonly retryAfterMs: number | undefined;
  readonly cause: unknown;
}

/** A call failed. Branch on the class or on `reason`, never on the text. */
export class TenureError extends Error {
  static {
    this.prototype.name = "TenureError";
  }

  /** The gRPC code, as in `NOT_FOUND`; `CLIENT` if nothing was sent. */
  readonly code: string;
  /** The service's `reason`; empty if the error comes from the way there. */
  readonly reason: string;
  /** What the service says beside the reason. */
  readonly metadata: Readonly<Record<string, string>>;
  /** Finds this call in the service's log. */
  readonly correlationId: string | undefined;
  /** After how long the service says that a repetition may succeed. */
  readonly retryAfterMs: number | undefined;

  constructor(failure: Failure) {
    super(failure.message, failure.cause === undefined ? undefined : { cause: failure.cause });
    this.code = failure.code;
    this.reason = failure.reason;
    this.metadata = failure.metadata;
    this.correlationId = failure.correlationId;
    this.retryAfterMs = failure.retryAfterMs;
  }

  /** Whether a repetition, with the same request id, may succeed. */
  get retryable(): boolean {
    return this.retryAfterMs !== undefined || this.code === "UNAVAILABLE";
  }
}

/** The client refused it before it was sent: an option, or a value that not every client could read. */
export class InvalidValueError extends TenureError {
  static {
    this.prototype.name = "InvalidValueError";
  }

  /** Which field or option. */
  readonly field: string;

  constructor(field: string, why: string) {
    super({ ...ownFailure("CLIENT", `${field}: ${why}`), reason: "INVALID_VALUE" });
    this.field = field;
  }
}

/** The service refused fields of the request. */
export class InvalidFieldError extends TenureError {
  static {
    this.prototype.name = "InvalidFieldError";
  }

  /** Which, and why. */
  readonly violations: readonly FieldViolation[];
  /** The name of the limit's setting, where a field is beyond one. */
  readonly limit: string | undefined;
  /** What the limit allows. */
  readonly maximum: number | undefined;
  /** What was asked of it. */
  readonly asked: number | undefined;

  constructor(failure: Failure) {
    super(failure);
    this.violations = failure.violations;
    this.limit = failure.metadata["limit"];
    this.maximum = integer(failure.metadata["maximum"]);
    this.asked = integer(failure.metadata["asked"]);
  }
}

/** The namespace is not one of those that the service knows. */
export class NamespaceUnknownError extends InvalidFieldError {
  static {
    this.prototype.name = "NamespaceUnknownError";
  }
}

/** The request id was used for another request. */
export class RequestIdReusedError extends InvalidFieldError {
  static {
    this.prototype.name = "RequestIdReusedError";
  }
}

/** The service does not know this caller: no certificate, token or API key, or a bad one. */
export class CallerUnknownError extends TenureError {
  static {
    this.prototype.name = "CallerUnknownError";
  }
}

/** This caller may not do this here. */
export class CallerNotAllowedError extends TenureError {
  static {
    this.prototype.name = "CallerNotAllowedError";
  }
}

/** The namespace wants owners proved, and the `userToken` of `owner(…)` does not prove this one. */
export class OwnerNotProvedError extends TenureError {
  static {
    this.prototype.name = "OwnerNotProvedError";
  }
}

/** It is not there for this owner: it never was, or it has ended. */
export class NotFoundError extends TenureError {
  static {
    this.prototype.name = "NotFoundError";
  }
}

/** There is no such session for this owner; a {@link SessionEndedError} if its owner may know that there was. */
export class SessionNotFoundError extends NotFoundError {
  static {
    this.prototype.name = "SessionNotFoundError";
  }
}

/** The session has no credential of this name. */
export class CredentialNotFoundError extends NotFoundError {
  static {
    this.prototype.name = "CredentialNotFoundError";
  }
}

/** The session has ended, and this is its owner. */
export class SessionEndedError extends SessionNotFoundError {
  static {
    this.prototype.name = "SessionEndedError";
  }

  /** Why it ended. */
  readonly endReason: EndReason;

  constructor(failure: Failure, endReason: EndReason) {
    super(failure);
    this.endReason = endReason;
  }
}

/** The session was not used for its idle TTL, or reached its ceiling; `endReason` says which. */
export class SessionExpiredError extends SessionEndedError {
  static {
    this.prototype.name = "SessionExpiredError";
  }
}

/** Its owner ended the session. */
export class SessionDeletedError extends SessionEndedError {
  static {
    this.prototype.name = "SessionDeletedError";
  }
}

/** The session has another id now. */
export class SessionRotatedError extends SessionEndedError {
  static {
    this.prototype.name = "SessionRotatedError";
  }
}

/** A newer session took the conversation. */
export class SessionReplacedError extends SessionEndedError {
  static {
    this.prototype.name = "SessionReplacedError";
  }
}

/** The session made room at the limit of sessions per owner. */
export class SessionEvictedError extends SessionEndedError {
  static {
    this.prototype.name = "SessionEvictedError";
  }
}

/** The session was invalidated: the user signed out, the password changed, … */
export class SessionInvalidatedError extends SessionEndedError {
  static {
    this.prototype.name = "SessionInvalidatedError";
  }

  /** Why it was invalidated. */
  readonly invalidationReason: InvalidationReason;

  constructor(failure: Failure) {
    super(failure, "INVALIDATED");
    this.invalidationReason = invalidationReason(failure.metadata["end_reason"]);
  }
}

/** It is there already. */
export class AlreadyExistsError extends TenureError {
  static {
    this.prototype.name = "AlreadyExistsError";
  }
}

/** This owner has, or recently had, a session with this id. */
export class SessionExistsError extends AlreadyExistsError {
  static {
    this.prototype.name = "SessionExistsError";
  }
}

/** The conversation has a live session. */
export class ConversationExistsError extends AlreadyExistsError {
  static {
    this.prototype.name = "ConversationExistsError";
  }
}

/** The session was changed in the meantime. */
export class RevisionMismatchError extends TenureError {
  static {
    this.prototype.name = "RevisionMismatchError";
  }

  /** The revision that it is at; undefined if the service did not say. */
  readonly currentRevision: number | undefined;

  constructor(failure: Failure) {
    super(failure);
    this.currentRevision = integer(failure.metadata["revision"]);
  }
}

/** Others kept changing the same at the same time. The call has been repeated in vain. */
export class ContendedError extends TenureError {
  static {
    this.prototype.name = "ContendedError";
  }
}

/** Somebody else is refreshing the credential, and was not done in time. */
export class RefreshInProgressError extends TenureError {
  static {
    this.prototype.name = "RefreshInProgressError";
  }
}

/** The login is older than an invalidation: the user has to sign in again. */
export class AuthenticationRevokedError extends TenureError {
  static {
    this.prototype.name = "AuthenticationRevokedError";
  }
}

/** An increment of something that is not an integer. */
export class NotAnIntegerError extends TenureError {
  static {
    this.prototype.name = "NotAnIntegerError";
  }
}

/** An append to something that is not a list. */
export class NotAListError extends TenureError {
  static {
    this.prototype.name = "NotAListError";
  }
}

/** An increment beyond plus or minus 2^53-1. */
export class IntegerOutOfRangeError extends TenureError {
  static {
    this.prototype.name = "IntegerOutOfRangeError";
  }
}

/** The events after this cursor are gone: drop what you hold and start anew. */
export class CursorExpiredError extends TenureError {
  static {
    this.prototype.name = "CursorExpiredError";
  }
}

/** The call would have exceeded a limit of the namespace. */
export class LimitExceededError extends TenureError {
  static {
    this.prototype.name = "LimitExceededError";
  }

  /** The name of the limit's setting. */
  readonly limit: string;
  /** What it allows. */
  readonly maximum: number | undefined;
  /** What was asked of it. */
  readonly asked: number | undefined;

  constructor(failure: Failure) {
    super(failure);
    this.limit = failure.metadata["limit"] ?? "";
    this.maximum = integer(failure.metadata["maximum"]);
    this.asked = integer(failure.metadata["asked"]);
  }
}

/** The state, or the MCP context, is too large: store summaries and filters, not result sets. */
export class StateTooLargeError extends LimitExceededError {
  static {
    this.prototype.name = "StateTooLargeError";
  }
}

/** The state has too many top-level keys. */
export class TooManyKeysError extends LimitExceededError {
  static {
    this.prototype.name = "TooManyKeysError";
  }
}

/** The owner, the tenant or the anonymous owners together have too many live sessions. */
export class TooManySessionsError extends LimitExceededError {
  static {
    this.prototype.name = "TooManySessionsError";
  }
}

/** The owner holds too many claims. */
export class TooManyClaimsError extends LimitExceededError {
  static {
    this.prototype.name = "TooManyClaimsError";
  }
}

/** The session has too many credentials. */
export class TooManyCredentialsError extends LimitExceededError {
  static {
    this.prototype.name = "TooManyCredentialsError";
  }
}

/** The credential is too large. */
export class CredentialTooLargeError extends LimitExceededError {
  static {
    this.prototype.name = "CredentialTooLargeError";
  }
}

/** The whole request is too large. */
export class MessageTooLargeError extends LimitExceededError {
  static {
    this.prototype.name = "MessageTooLargeError";
  }
}

/** The deadline passed. The call was applied wholly or not at all. */
export class DeadlineExceededError extends TenureError {
  static {
    this.prototype.name = "DeadlineExceededError";
  }
}

/** The right to refresh a token set passed to somebody else before the result was stored. */
export class RefreshLeaseLostError extends TenureError {
  static {
    this.prototype.name = "RefreshLeaseLostError";
  }
}

/** A failure that the client itself found. */
export function ownFailure(code: string, message: string, cause?: unknown): Failure {
  return {
    code,
    reason: "",
    message,
    metadata: {},
    violations: [],
    correlationId: undefined,
    retryAfterMs: undefined,
    cause,
  };
}

/** The service's answer lacks something that every answer has. */
export function malformed(what: string): TenureError {
  const message = `the service answered without ${what}: is it a Tenure of this version?`;
  return new TenureError(ownFailure("INTERNAL", message));
}

/** The reason of this name. */
export function invalidationReason(name: string | undefined): InvalidationReason {
  return invalidationReasons.find((reason) => reason === name) ?? "UNSPECIFIED";
}

function integer(text: string | undefined): number | undefined {
  const number = text === undefined || text === "" ? Number.NaN : Number(text);
  return Number.isSafeInteger(number) ? number : undefined;
}
