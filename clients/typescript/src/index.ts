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
  ConversationExistsError,
  CredentialNotFoundError,
  CursorExpiredError,
  DeadlineExceededError,
  IntegerOutOfRangeError,
  EncryptionNotConfiguredError,
  InvalidFieldError,
  InvalidValueError,
  LimitExceededError,
  NamespaceUnknownError,
  NotAListError,
  NotAnIntegerError,
  NotFoundError,
  OverloadedError,
  RefreshLeaseLostError,
  RequestIdReusedError,
  RevisionMismatchError,
  SessionEndedError,
  SessionExistsError,
  SessionExpiredError,
  SessionInvalidatedError,
  SessionNotFoundError,
  StoreFullError,
  TenureError,
  UnavailableError,
  invalidationReasons,
} from "./errors.js";
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
export type { Namespace, Tenure } from "./tenure.js";
export type { EventKind, SessionEvent, StartedAnew, Watch, WatchItem, WatchOptions } from "./watch.js";
export type { CallOptions } from "./wire.js";
export type { TokenSource } from "./wire/headers.js";
