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

/** The service has too much to do right now. */
export class OverloadedError extends TenureError {
  static {
    this.prototype.name = "OverloadedError";
  }
}

/** The store holds as much as it may. */
export class StoreFullError extends TenureError {
  static {
    this.prototype.name = "StoreFullError";
  }
}

/** The service or its store is away, or going down. */
export class UnavailableError extends TenureError {
  static {
    this.prototype.name = "UnavailableError";
  }
}

/** The deadline passed. The call was applied wholly or not at all. */
export class DeadlineExceededError extends TenureError {
  static {
    this.prototype.name = "DeadlineExceededError";
  }
}

/** The service has no key to encrypt credentials with. */
export class EncryptionNotConfiguredError extends TenureError {
  static {
    this.prototype.name = "EncryptionNotConfiguredError";
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

type Make = (failure: Failure) => TenureError;

const byReason: Readonly<Record<string, Make>> = {
  INVALID_FIELD: (failure) => new InvalidFieldError(failure),
  NAMESPACE_UNKNOWN: (failure) => new NamespaceUnknownError(failure),
  REQUEST_ID_REUSED: (failure) => new RequestIdReusedError(failure),
  CALLER_UNKNOWN: (failure) => new CallerUnknownError(failure),
  CALLER_NOT_ALLOWED: (failure) => new CallerNotAllowedError(failure),
  SESSION_NOT_FOUND: (failure) => new SessionNotFoundError(failure),
  SESSION_EXPIRED_IDLE: (failure) => new SessionExpiredError(failure, "EXPIRED_IDLE"),
  SESSION_EXPIRED_ABSOLUTE: (failure) => new SessionExpiredError(failure, "EXPIRED_ABSOLUTE"),
  SESSION_DELETED: (failure) => new SessionEndedError(failure, "DELETED"),
  SESSION_ROTATED: (failure) => new SessionEndedError(failure, "ROTATED"),
  SESSION_REPLACED: (failure) => new SessionEndedError(failure, "REPLACED"),
  SESSION_EVICTED: (failure) => new SessionEndedError(failure, "EVICTED"),
  SESSION_INVALIDATED: (failure) => new SessionInvalidatedError(failure),
  CREDENTIAL_NOT_FOUND: (failure) => new CredentialNotFoundError(failure),
  SESSION_EXISTS: (failure) => new SessionExistsError(failure),
  CONVERSATION_EXISTS: (failure) => new ConversationExistsError(failure),
  REVISION_MISMATCH: (failure) => new RevisionMismatchError(failure),
  AUTHENTICATION_REVOKED: (failure) => new AuthenticationRevokedError(failure),
  NOT_AN_INTEGER: (failure) => new NotAnIntegerError(failure),
  NOT_A_LIST: (failure) => new NotAListError(failure),
  INTEGER_OUT_OF_RANGE: (failure) => new IntegerOutOfRangeError(failure),
  CURSOR_EXPIRED: (failure) => new CursorExpiredError(failure),
  OVERLOADED: (failure) => new OverloadedError(failure),
  STORE_FULL: (failure) => new StoreFullError(failure),
  ENCRYPTION_NOT_CONFIGURED: (failure) => new EncryptionNotConfiguredError(failure),
  REFRESH_LEASE_LOST: (failure) => new RefreshLeaseLostError(failure),
};

/** The error of the class that fits its reason, or failing that its code. */
export function tenureError(failure: Failure): TenureError {
  const make = Object.hasOwn(byReason, failure.reason) ? byReason[failure.reason] : undefined;
  if (make !== undefined) {
    return make(failure);
  }
  if (Object.hasOwn(failure.metadata, "limit")) {
    return new LimitExceededError(failure);
  }
  // A reason that this client does not know yet, or a status that something on the way made.
  switch (failure.code) {
    case "INVALID_ARGUMENT":
      return new InvalidFieldError(failure);
    case "UNAUTHENTICATED":
      return new CallerUnknownError(failure);
    case "PERMISSION_DENIED":
      return new CallerNotAllowedError(failure);
    case "NOT_FOUND":
      return new NotFoundError(failure);
    case "ALREADY_EXISTS":
      return new AlreadyExistsError(failure);
    case "UNAVAILABLE":
      return new UnavailableError(failure);
    case "DEADLINE_EXCEEDED":
      return new DeadlineExceededError(failure);
    default:
      return new TenureError(failure);
  }
}

/** The reason of this name. */
export function invalidationReason(name: string | undefined): InvalidationReason {
  return invalidationReasons.find((reason) => reason === name) ?? "UNSPECIFIED";
}

function integer(text: string | undefined): number | undefined {
  const number = text === undefined || text === "" ? Number.NaN : Number(text);
  return Number.isSafeInteger(number) ? number : undefined;
}
