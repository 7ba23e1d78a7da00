"""What can go wrong, by the `reason` on the wire. Nothing here is decided by an error's text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

_DOMAIN = "tenure"
_CORRELATION = "tenure-correlation-id"
_DETAILS = "grpc-status-details-bin"


@dataclass(frozen=True)
class Violation:
    """A field that the service refused, and why."""

    field: str
    description: str


class TenureError(Exception):
    """Every error of this package.

    `reason` is what to branch on where a class is not enough. `correlation_id` is in every log line that the
    service wrote about the call.
    """

    def __init__(
        self,
        message: str,
        *,
        reason: str = "",
        code: str = "CLIENT",
        metadata: Mapping[str, str] | None = None,
        violations: tuple[Violation, ...] = (),
        retry_after: float | None = None,
        correlation_id: str = "",
    ) -> None:
        super().__init__(message)
        self.message = message
        self.reason = reason
        self.code = code
        self.metadata: Mapping[str, str] = metadata or {}
        self.violations = violations
        self.retry_after = retry_after
        self.correlation_id = correlation_id

    def __str__(self) -> str:
        return f"{self.reason}: {self.message}" if self.reason else self.message


class InvalidValue(TenureError, ValueError):
    """A value that no state can hold without loss. Found by the client; nothing was sent."""

    def __init__(self, why: str, path: str = "") -> None:
        super().__init__(why, reason="INVALID_VALUE")
        self.why = why
        self.path = path

    def within(self, step: str) -> InvalidValue:
        """The same, seen from one level further out."""
        return InvalidValue(self.why, step + self.path)

    def at(self, root: str) -> InvalidValue:
        """The same, with its whole path in the text."""
        error = InvalidValue(self.why, root + self.path)
        error.message = f"{error.path} {self.why}"
        return error


class InvalidConfiguration(TenureError, ValueError):
    """Arguments or environment variables that make no connection."""

    def __init__(self, message: str) -> None:
        super().__init__(message, reason="INVALID_CONFIGURATION")


class InvalidField(TenureError):
    """The service refused a field; `violations` says which."""


class NamespaceUnknown(InvalidField):
    """The service's configuration does not list the namespace."""


class RequestIdReused(InvalidField):
    """A `request_id` was used for another request."""


class CallerUnknown(TenureError):
    """The service does not know this caller: no token, or a bad one."""


class CallerNotAllowed(TenureError):
    """This caller may not do this here."""


class OwnerNotProved(TenureError):
    """The namespace wants owners proved, and the `user_token` of `owner(…)` does not prove this one."""


class NotFound(TenureError):
    """Not there for this owner."""


class SessionNotFound(NotFound):
    """No such session for this owner. Subclasses say why, where the owner may know."""


class SessionEnded(SessionNotFound):
    """There was such a session, and it ended."""


class SessionExpired(SessionEnded):
    """It was not used for its idle TTL, or reached its longest lifetime."""

    @property
    def absolute(self) -> bool:
        """Whether it reached its longest lifetime."""
        return self.reason == "SESSION_EXPIRED_ABSOLUTE"


class SessionDeleted(SessionEnded):
    """Its owner ended it."""


class SessionRotated(SessionEnded):
    """It has another id now."""


class SessionReplaced(SessionEnded):
    """A newer session took its conversation."""


class SessionEvicted(SessionEnded):
    """It made room at the limit of sessions per owner."""


class SessionInvalidated(SessionEnded):
    """It was invalidated; `end_reason` says why: `"PASSWORD_CHANGED"`, `"LOGGED_OUT"`, …"""

    @property
    def end_reason(self) -> str:
        """Why, as in `InvalidationReason`."""
        return self.metadata.get("end_reason", "UNSPECIFIED")


class CredentialNotFound(NotFound):
    """The session has no credential of this name."""


class AlreadyExists(TenureError):
    """The id or the conversation is taken."""


class SessionExists(AlreadyExists):
    """This owner has, or recently had, a session with this id."""


class ConversationExists(AlreadyExists):
    """The conversation has a live session."""


class RevisionMismatch(TenureError):
    """`if_revision` is stale."""

    @property
    def current(self) -> int:
        """The revision that the session is at."""
        return _number(self.metadata, "revision")


class Contended(TenureError):
    """Others kept changing the same at the same time. The call has been repeated in vain."""


class RefreshInProgress(TenureError):
    """Somebody else is refreshing the credential, and was not done in time."""


class RefreshLeaseLost(TenureError):
    """Somebody else has the right to refresh by now."""


class AuthenticationRevoked(TenureError):
    """Logins of that time have been revoked: the user has to sign in again."""


class WrongKind(TenureError):
    """A key holds something else than the change needs."""


class NotAnInteger(WrongKind):
    """A key to increment holds no integer."""


class NotAList(WrongKind):
    """A key to append to holds no list."""


class IntegerOutOfRange(TenureError):
    """The sum would lie beyond plus or minus 2^53-1."""


class CursorExpired(TenureError):
    """The event log does not reach back to the cursor. A watch starts anew by itself."""


class LimitExceeded(TenureError):
    """A limit of the namespace."""

    @property
    def limit(self) -> str:
        """The setting's name."""
        return self.metadata.get("limit", "")

    @property
    def maximum(self) -> int:
        """What it allows."""
        return _number(self.metadata, "maximum")

    @property
    def asked(self) -> int:
        """What was asked of it; 0 where the service does not say."""
        return _number(self.metadata, "asked")


class StateTooLarge(LimitExceeded):
    """The state, or the MCP context, is too large. Store summaries and filters, not result sets."""


class TooManyKeys(LimitExceeded):
    """The state has too many top-level keys."""


class TooManySessions(LimitExceeded):
    """The owner, the tenant or the anonymous owners together have too many live sessions."""


class TooManyClaims(LimitExceeded):
    """The owner holds too many claims."""


class TooManyCredentials(LimitExceeded):
    """The session has too many credentials."""


class CredentialTooLarge(LimitExceeded):
    """The credential is too large."""


class MessageTooLarge(LimitExceeded):
    """The whole request is too large."""


class Unavailable(TenureError):
    """The service, or what it needs, is away for now. The client has repeated what may be repeated."""


class StoreUnavailable(Unavailable):
    """The service's store does not answer."""


class StoreUnsafe(Unavailable):
    """The store's settings could lose sessions silently: the service does not use it."""


class ClockSkew(Unavailable):
    """The clocks of the service and of its store are apart."""


class InvalidationNotDurable(Unavailable):
    """The ending is in force, but would not survive a failover yet: repeat it."""


class KeyUnavailable(Unavailable):
    """This instance of the service does not have the key that is needed."""


class AuditUnavailable(Unavailable):
    """What happens in this namespace must be recorded, and cannot be now."""


class ShuttingDown(Unavailable):
    """This instance of the service is going down."""


class Overloaded(TenureError):
    """Too many calls are in progress."""


class StoreFull(TenureError):
    """The store is full. Reading and ending sessions still works."""


class DeadlineExceeded(TenureError):
    """The deadline passed. The call was applied wholly or not at all."""


class EncryptionNotConfigured(TenureError):
    """The service has no key to encrypt credentials with."""


class KeysAtFault(TenureError):
    """The service cannot read its keys."""


class AuditNotConfigured(TenureError):
    """What is asked for is done only where it is recorded, and the service has no audit."""


class LogNotOwned(TenureError):
    """The log of the service's process is not its own to change."""


class DataUnreadable(TenureError):
    """What is kept does not open: its tenant's key was destroyed, or somebody has changed it."""


class Unsupported(TenureError):
    """The service does not know this method: it is older than this client, or something else."""


class Cancelled(TenureError):
    """The call was cancelled, or the client is closed."""


class InternalError(TenureError):
    """The service failed; its log has the details under the correlation id."""


_BY_REASON: dict[str, type[TenureError]] = {
    "INVALID_FIELD": InvalidField,
    "NAMESPACE_UNKNOWN": NamespaceUnknown,
    "REQUEST_ID_REUSED": RequestIdReused,
    "CALLER_UNKNOWN": CallerUnknown,
    "CALLER_NOT_ALLOWED": CallerNotAllowed,
    "OWNER_NOT_PROVED": OwnerNotProved,
    "SESSION_NOT_FOUND": SessionNotFound,
    "SESSION_EXPIRED_IDLE": SessionExpired,
    "SESSION_EXPIRED_ABSOLUTE": SessionExpired,
    "SESSION_DELETED": SessionDeleted,
    "SESSION_ROTATED": SessionRotated,
    "SESSION_REPLACED": SessionReplaced,
    "SESSION_EVICTED": SessionEvicted,
    "SESSION_INVALIDATED": SessionInvalidated,
    "CREDENTIAL_NOT_FOUND": CredentialNotFound,
    "SESSION_EXISTS": SessionExists,
    "CONVERSATION_EXISTS": ConversationExists,
    "REVISION_MISMATCH": RevisionMismatch,
    "CREDENTIAL_CHANGED": Contended,
    "SESSION_CHANGED": Contended,
    "REFRESH_IN_PROGRESS": RefreshInProgress,
    "REFRESH_LEASE_LOST": RefreshLeaseLost,
    "AUTHENTICATION_REVOKED": AuthenticationRevoked,
    "NOT_AN_INTEGER": NotAnInteger,
    "NOT_A_LIST": NotAList,
    "INTEGER_OUT_OF_RANGE": IntegerOutOfRange,
    "CURSOR_EXPIRED": CursorExpired,
    "STATE_TOO_LARGE": StateTooLarge,
    "TOO_MANY_KEYS": TooManyKeys,
    "TOO_MANY_SESSIONS": TooManySessions,
    "TOO_MANY_CLAIMS": TooManyClaims,
    "TOO_MANY_CREDENTIALS": TooManyCredentials,
    "CREDENTIAL_TOO_LARGE": CredentialTooLarge,
    "MESSAGE_TOO_LARGE": MessageTooLarge,
    "OVERLOADED": Overloaded,
    "STORE_FULL": StoreFull,
    "STORE_UNAVAILABLE": StoreUnavailable,
    "STORE_UNSAFE": StoreUnsafe,
    "CLOCK_SKEW": ClockSkew,
    "INVALIDATION_NOT_DURABLE": InvalidationNotDurable,
    "KEY_UNAVAILABLE": KeyUnavailable,
    "AUDIT_UNAVAILABLE": AuditUnavailable,
    "SHUTTING_DOWN": ShuttingDown,
    "ENCRYPTION_NOT_CONFIGURED": EncryptionNotConfigured,
    "KEYS_AT_FAULT": KeysAtFault,
    "AUDIT_NOT_CONFIGURED": AuditNotConfigured,
    "LOG_NOT_OWNED": LogNotOwned,
    "DATA_UNREADABLE": DataUnreadable,
    "DEADLINE_EXCEEDED": DeadlineExceeded,
    "COMPRESSION_UNSUPPORTED": Unsupported,
    "METHOD_UNKNOWN": Unsupported,
    "INTERNAL": InternalError,
}

# For reasons that this version does not know yet, and for statuses that something on the way made.
_BY_CODE: dict[grpc.StatusCode, type[TenureError]] = {
    grpc.StatusCode.INVALID_ARGUMENT: InvalidField,
    grpc.StatusCode.UNAUTHENTICATED: CallerUnknown,
    grpc.StatusCode.PERMISSION_DENIED: CallerNotAllowed,
    grpc.StatusCode.NOT_FOUND: NotFound,
    grpc.StatusCode.ALREADY_EXISTS: AlreadyExists,
    grpc.StatusCode.UNAVAILABLE: Unavailable,
    grpc.StatusCode.DEADLINE_EXCEEDED: DeadlineExceeded,
    grpc.StatusCode.CANCELLED: Cancelled,
    grpc.StatusCode.UNIMPLEMENTED: Unsupported,
    grpc.StatusCode.INTERNAL: InternalError,
}


def _kind(reason: str, code: grpc.StatusCode, metadata: Mapping[str, str]) -> type[TenureError]:
    known = _BY_REASON.get(reason)
    if known is not None:
        return known
    return LimitExceeded if "limit" in metadata else _BY_CODE.get(code, TenureError)


def from_rpc_error(error: grpc.RpcError) -> TenureError:
    """The typed error of a failed call."""
    status: Any = error
    code: grpc.StatusCode = status.code() or grpc.StatusCode.UNKNOWN
    trailers = {key: value for key, value in (status.trailing_metadata() or ()) if key in (_CORRELATION, _DETAILS)}
    correlation = trailers.get(_CORRELATION, "")
    reason, metadata, violations, retry_after = _details(trailers.get(_DETAILS, b""))
    return _kind(reason, code, metadata)(
        status.details() or "the call failed",
        reason=reason,
        code=code.name,
        metadata=metadata,
        violations=violations,
        retry_after=retry_after,
        correlation_id=correlation if isinstance(correlation, str) else correlation.decode("ascii", "replace"),
    )


def _details(raw: Any) -> tuple[str, Mapping[str, str], tuple[Violation, ...], float | None]:
    reason = ""
    metadata: Mapping[str, str] = {}
    violations: list[Violation] = []
    retry_after: float | None = None
    for detail in _decoded(raw):
        if detail.Is(error_details_pb2.ErrorInfo.DESCRIPTOR):
            info = error_details_pb2.ErrorInfo()
            detail.Unpack(info)
            if info.domain == _DOMAIN:
                reason, metadata = info.reason, dict(info.metadata)
        elif detail.Is(error_details_pb2.BadRequest.DESCRIPTOR):
            bad = error_details_pb2.BadRequest()
            detail.Unpack(bad)
            violations += [Violation(each.field, each.description) for each in bad.field_violations]
        elif detail.Is(error_details_pb2.RetryInfo.DESCRIPTOR):
            retry = error_details_pb2.RetryInfo()
            detail.Unpack(retry)
            retry_after = retry.retry_delay.seconds + retry.retry_delay.nanos / 1e9
    return reason, metadata, tuple(violations), retry_after


def _decoded(raw: Any) -> Iterable[Any]:
    if not raw:
        return ()
    try:
        return list(status_pb2.Status.FromString(raw).details)
    except DecodeError:
        return ()


def _number(metadata: Mapping[str, str], key: str) -> int:
    try:
        return int(metadata.get(key, "0"))
    except ValueError:
        return 0
