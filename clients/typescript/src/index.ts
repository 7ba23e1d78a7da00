// The TypeScript client of Tenure, the session store for MCP servers.

export type { ConnectOptions, Pem } from "./connect.js";
export { connect } from "./connect.js";
export type { Credential, OAuthTokenSet } from "./credential.js";
export { isOAuth } from "./credential.js";
export type {
  Credentials,
  FreshToken,
  FreshTokenOptions,
  Refresh,
  RefreshContext,
  StoredCredential,
} from "./credentials.js";
export type { EndReason, Failure, FieldViolation, InvalidationReason } from "./errors.js";
export {
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
  InvalidValueError,
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
  SessionEndedError,
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
  invalidationReasons,
} from "./errors.js";
export {
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
export type { Invalidated, InvalidateOptions } from "./invalidate.js";
export type { McpContext, Owner, OwnerInput, Selector, Session, SessionWithState } from "./session.js";
export type {
  Append,
  Claim,
  ClaimOptions,
  CreatedSession,
  CreateOptions,
  GetOptions,
  GetOrCreateOptions,
  ListOptions,
  RotatedSession,
  RotateOptions,
  SessionPage,
  Sessions,
  UpdatedSession,
  UpdateOptions,
} from "./sessions.js";
export type { State, StateInput, StateInputs, StateValue } from "./state.js";
export type { Namespace, OwnerOptions, Tenure } from "./tenure.js";
export type { EventKind, SessionEvent, StartedAnew, Watch, WatchItem, WatchOptions } from "./watch.js";
export type { CallOptions, TokenSource } from "./wire.js";
