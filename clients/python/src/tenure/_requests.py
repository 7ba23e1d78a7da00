"""Arguments become messages. Both kinds of client build their requests here."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any, Literal

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from .errors import InvalidValue
from .types import Append, EventKind, InvalidationReason, McpContext, Owner, Selector, State, TokenSet
from .v1 import session_pb2, session_service_pb2
from .values import fill_list, fill_struct

Span = float | timedelta
"""A duration: seconds, or a timedelta."""

OnExisting = Literal["fail", "return", "replace"]
"""What `create` does when the conversation has a live session."""

_ON_EXISTING: dict[str, session_service_pb2.OnExisting.ValueType] = {
    "fail": session_service_pb2.ON_EXISTING_FAIL,
    "return": session_service_pb2.ON_EXISTING_RETURN,
    "replace": session_service_pb2.ON_EXISTING_REPLACE,
}


def request_id() -> str:
    """A new random UUID (version 4); `uuid.uuid4` takes three times as long."""
    raw = bytearray(os.urandom(16))
    raw[6] = raw[6] & 0x0F | 0x40
    raw[8] = raw[8] & 0x3F | 0x80
    text = raw.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def owner_message(owner: Owner) -> session_pb2.Owner:
    """The owner on the wire."""
    return session_pb2.Owner(tenant=owner.tenant, user=owner.user, issuer=owner.issuer)


def span_message(span: Span) -> Duration:
    """A duration on the wire."""
    message = Duration()
    if isinstance(span, timedelta):
        message.FromTimedelta(span)
    else:
        if not math.isfinite(span):
            raise InvalidValue("a duration must be finite")
        message.FromMicroseconds(round(span * 1_000_000))
    return message


def time_message(time: datetime) -> Timestamp:
    """A time on the wire. One without a zone is refused: it would be read as local time somewhere."""
    if time.tzinfo is None:
        raise InvalidValue("a time must have a time zone, for instance datetime.now(timezone.utc)")
    message = Timestamp()
    message.FromDatetime(time.astimezone(timezone.utc))
    return message


def mcp_message(mcp: McpContext) -> session_pb2.McpContext:
    """An MCP context on the wire."""
    return session_pb2.McpContext(
        initialize_params_json=mcp.initialize_params_json,
        protocol_version=mcp.protocol_version,
        initialized=mcp.initialized,
        log_level=mcp.log_level,
        resource_subscriptions=mcp.resource_subscriptions,
    )


def credential_message(credential: TokenSet | bytes) -> session_pb2.Credential:
    """A credential on the wire."""
    if isinstance(credential, bytes):
        return session_pb2.Credential(opaque=credential)
    return session_pb2.Credential(
        oauth=session_pb2.OAuthTokenSet(
            access_token=credential.access_token,
            refresh_token=credential.refresh_token,
            token_type=credential.token_type,
            scopes=credential.scopes,
            expires_at=None if credential.expires_at is None else time_message(credential.expires_at),
            issuer=credential.issuer,
            audience=credential.audience,
        )
    )


def create(
    *,
    namespace: str,
    owner: session_pb2.Owner,
    session_id: str,
    conversation_id: str,
    state: State | None,
    mcp: McpContext | None,
    labels: Sequence[str],
    credentials: Mapping[str, TokenSet | bytes] | None,
    idle_ttl: Span | None,
    max_lifetime: Span | None,
    authenticated_at: datetime | None,
    provider_session_id: str,
    on_existing: OnExisting,
    request_id: str,
) -> session_service_pb2.CreateSessionRequest:
    """CreateSession."""
    request = session_service_pb2.CreateSessionRequest(
        namespace=namespace,
        owner=owner,
        session_id=session_id,
        conversation_id=conversation_id,
        labels=labels,
        provider_session_id=provider_session_id,
        on_existing=_ON_EXISTING[on_existing],
        request_id=request_id,
    )
    if state is not None:
        fill_struct(request.state, state, "state")
    if mcp is not None:
        request.mcp.CopyFrom(mcp_message(mcp))
    if credentials:
        for name, credential in credentials.items():
            request.credentials[name].CopyFrom(credential_message(credential))
    if idle_ttl is not None:
        request.idle_ttl.CopyFrom(span_message(idle_ttl))
    if max_lifetime is not None:
        request.max_lifetime.CopyFrom(span_message(max_lifetime))
    if authenticated_at is not None:
        request.authenticated_at.CopyFrom(time_message(authenticated_at))
    return request


def update(
    *,
    namespace: str,
    owner: session_pb2.Owner,
    session_id: str,
    set: State | None,
    remove: Sequence[str],
    increment: Mapping[str, int] | None,
    append: Mapping[str, Sequence[Any] | Append] | None,
    mcp: McpContext | None,
    labels: Sequence[str] | None,
    if_revision: int | None,
    omit_state: bool,
    request_id: str,
) -> session_service_pb2.UpdateSessionRequest:
    """UpdateSession."""
    request = session_service_pb2.UpdateSessionRequest(
        namespace=namespace,
        owner=owner,
        session_id=session_id,
        remove=remove,
        if_revision=if_revision,
        omit_state=omit_state,
        request_id=request_id,
    )
    if set is not None:
        fill_struct(request.set, set, "set")
    if increment:
        _fill_increments(request, increment)
    if append:
        for key, tail in append.items():
            entry = request.append[key]
            if isinstance(tail, Append):
                entry.max_length = tail.max_length
                fill_list(entry.values, tail.values, f"append.{key}")
            else:
                fill_list(entry.values, tail, f"append.{key}")
    if mcp is not None:
        request.mcp.CopyFrom(mcp_message(mcp))
    if labels is not None:
        request.labels.SetInParent()
        request.labels.values.extend(labels)
    return request


def _fill_increments(request: session_service_pb2.UpdateSessionRequest, increment: Mapping[str, int]) -> None:
    for key, by in increment.items():
        try:
            request.increment[key] = by
        except (ValueError, TypeError):
            raise InvalidValue("is not an integer of 64 bits", f"increment.{key}").at("") from None


def selector_message(selector: Selector) -> session_pb2.Selector:
    """A selector on the wire. It must say exactly one thing."""
    given = [
        name
        for name in ("session_id", "owner", "subject", "provider_session", "tenant", "issuer")
        if getattr(selector, name) is not None
    ]
    if len(given) + selector.all != 1:
        raise InvalidValue(
            "say which sessions are meant: one of session_id, owner, subject, provider_session, tenant, issuer, all"
        )
    message = session_pb2.Selector()
    if selector.all:
        message.all = True
    elif selector.owner is not None:
        message.owner.CopyFrom(owner_message(selector.owner))
    elif selector.subject is not None:
        message.subject.CopyFrom(session_pb2.Subject(issuer=selector.subject.issuer, user=selector.subject.user))
    elif selector.provider_session is not None:
        message.provider_session.CopyFrom(
            session_pb2.ProviderSession(
                issuer=selector.provider_session.issuer,
                provider_session_id=selector.provider_session.provider_session_id,
            )
        )
    elif selector.session_id is not None:
        message.session_id = selector.session_id
    elif selector.tenant is not None:
        message.tenant = selector.tenant
    elif selector.issuer is not None:
        message.issuer = selector.issuer
    return message


def invalidate(
    *,
    namespace: str,
    selector: Selector,
    reason: InvalidationReason | str,
    except_session_id: str,
    authenticated_until: datetime | None,
    note: str,
    actor: str,
    dry_run: bool,
) -> session_service_pb2.InvalidateSessionsRequest:
    """InvalidateSessions."""
    name = InvalidationReason(reason).value
    request = session_service_pb2.InvalidateSessionsRequest(
        namespace=namespace,
        selector=selector_message(selector),
        except_session_id=except_session_id,
        reason=session_pb2.InvalidationReason.Value(f"INVALIDATION_REASON_{name}"),
        note=note,
        actor=actor,
        dry_run=dry_run,
    )
    if authenticated_until is not None:
        request.authenticated_until.CopyFrom(time_message(authenticated_until))
    return request


def watch(
    *,
    namespace: str,
    owner: session_pb2.Owner | None,
    kinds: Sequence[EventKind | str],
    cursor: str,
) -> session_service_pb2.WatchSessionsRequest:
    """WatchSessions."""
    return session_service_pb2.WatchSessionsRequest(
        namespace=namespace,
        owner=owner,
        kinds=[session_pb2.EventKind.Value(f"EVENT_KIND_{EventKind(kind).value}") for kind in kinds],
        cursor=cursor,
    )
