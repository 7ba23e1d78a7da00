"""CreateSession: what a new session is."""

import uuid
from typing import Any

import pytest
from grpc import StatusCode

from support.errors import refused
from support.wire import NAMESPACE, calls, moment, nanos, native, new_id, records, seconds, struct

SECOND = 1_000_000_000


def test_a_minted_session_has_everything_the_contract_names(api: Any, owner: Any) -> None:
    """The record of a new session, with the defaults of 15 minutes and 12 hours."""
    mcp = records.McpContext(
        initialize_params_json='{"protocolVersion":"2025-11-25"}',
        protocol_version="2025-11-25",
        initialized=True,
        log_level="warning",
        resource_subscriptions=["file:///notes"],
    )
    answer = api.CreateSession(
        calls.CreateSessionRequest(
            namespace=NAMESPACE,
            owner=owner,
            conversation_id="workflow-1",
            state=struct(cart=["tea"], total=3),
            mcp=mcp,
            labels=["region:eu"],
            provider_session_id="sid-1",
        )
    )
    session = answer.session

    assert answer.created
    assert not answer.replayed
    assert uuid.UUID(session.id).version == 4
    assert session.namespace == NAMESPACE
    assert session.owner == owner
    assert session.conversation_id == "workflow-1"
    assert native(session.state) == {"cart": ["tea"], "total": 3}
    assert session.mcp == mcp
    assert list(session.labels) == ["region:eu"]
    assert session.provider_session_id == "sid-1"
    assert list(session.credential_names) == []
    assert session.revision == 1
    assert session.idle_ttl == seconds(15 * 60)
    created_at = nanos(session.created_at)
    assert nanos(session.last_used_at) == created_at
    assert nanos(session.authenticated_at) == created_at
    assert nanos(session.idle_expires_at) == created_at + 15 * 60 * SECOND
    assert nanos(session.expires_at) == created_at + 12 * 3600 * SECOND


def test_a_supplied_id_is_kept_and_never_overwritten(api: Any, owner: Any) -> None:
    """A live id is ALREADY_EXISTS, and so is one that ended recently."""
    session_id = new_id()
    request = calls.CreateSessionRequest(namespace=NAMESPACE, owner=owner, session_id=session_id)
    assert api.CreateSession(request).session.id == session_id
    refused(api.CreateSession, request, StatusCode.ALREADY_EXISTS, "SESSION_EXISTS")

    api.DeleteSession(calls.DeleteSessionRequest(namespace=NAMESPACE, owner=owner, session_id=session_id))
    refused(api.CreateSession, request, StatusCode.ALREADY_EXISTS, "SESSION_EXISTS")


def test_idle_deadline_never_lies_behind_the_ceiling(api: Any, owner: Any) -> None:
    """`idle_expires_at` is the smaller of last use plus `idle_ttl`, and `expires_at`."""
    session = api.CreateSession(
        calls.CreateSessionRequest(
            namespace=NAMESPACE, owner=owner, idle_ttl=seconds(600), max_lifetime=seconds(60)
        )
    ).session
    assert nanos(session.expires_at) == nanos(session.created_at) + 60 * SECOND
    assert session.idle_expires_at == session.expires_at


def test_a_namespace_has_its_own_defaults(api: Any, owner: Any) -> None:
    """The lifetimes that the configuration gives to one namespace."""
    session = api.CreateSession(calls.CreateSessionRequest(namespace="short-lives", owner=owner)).session
    assert session.idle_ttl == seconds(120)
    assert nanos(session.expires_at) == nanos(session.created_at) + 240 * SECOND


def test_an_older_login_is_kept(api: Any, owner: Any) -> None:
    """`authenticated_at` is when the caller says that the login happened."""
    login = moment(1_700_000_000 * SECOND)
    session = api.CreateSession(
        calls.CreateSessionRequest(namespace=NAMESPACE, owner=owner, authenticated_at=login)
    ).session
    assert session.authenticated_at == login


def test_the_anonymous_owner_gets_longer_ids(api: Any) -> None:
    """256 random bits for a session without a user, at least 32 characters when supplied."""
    nobody = records.Owner(tenant=new_id())
    session = api.CreateSession(calls.CreateSessionRequest(namespace="public", owner=nobody)).session
    assert len(session.id) >= 43
    assert api.DeleteSession(
        calls.DeleteSessionRequest(namespace="public", owner=nobody, session_id=session.id)
    ).deleted

    short = calls.CreateSessionRequest(namespace="public", owner=nobody, session_id="x" * 31)
    failure = refused(api.CreateSession, short, StatusCode.INVALID_ARGUMENT, "INVALID_FIELD")
    assert failure.fields == ("session_id",)


def test_the_anonymous_owner_is_refused_where_the_namespace_does_not_allow_it(api: Any) -> None:
    request = calls.CreateSessionRequest(namespace=NAMESPACE, owner=records.Owner(tenant="acme"))
    failure = refused(api.CreateSession, request, StatusCode.INVALID_ARGUMENT, "INVALID_FIELD")
    assert failure.fields == ("owner.user",)


@pytest.mark.parametrize("request_field", ["conversation_id", "list", "owner selector"])
def test_the_anonymous_owner_has_no_shared_belongings(api: Any, request_field: str) -> None:
    """No conversations, no List, no owner selector."""
    nobody = records.Owner(tenant="acme")
    call, request = {
        "conversation_id": (
            api.CreateSession,
            calls.CreateSessionRequest(namespace="public", owner=nobody, conversation_id="workflow-1"),
        ),
        "list": (api.ListSessions, calls.ListSessionsRequest(namespace="public", owner=nobody)),
        "owner selector": (
            api.InvalidateSessions,
            calls.InvalidateSessionsRequest(namespace="public", selector=records.Selector(owner=nobody)),
        ),
    }[request_field]
    refused(call, request, StatusCode.INVALID_ARGUMENT, "INVALID_FIELD")
