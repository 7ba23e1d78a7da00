"""What calls take and give: owners, sessions, events, credentials."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from enum import Enum
from typing import Any, TypeVar

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from .v1 import credential_service_pb2, session_pb2, session_service_pb2
from .values import from_struct

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


class EndReason(str, Enum):
    """Why a session ended."""

    UNSPECIFIED = "UNSPECIFIED"
    EXPIRED_IDLE = "EXPIRED_IDLE"
    EXPIRED_ABSOLUTE = "EXPIRED_ABSOLUTE"
    DELETED = "DELETED"
    ROTATED = "ROTATED"
    REPLACED = "REPLACED"
    EVICTED = "EVICTED"
    INVALIDATED = "INVALIDATED"


class InvalidationReason(str, Enum):
    """Why sessions are invalidated. The owner is told."""

    UNSPECIFIED = "UNSPECIFIED"
    PASSWORD_CHANGED = "PASSWORD_CHANGED"
    LOGGED_OUT = "LOGGED_OUT"
    PERMISSIONS_CHANGED = "PERMISSIONS_CHANGED"
    ACCOUNT_DISABLED = "ACCOUNT_DISABLED"
    CREDENTIAL_COMPROMISED = "CREDENTIAL_COMPROMISED"
    ADMIN = "ADMIN"
    PROVIDER_SESSION_ENDED = "PROVIDER_SESSION_ENDED"


class EventKind(str, Enum):
    """What happened in a session's life."""

    UNSPECIFIED = "UNSPECIFIED"
    CREATED = "CREATED"
    UPDATED = "UPDATED"
    ROTATED = "ROTATED"
    ENDED = "ENDED"
    REVOKED = "REVOKED"


_Choice = TypeVar("_Choice", EndReason, InvalidationReason, EventKind)


def _choice(kind: type[_Choice], wire: Any, number: int, prefix: str) -> _Choice:
    """The enum's member; what a newer service says and this version does not know is UNSPECIFIED."""
    try:
        return kind(wire.Name(number).removeprefix(prefix))
    except ValueError:
        return kind.UNSPECIFIED


@dataclass(frozen=True)
class Owner:
    """On whose behalf a session exists. Without a user it is the anonymous owner."""

    tenant: str = ""
    user: str = ""
    issuer: str = ""


@dataclass(frozen=True)
class Subject:
    """A user of an issuer, over all tenants."""

    issuer: str
    user: str


@dataclass(frozen=True)
class ProviderSession:
    """A login, as the identity provider names it."""

    issuer: str
    provider_session_id: str


@dataclass(frozen=True)
class Selector:
    """Which sessions an invalidation covers: exactly one of these is set."""

    session_id: str | None = None
    owner: Owner | None = None
    subject: Subject | None = None
    provider_session: ProviderSession | None = None
    tenant: str | None = None
    issuer: str | None = None
    all: bool = False


@dataclass(frozen=True)
class McpContext:
    """What is needed to revive an MCP session on another instance."""

    initialize_params_json: str = ""
    protocol_version: str = ""
    initialized: bool = False
    log_level: str = ""
    resource_subscriptions: Sequence[str] = ()


@dataclass(frozen=True)
class Append:
    """Values for the end of a list that keeps at most `max_length`; 0: no maximum of its own."""

    values: Sequence[Any]
    max_length: int = 0


def to_datetime(stamp: Timestamp) -> datetime:
    """A wire time, in UTC."""
    return _EPOCH + timedelta(seconds=stamp.seconds, microseconds=stamp.nanos // 1000)


def _to_timedelta(span: Duration) -> timedelta:
    return timedelta(seconds=span.seconds, microseconds=span.nanos // 1000)


def to_owner(owner: session_pb2.Owner) -> Owner:
    """A wire owner."""
    return Owner(owner.tenant, owner.user, owner.issuer)


class Session:
    """One session as it was when the call answered.

    What it holds is converted when it is first read. Changing `state` changes this copy only: `update` changes
    the session.
    """

    __slots__ = ("_message", "_state")

    def __init__(self, message: session_pb2.Session) -> None:
        self._message = message
        self._state: dict[str, Any] | None = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}(namespace={self.namespace!r}, revision={self.revision})"

    @property
    def id(self) -> str:
        """Its id."""
        return self._message.id

    @property
    def namespace(self) -> str:
        """Where it lives."""
        return self._message.namespace

    @property
    def owner(self) -> Owner:
        """Whose it is."""
        return to_owner(self._message.owner)

    @property
    def conversation_id(self) -> str:
        """The conversation it serves; empty if none was given."""
        return self._message.conversation_id

    @property
    def labels(self) -> list[str]:
        """For the admin's filters."""
        return list(self._message.labels)

    @property
    def has_state(self) -> bool:
        """Whether the call returned the state. `touch` and, unless asked, `list` do not."""
        return self._message.HasField("state")

    @property
    def state(self) -> dict[str, Any]:
        """What it remembers. Raises LookupError where the call returned no state."""
        state = self._state
        if state is None:
            if not self._message.HasField("state"):
                raise LookupError("this call returned no state; get the session")
            state = self._state = from_struct(self._message.state)
        return state

    @property
    def mcp(self) -> McpContext | None:
        """What is needed to revive the MCP session, if anything was stored."""
        if not self._message.HasField("mcp"):
            return None
        mcp = self._message.mcp
        return McpContext(
            mcp.initialize_params_json,
            mcp.protocol_version,
            mcp.initialized,
            mcp.log_level,
            tuple(mcp.resource_subscriptions),
        )

    @property
    def revision(self) -> int:
        """Grows by one with each change of content."""
        return self._message.revision

    @property
    def created_at(self) -> datetime:
        """When it was made."""
        return to_datetime(self._message.created_at)

    @property
    def last_used_at(self) -> datetime:
        """When it was last used."""
        return to_datetime(self._message.last_used_at)

    @property
    def idle_ttl(self) -> timedelta:
        """How long it lives without being used."""
        return _to_timedelta(self._message.idle_ttl)

    @property
    def idle_expires_at(self) -> datetime:
        """When it ends if it is not used."""
        return to_datetime(self._message.idle_expires_at)

    @property
    def expires_at(self) -> datetime:
        """The absolute ceiling."""
        return to_datetime(self._message.expires_at)

    @property
    def authenticated_at(self) -> datetime:
        """When the login behind it happened."""
        return to_datetime(self._message.authenticated_at)

    @property
    def provider_session_id(self) -> str:
        """What the identity provider calls the login; empty if unknown."""
        return self._message.provider_session_id

    @property
    def credential_names(self) -> list[str]:
        """The names of the credentials kept with it."""
        return list(self._message.credential_names)


class Created(Session):
    """What `create` and `get_or_create` give."""

    __slots__ = ("created", "replayed")

    def __init__(self, answer: session_service_pb2.CreateSessionResponse) -> None:
        super().__init__(answer.session)
        self.created: bool = answer.created
        self.replayed: bool = answer.replayed


class Updated(Session):
    """What `update` gives."""

    __slots__ = ("increments", "replayed")

    def __init__(self, answer: session_service_pb2.UpdateSessionResponse) -> None:
        super().__init__(answer.session)
        self.increments: dict[str, int] = dict(answer.increments)
        self.replayed: bool = answer.replayed


class Rotated(Session):
    """What `rotate` gives."""

    __slots__ = ("replayed",)

    def __init__(self, answer: session_service_pb2.RotateSessionResponse) -> None:
        super().__init__(answer.session)
        self.replayed: bool = answer.replayed


@dataclass(frozen=True)
class Page:
    """Some of an owner's live sessions, newest first."""

    sessions: Sequence[Session]
    next_page_token: str
    """Where the next page starts; empty on the last."""


@dataclass(frozen=True)
class Invalidated:
    """What an invalidation covered."""

    ended_count: int | None
    """How many ended; exact for an id, an owner and a provider session, None for the wide selectors."""
    estimated_count: int | None
    """With `dry_run`: how many a wide selector covers, roughly."""


@dataclass(frozen=True)
class Claim:
    """What `claim_once` gives. It is true if this call claimed the key."""

    claimed: bool
    replayed: bool

    def __bool__(self) -> bool:
        return self.claimed


@dataclass(frozen=True)
class Event:
    """One lifecycle event. It may be delivered again, with the same `event_id`."""

    event_id: str
    kind: EventKind
    occurred_at: datetime
    namespace: str
    owner: Owner | None
    session_id: str
    previous_session_id: str
    conversation_id: str
    revision: int
    end_reason: EndReason
    invalidation_reason: InvalidationReason
    selector: Selector | None
    authenticated_until: datetime | None


@dataclass(frozen=True)
class StartedAnew:
    """The watch could not resume: events were missed. Drop what you hold; what follows is complete again."""


def to_event(event: session_pb2.SessionEvent) -> Event:
    """A wire event."""
    return Event(
        event_id=event.event_id,
        kind=_choice(EventKind, session_pb2.EventKind, event.kind, "EVENT_KIND_"),
        occurred_at=to_datetime(event.occurred_at),
        namespace=event.namespace,
        owner=to_owner(event.owner) if event.HasField("owner") else None,
        session_id=event.session_id,
        previous_session_id=event.previous_session_id,
        conversation_id=event.conversation_id,
        revision=event.revision,
        end_reason=_choice(EndReason, session_pb2.EndReason, event.end_reason, "END_REASON_"),
        invalidation_reason=_choice(
            InvalidationReason,
            session_pb2.InvalidationReason,
            event.invalidation_reason,
            "INVALIDATION_REASON_",
        ),
        selector=_to_selector(event.selector) if event.HasField("selector") else None,
        authenticated_until=(
            to_datetime(event.authenticated_until) if event.HasField("authenticated_until") else None
        ),
    )


def _to_selector(selector: session_pb2.Selector) -> Selector:
    which = selector.WhichOneof("selector")
    if which == "session_id":
        return Selector(session_id=selector.session_id)
    if which == "owner":
        return Selector(owner=to_owner(selector.owner))
    if which == "subject":
        return Selector(subject=Subject(selector.subject.issuer, selector.subject.user))
    if which == "provider_session":
        login = selector.provider_session
        return Selector(provider_session=ProviderSession(login.issuer, login.provider_session_id))
    if which == "tenant":
        return Selector(tenant=selector.tenant)
    if which == "issuer":
        return Selector(issuer=selector.issuer)
    return Selector(all=which == "all")


@dataclass(frozen=True)
class TokenSet:
    """An OAuth token set."""

    access_token: str = field(repr=False)
    refresh_token: str = field(default="", repr=False)
    token_type: str = "Bearer"
    scopes: Sequence[str] = ()
    expires_at: datetime | None = None
    issuer: str = ""
    audience: str = ""

    def is_fresh(self, leeway: float) -> bool:
        """Whether it holds for `leeway` seconds at least. One without an end is fresh."""
        if self.expires_at is None:
            return True
        return self.expires_at - datetime.now(timezone.utc) > timedelta(seconds=leeway)


@dataclass(frozen=True)
class Stored:
    """A credential as it is kept: a token set, or anything else as bytes."""

    credential: TokenSet | bytes = field(repr=False)
    version: int
    """Grows with each write of this name."""

    @property
    def token(self) -> TokenSet:
        """The token set. Raises TypeError for anything else."""
        if not isinstance(self.credential, TokenSet):
            raise TypeError("this credential is no OAuth token set")
        return self.credential


@dataclass(frozen=True)
class RefreshLease:
    """The right to refresh a token set, as the refresh function gets it."""

    token: TokenSet
    uncertain: bool
    """Whether an earlier holder disappeared: it may have used the refresh token already."""
    expires_at: datetime
    version: int
    lease_id: str = field(repr=False)


def to_credential(message: session_pb2.Credential) -> TokenSet | bytes:
    """A wire credential."""
    if message.WhichOneof("secret") == "opaque":
        return message.opaque
    oauth = message.oauth
    return TokenSet(
        access_token=oauth.access_token,
        refresh_token=oauth.refresh_token,
        token_type=oauth.token_type,
        scopes=tuple(oauth.scopes),
        expires_at=to_datetime(oauth.expires_at) if oauth.HasField("expires_at") else None,
        issuer=oauth.issuer,
        audience=oauth.audience,
    )


def to_lease(message: credential_service_pb2.RefreshLease) -> RefreshLease:
    """A wire lease."""
    token = to_credential(message.credential)
    if not isinstance(token, TokenSet):
        raise TypeError("this credential is no OAuth token set")
    return RefreshLease(
        token=token,
        uncertain=message.uncertain,
        expires_at=to_datetime(message.expires_at),
        version=message.version,
        lease_id=message.lease_id,
    )


State = Mapping[str, Any]
"""A state to send: texts, numbers, booleans, None, lists and mappings of these."""
