# Made from _async/_client.py by tools/make_sync.py; change that one.
"""The client: a connection, its namespaces, and in them the sessions of an owner."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from types import TracebackType
from typing import Any

from .. import _requests
from .._requests import OnExisting, Span
from .._settings import Pem, TokenSource, settings
from ..types import (
    Append,
    Claim,
    Created,
    EventKind,
    Invalidated,
    InvalidationReason,
    McpContext,
    Owner,
    Page,
    ProviderSession,
    Rotated,
    Selector,
    Session,
    State,
    Subject,
    TokenSet,
    Updated,
)
from ..v1 import session_pb2
from ..v1 import session_service_pb2 as pb
from ._connection import AnyConnection, Connection
from ._credentials import Credentials
from ._watch import Watch


def connect(
    server: str | Sequence[str] | None = None,
    *,
    tls: bool | None = None,
    ca: Pem | None = None,
    cert: Pem | None = None,
    key: Pem | None = None,
    server_name: str | None = None,
    token: TokenSource | None = None,
    api_key: str | None = None,
    allow_plaintext_token: bool = False,
    timeout: float = 10.0,
    retries: int = 4,
    keepalive: float = 30.0,
) -> Client:
    """A client of the service at `server`.

    What is not given comes from the environment: `TENURE_SERVER`, `TENURE_TLS_CA`, `TENURE_TLS_CERT`,
    `TENURE_TLS_KEY`, `TENURE_TOKEN`, `TENURE_API_KEY`. Nothing is opened before the first call.

    - `server`: `host:port`, `https://host:port`, several of them in a list or with commas between: calls go round.
    - `tls`: on with `https://`, `ca` or `cert`. Without `ca` the public authorities are trusted.
    - `ca`, `cert`, `key`: paths of PEM files, or their content as bytes. `cert` and `key` are for mutual TLS.
    - `token`: a text, or a function that is called for each request. `api_key`: a key (`tnr_…`).
    - `timeout`: the deadline of a call, with all its repetitions, in seconds.
    - `retries`: how often a safe call is repeated at most.
    - `keepalive`: pings a silent connection, in seconds; 0: never.
    """
    return Client(
        Connection(
            settings(
                server=server,
                tls=tls,
                ca=ca,
                cert=cert,
                key=key,
                server_name=server_name,
                token=token,
                api_key=api_key,
                allow_plaintext_token=allow_plaintext_token,
                timeout=timeout,
                retries=retries,
                keepalive=keepalive,
            )
        )
    )


class Client:
    """A connection to the service. One per process is enough; make it after a fork."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connections."""
        self._connection.close()

    def namespace(self, name: str) -> Namespace:
        """A namespace. Nothing is asked of the service."""
        return Namespace(self._connection, name)


class Namespace:
    """One fleet of MCP servers."""

    def __init__(self, connection: Connection, name: str) -> None:
        self._connection = connection
        self.name = name

    def owner(self, tenant: str, user: str, *, issuer: str = "", user_token: TokenSource | None = None) -> Sessions:
        """The sessions of an owner. Take the parts from a verified token, never from the request's body.

        `user_token`: the user's own access token, or a function that is called for each request. It proves the owner
        where the namespace asks for that.
        """
        connection = self._connection if user_token is None else self._connection.proving(user_token)
        return Sessions(connection, self.name, Owner(tenant, user, issuer))

    def invalidate(
        self,
        *,
        session_id: str | None = None,
        owner: Owner | None = None,
        subject: Subject | None = None,
        provider_session: ProviderSession | None = None,
        tenant: str | None = None,
        issuer: str | None = None,
        all: bool = False,
        reason: InvalidationReason | str,
        except_session_id: str = "",
        authenticated_until: datetime | None = None,
        note: str = "",
        actor: str = "",
        dry_run: bool = False,
        timeout: float | None = None,
    ) -> Invalidated:
        """Ends, at once and everywhere, every session that the selector covers.

        The selector is exactly one of the first seven arguments. With `authenticated_until` only sessions whose login
        happened up to then end, so that a late event never ends a newer login.
        """
        return _invalidate(
            self._connection,
            _requests.invalidate(
                namespace=self.name,
                selector=Selector(session_id, owner, subject, provider_session, tenant, issuer, all),
                reason=reason,
                except_session_id=except_session_id,
                authenticated_until=authenticated_until,
                note=note,
                actor=actor,
                dry_run=dry_run,
            ),
            timeout,
        )

    def watch(self, *, kinds: Sequence[EventKind | str] = (), cursor: str = "") -> Watch:
        """The lifecycle events of everybody, from now or after a cursor."""
        return Watch(self._connection, self.name, None, kinds, cursor)


class Sessions:
    """The sessions of one owner in one namespace."""

    def __init__(self, connection: AnyConnection, namespace: str, owner: Owner) -> None:
        self._connection = connection
        self.namespace = namespace
        self.owner = owner
        self._owner: session_pb2.Owner = _requests.owner_message(owner)
        self._any_get = pb.GetSessionRequest(namespace=namespace, owner=self._owner)

    def create(
        self,
        *,
        session_id: str = "",
        conversation_id: str = "",
        state: State | None = None,
        mcp: McpContext | None = None,
        labels: Sequence[str] = (),
        credentials: Mapping[str, TokenSet | bytes] | None = None,
        idle_ttl: Span | None = None,
        max_lifetime: Span | None = None,
        authenticated_at: datetime | None = None,
        provider_session_id: str = "",
        on_existing: OnExisting = "fail",
        request_id: str = "",
        timeout: float | None = None,
    ) -> Created:
        """Makes a session.

        `authenticated_at` should be the `auth_time` or `iat` of the user's token: then a session that is made from
        an old token cannot escape a revocation.
        """
        request = _requests.create(
            namespace=self.namespace,
            owner=self._owner,
            session_id=session_id,
            conversation_id=conversation_id,
            state=state,
            mcp=mcp,
            labels=labels,
            credentials=credentials,
            idle_ttl=idle_ttl,
            max_lifetime=max_lifetime,
            authenticated_at=authenticated_at,
            provider_session_id=provider_session_id,
            on_existing=on_existing,
            request_id=request_id or _requests.request_id(),
        )
        answer: pb.CreateSessionResponse = self._connection.call("CreateSession", request, timeout)
        if answer.replayed and not request_id:
            answer.session.CopyFrom(self._read(answer.session.id, timeout))
        return Created(answer)

    def get_or_create(
        self,
        conversation_id: str,
        *,
        state: State | None = None,
        mcp: McpContext | None = None,
        labels: Sequence[str] = (),
        credentials: Mapping[str, TokenSet | bytes] | None = None,
        idle_ttl: Span | None = None,
        max_lifetime: Span | None = None,
        authenticated_at: datetime | None = None,
        provider_session_id: str = "",
        request_id: str = "",
        timeout: float | None = None,
    ) -> Created:
        """The conversation's live session, slid, or a new one: what a tool handler wants, in one call.

        The other arguments are for a new one. A live session of an older login than `authenticated_at` is replaced.
        """
        return self.create(
            conversation_id=conversation_id,
            state=state,
            mcp=mcp,
            labels=labels,
            credentials=credentials,
            idle_ttl=idle_ttl,
            max_lifetime=max_lifetime,
            authenticated_at=authenticated_at,
            provider_session_id=provider_session_id,
            on_existing="return",
            request_id=request_id,
            timeout=timeout,
        )

    def get(
        self,
        session_id: str,
        *,
        peek: bool = False,
        state_keys: Sequence[str] = (),
        timeout: float | None = None,
    ) -> Session:
        """Reads a session and slides its idle deadline; with `peek` it does not slide."""
        # A copy of what is the same in each costs a quarter of making it anew.
        request = pb.GetSessionRequest()
        request.CopyFrom(self._any_get)
        request.session_id = session_id
        if peek:
            request.peek = True
        if state_keys:
            request.state_keys.extend(state_keys)
        answer: pb.GetSessionResponse = self._connection.call("GetSession", request, timeout)
        return Session(answer.session)

    def update(
        self,
        session_id: str,
        *,
        set: State | None = None,
        remove: Sequence[str] = (),
        increment: Mapping[str, int] | None = None,
        append: Mapping[str, Sequence[Any] | Append] | None = None,
        mcp: McpContext | None = None,
        labels: Sequence[str] | None = None,
        if_revision: int | None = None,
        omit_state: bool = False,
        request_id: str = "",
        timeout: float | None = None,
    ) -> Updated:
        """Changes single keys of the state, in one atomic step. Updates of different keys never collide."""
        request = _requests.update(
            namespace=self.namespace,
            owner=self._owner,
            session_id=session_id,
            set=set,
            remove=remove,
            increment=increment,
            append=append,
            mcp=mcp,
            labels=labels,
            if_revision=if_revision,
            omit_state=omit_state,
            request_id=request_id or _requests.request_id(),
        )
        answer: pb.UpdateSessionResponse = self._connection.call("UpdateSession", request, timeout)
        if answer.replayed and not request_id and not omit_state:
            answer.session.CopyFrom(self._read(answer.session.id, timeout))
        return Updated(answer)

    def touch(self, session_id: str, *, timeout: float | None = None) -> Session:
        """Slides the idle deadline without moving the state."""
        request = pb.TouchSessionRequest(namespace=self.namespace, owner=self._owner, session_id=session_id)
        answer: pb.TouchSessionResponse = self._connection.call("TouchSession", request, timeout)
        return Session(answer.session)

    def rotate(
        self,
        session_id: str,
        *,
        new_session_id: str = "",
        authenticated_at: datetime | None = None,
        provider_session_id: str | None = None,
        request_id: str = "",
        timeout: float | None = None,
    ) -> Rotated:
        """Gives the session a new id; the old one is dead in the same step. For a login or a change of rights."""
        request = pb.RotateSessionRequest(
            namespace=self.namespace,
            owner=self._owner,
            session_id=session_id,
            new_session_id=new_session_id,
            authenticated_at=None if authenticated_at is None else _requests.time_message(authenticated_at),
            provider_session_id=provider_session_id,
            request_id=request_id or _requests.request_id(),
        )
        answer: pb.RotateSessionResponse = self._connection.call("RotateSession", request, timeout)
        if answer.replayed and not request_id:
            answer.session.CopyFrom(self._read(answer.session.id, timeout))
        return Rotated(answer)

    def end(self, session_id: str, *, timeout: float | None = None) -> bool:
        """Ends a session. False if there was no live one, or if a repetition found it ended: both are no error."""
        request = pb.DeleteSessionRequest(namespace=self.namespace, owner=self._owner, session_id=session_id)
        answer: pb.DeleteSessionResponse = self._connection.call("DeleteSession", request, timeout)
        return answer.deleted

    def list(
        self, *, page_size: int = 0, include_state: bool = False, timeout: float | None = None
    ) -> Iterator[Session]:
        """All live sessions, newest first, page by page. `timeout` is for each page."""
        page_token = ""
        while True:
            page = self.list_page(
                page_size=page_size, page_token=page_token, include_state=include_state, timeout=timeout
            )
            for session in page.sessions:
                yield session
            page_token = page.next_page_token
            if not page_token:
                return

    def list_page(
        self,
        *,
        page_size: int = 0,
        page_token: str = "",
        include_state: bool = False,
        timeout: float | None = None,
    ) -> Page:
        """One page of the live sessions."""
        request = pb.ListSessionsRequest(
            namespace=self.namespace,
            owner=self._owner,
            page_size=page_size,
            page_token=page_token,
            include_state=include_state,
        )
        answer: pb.ListSessionsResponse = self._connection.call("ListSessions", request, timeout)
        return Page([Session(session) for session in answer.sessions], answer.next_page_token)

    def invalidate(
        self,
        reason: InvalidationReason | str,
        *,
        except_session_id: str = "",
        authenticated_until: datetime | None = None,
        note: str = "",
        actor: str = "",
        dry_run: bool = False,
        timeout: float | None = None,
    ) -> Invalidated:
        """Ends all sessions of this owner in this namespace: "log out everywhere"."""
        return _invalidate(
            self._connection,
            _requests.invalidate(
                namespace=self.namespace,
                selector=Selector(owner=self.owner),
                reason=reason,
                except_session_id=except_session_id,
                authenticated_until=authenticated_until,
                note=note,
                actor=actor,
                dry_run=dry_run,
            ),
            timeout,
        )

    def claim_once(self, key: str, ttl: Span, *, request_id: str = "", timeout: float | None = None) -> Claim:
        """Claims a key: true exactly once until the TTL has passed. For nonces and other single uses."""
        request = pb.ClaimOnceRequest(
            namespace=self.namespace,
            owner=self._owner,
            key=key,
            ttl=_requests.span_message(ttl),
            request_id=request_id or _requests.request_id(),
        )
        answer: pb.ClaimOnceResponse = self._connection.call("ClaimOnce", request, timeout)
        return Claim(answer.claimed, answer.replayed)

    def watch(self, *, kinds: Sequence[EventKind | str] = (), cursor: str = "") -> Watch:
        """The lifecycle events of this owner, and revocations that cover it."""
        return Watch(self._connection, self.namespace, self._owner, kinds, cursor)

    def credentials(self, session_id: str) -> Credentials:
        """The secrets that are kept with a session."""
        return Credentials(self._connection, self.namespace, self._owner, session_id)

    def _read(self, session_id: str, timeout: float | None) -> session_pb2.Session:
        """The session for an answer that had to be repeated: the service gives such an answer without state."""
        request = pb.GetSessionRequest(namespace=self.namespace, owner=self._owner, session_id=session_id, peek=True)
        answer: pb.GetSessionResponse = self._connection.call("GetSession", request, timeout)
        return answer.session


def _invalidate(
    connection: AnyConnection, request: pb.InvalidateSessionsRequest, timeout: float | None
) -> Invalidated:
    answer: pb.InvalidateSessionsResponse = connection.call("InvalidateSessions", request, timeout)
    return Invalidated(
        answer.ended_count if answer.HasField("ended_count") else None,
        answer.estimated_count if answer.HasField("estimated_count") else None,
    )
