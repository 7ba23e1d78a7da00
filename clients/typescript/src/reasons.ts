// Which class of error each of the service's reasons is.

import type { Failure } from "./errors.js";
import {
  AlreadyExistsError,
  AuthenticationRevokedError,
  CallerNotAllowedError,
  CallerUnknownError,
  ContendedError,
  ConversationExistsError,
  CredentialNotFoundError,
  CredentialTooLargeError,
  CursorExpiredError,
  DeadlineExceededError,
  IntegerOutOfRangeError,
  InvalidFieldError,
  LimitExceededError,
  MessageTooLargeError,
  NamespaceUnknownError,
  NotAListError,
  NotAnIntegerError,
  NotFoundError,
  OwnerNotProvedError,
  RefreshInProgressError,
  RefreshLeaseLostError,
  RequestIdReusedError,
  RevisionMismatchError,
  SessionDeletedError,
  SessionEvictedError,
  SessionExistsError,
  SessionExpiredError,
  SessionInvalidatedError,
  SessionNotFoundError,
  SessionReplacedError,
  SessionRotatedError,
  StateTooLargeError,
  TenureError,
  TooManyClaimsError,
  TooManyCredentialsError,
  TooManyKeysError,
  TooManySessionsError,
} from "./errors.js";
import {
  AuditNotConfiguredError,
  AuditUnavailableError,
  ClockSkewError,
  DataUnreadableError,
  EncryptionNotConfiguredError,
  InternalError,
  InvalidationNotDurableError,
  KeyUnavailableError,
  KeysAtFaultError,
  LogNotOwnedError,
  OverloadedError,
  ShuttingDownError,
  StoreFullError,
  StoreUnavailableError,
  StoreUnsafeError,
  UnavailableError,
  UnsupportedError,
} from "./outages.js";

type Make = (failure: Failure) => TenureError;

const byReason: Readonly<Record<string, Make>> = {
  INVALID_FIELD: (failure) => new InvalidFieldError(failure),
  NAMESPACE_UNKNOWN: (failure) => new NamespaceUnknownError(failure),
  REQUEST_ID_REUSED: (failure) => new RequestIdReusedError(failure),
  CALLER_UNKNOWN: (failure) => new CallerUnknownError(failure),
  CALLER_NOT_ALLOWED: (failure) => new CallerNotAllowedError(failure),
  OWNER_NOT_PROVED: (failure) => new OwnerNotProvedError(failure),
  SESSION_NOT_FOUND: (failure) => new SessionNotFoundError(failure),
  SESSION_EXPIRED_IDLE: (failure) => new SessionExpiredError(failure, "EXPIRED_IDLE"),
  SESSION_EXPIRED_ABSOLUTE: (failure) => new SessionExpiredError(failure, "EXPIRED_ABSOLUTE"),
  SESSION_DELETED: (failure) => new SessionDeletedError(failure, "DELETED"),
  SESSION_ROTATED: (failure) => new SessionRotatedError(failure, "ROTATED"),
  SESSION_REPLACED: (failure) => new SessionReplacedError(failure, "REPLACED"),
  SESSION_EVICTED: (failure) => new SessionEvictedError(failure, "EVICTED"),
  SESSION_INVALIDATED: (failure) => new SessionInvalidatedError(failure),
  CREDENTIAL_NOT_FOUND: (failure) => new CredentialNotFoundError(failure),
  SESSION_EXISTS: (failure) => new SessionExistsError(failure),
  CONVERSATION_EXISTS: (failure) => new ConversationExistsError(failure),
  REVISION_MISMATCH: (failure) => new RevisionMismatchError(failure),
  CREDENTIAL_CHANGED: (failure) => new ContendedError(failure),
  SESSION_CHANGED: (failure) => new ContendedError(failure),
  REFRESH_IN_PROGRESS: (failure) => new RefreshInProgressError(failure),
  REFRESH_LEASE_LOST: (failure) => new RefreshLeaseLostError(failure),
  AUTHENTICATION_REVOKED: (failure) => new AuthenticationRevokedError(failure),
  NOT_AN_INTEGER: (failure) => new NotAnIntegerError(failure),
  NOT_A_LIST: (failure) => new NotAListError(failure),
  INTEGER_OUT_OF_RANGE: (failure) => new IntegerOutOfRangeError(failure),
  CURSOR_EXPIRED: (failure) => new CursorExpiredError(failure),
  STATE_TOO_LARGE: (failure) => new StateTooLargeError(failure),
  TOO_MANY_KEYS: (failure) => new TooManyKeysError(failure),
  TOO_MANY_SESSIONS: (failure) => new TooManySessionsError(failure),
  TOO_MANY_CLAIMS: (failure) => new TooManyClaimsError(failure),
  TOO_MANY_CREDENTIALS: (failure) => new TooManyCredentialsError(failure),
  CREDENTIAL_TOO_LARGE: (failure) => new CredentialTooLargeError(failure),
  MESSAGE_TOO_LARGE: (failure) => new MessageTooLargeError(failure),
  OVERLOADED: (failure) => new OverloadedError(failure),
  STORE_FULL: (failure) => new StoreFullError(failure),
  STORE_UNAVAILABLE: (failure) => new StoreUnavailableError(failure),
  STORE_UNSAFE: (failure) => new StoreUnsafeError(failure),
  CLOCK_SKEW: (failure) => new ClockSkewError(failure),
  INVALIDATION_NOT_DURABLE: (failure) => new InvalidationNotDurableError(failure),
  KEY_UNAVAILABLE: (failure) => new KeyUnavailableError(failure),
  AUDIT_UNAVAILABLE: (failure) => new AuditUnavailableError(failure),
  SHUTTING_DOWN: (failure) => new ShuttingDownError(failure),
  ENCRYPTION_NOT_CONFIGURED: (failure) => new EncryptionNotConfiguredError(failure),
  KEYS_AT_FAULT: (failure) => new KeysAtFaultError(failure),
  AUDIT_NOT_CONFIGURED: (failure) => new AuditNotConfiguredError(failure),
  LOG_NOT_OWNED: (failure) => new LogNotOwnedError(failure),
  DATA_UNREADABLE: (failure) => new DataUnreadableError(failure),
  DEADLINE_EXCEEDED: (failure) => new DeadlineExceededError(failure),
  COMPRESSION_UNSUPPORTED: (failure) => new UnsupportedError(failure),
  METHOD_UNKNOWN: (failure) => new UnsupportedError(failure),
  INTERNAL: (failure) => new InternalError(failure),
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
    case "UNIMPLEMENTED":
      return new UnsupportedError(failure);
    case "INTERNAL":
      return new InternalError(failure);
    default:
      return new TenureError(failure);
  }
}
