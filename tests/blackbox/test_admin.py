"""AdminService from outside: another toolchain's stubs against the real binary, over whatever store the tests run on."""

import uuid
from pathlib import Path
from typing import Any

import grpc
import pytest
from tenure.admin.v1 import admin_service_pb2 as wire
from tenure.admin.v1.admin_service_pb2_grpc import AdminServiceStub

from support.endings import make
from support.errors import refused
from support.server import serving
from support.watching import Watch
from support.wire import NAMESPACE, SessionServiceStub, calls, new_id, new_owner, records, struct

CANARY = "what-only-its-owner-may-see"


@pytest.fixture
def admin(channel: grpc.Channel) -> Any:
    return AdminServiceStub(channel)


@pytest.fixture
def tenant() -> str:
    """A tenant that no other test has."""
    return f"tenant-{uuid.uuid4()}"


def of(tenant: str, **more: Any) -> Any:
    return wire.SessionFilter(tenant=tenant, **more)


def pages(admin: Any, size: int, filter: Any) -> list[str]:
    found: list[str] = []
    token = ""
    while True:
        request = wire.FindSessionsRequest(
            namespace=NAMESPACE, filter=filter, page_size=size, page_token=token
        )
        page = admin.FindSessions(request)
        assert len(page.sessions) <= size
        found += [told.session.id for told in page.sessions]
        token = page.next_page_token
        if not token:
            return found


def streamed(admin: Any, filter: Any) -> list[str]:
    request = wire.StreamSessionsRequest(namespace=NAMESPACE, filter=filter)
    return [told.session.id for batch in admin.StreamSessions(request) for told in batch.sessions]


def test_sessions_are_found_in_pages_and_as_a_stream(api: Any, admin: Any, tenant: str) -> None:
    made = {make(api, new_owner(tenant=tenant), labels=["eu"]) for _ in range(7)}
    other = make(api, new_owner(tenant=tenant))
    assert set(pages(admin, 3, of(tenant, labels=["eu"]))) == made
    assert set(pages(admin, 1, of(tenant))) == made | {other}
    assert set(streamed(admin, of(tenant))) == made | {other}
    assert streamed(admin, of(tenant, labels=["us"])) == []
    nonsense = "nonsense"
    bad = wire.FindSessionsRequest(namespace=NAMESPACE, page_token=nonsense)
    refused(admin.FindSessions, bad, grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD")


def test_no_answer_holds_a_value_or_a_credential(api: Any, admin: Any, tenant: str) -> None:
    owner = new_owner(tenant=tenant)
    secret = records.Credential(opaque=CANARY.encode())
    request = calls.CreateSessionRequest(
        namespace=NAMESPACE,
        owner=owner,
        state=struct(filter=CANARY),
        mcp=records.McpContext(initialize_params_json=f'{{"x":"{CANARY}"}}'),
        credentials={"token": secret},
    )
    session_id = api.CreateSession(request).session.id
    which = {"namespace": NAMESPACE, "session_id": session_id}
    answers = [
        admin.FindSessions(wire.FindSessionsRequest(namespace=NAMESPACE, filter=of(tenant))),
        *admin.StreamSessions(wire.StreamSessionsRequest(namespace=NAMESPACE, filter=of(tenant))),
        admin.InspectSession(wire.InspectSessionRequest(**which)),
        admin.ExplainSession(wire.ExplainSessionRequest(**which)),
        admin.ListTopOwners(wire.ListTopOwnersRequest(namespace=NAMESPACE, tenant=tenant)),
        admin.ListNamespaces(wire.ListNamespacesRequest()),
        admin.GetStoreStatus(wire.GetStoreStatusRequest()),
    ]
    for answer in answers:
        assert CANARY.encode() not in answer.SerializeToString(), answer
    shown = admin.InspectSession(wire.InspectSessionRequest(**which)).sessions[0]
    assert [(key.key, key.value_bytes) for key in shown.state_keys] == [("filter", 2 + len(CANARY))]
    assert list(shown.session.credential_names) == ["token"]
    elsewhere = wire.InspectSessionRequest(**which, tenant="another")
    assert len(admin.InspectSession(elsewhere).sessions) == 0
    # Without an audit nobody is given values.
    glass = wire.ReadSessionStateRequest(**which, reason="to see")
    refused(admin.ReadSessionState, glass, grpc.StatusCode.FAILED_PRECONDITION, "AUDIT_NOT_CONFIGURED")
    silent = wire.ReadSessionStateRequest(**which, reason=" ")
    refused(admin.ReadSessionState, silent, grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD")


def test_many_are_ended_each_with_one_event(api: Any, admin: Any, tenant: str) -> None:
    made = {make(api, new_owner(tenant=tenant), labels=["loadtest"]) for _ in range(20)}
    kept_by = new_owner(tenant=tenant)
    kept = make(api, kept_by)
    watch = Watch(api.WatchSessions(calls.WatchSessionsRequest(namespace=NAMESPACE)))
    meant = {"namespace": NAMESPACE, "filter": of(tenant, labels=["loadtest"])}
    counted = list(admin.EndSessions(wire.EndSessionsRequest(**meant, dry_run=True)))[-1]
    assert (counted.matched_count, counted.ended_count) == (20, 0)
    done = list(admin.EndSessions(wire.EndSessionsRequest(**meant)))[-1]
    assert (done.matched_count, done.ended_count, done.not_durable_count) == (20, 20, 0)
    assert streamed(admin, of(tenant)) == [kept]
    # The last event that there can be of these.
    api.DeleteSession(calls.DeleteSessionRequest(namespace=NAMESPACE, owner=kept_by, session_id=kept))
    events = []
    ended: list[str] = []
    while set(ended) != made | {kept}:
        event = watch.next_event()
        if event.kind == records.EVENT_KIND_ENDED and event.owner.tenant == tenant:
            events.append(event)
            ended.append(event.session_id)
    assert len(ended) == 21, "each ends once"
    causes = {event.invalidation_reason for event in events if event.session_id in made}
    assert causes == {records.INVALIDATION_REASON_ADMIN}
    # No mark stays: the same owner comes back.
    make(api, kept_by)
    everything = wire.EndSessionsRequest(namespace=NAMESPACE)
    with pytest.raises(grpc.RpcError) as raised:
        list(admin.EndSessions(everything))
    assert raised.value.code() == grpc.StatusCode.INVALID_ARGUMENT


def test_a_story_from_beginning_to_end(api: Any, admin: Any, owner: Any) -> None:
    session_id = make(api, owner)

    def story(of_id: str) -> Any:
        request = wire.ExplainSessionRequest(namespace=NAMESPACE, session_id=of_id)
        return list(admin.ExplainSession(request).stories)

    (alive,) = story(session_id)
    assert (alive.created_by, alive.last_used_by) == ("local", "local")
    assert alive.owner == owner
    assert not alive.HasField("end")
    new = new_id()
    api.RotateSession(
        calls.RotateSessionRequest(
            namespace=NAMESPACE, owner=owner, session_id=session_id, new_session_id=new
        )
    )
    (rotated,) = story(session_id)
    assert (rotated.end.reason, rotated.lives_on_as) == (records.END_REASON_ROTATED, new)
    api.InvalidateSessions(
        calls.InvalidateSessionsRequest(
            namespace=NAMESPACE,
            selector=records.Selector(owner=owner),
            reason=records.INVALIDATION_REASON_PASSWORD_CHANGED,
        )
    )
    (ended,) = story(new)
    assert ended.end.reason == records.END_REASON_INVALIDATED
    assert ended.end.invalidation_reason == records.INVALIDATION_REASON_PASSWORD_CHANGED
    assert ended.end.ended_by == "local"
    assert [mark.selector.owner for mark in ended.marks] == [owner]
    assert story(new_id()) == []


def test_values_are_given_out_only_on_the_record(tmp_path: Path) -> None:
    """Break-glass: the reason stands in the audit, the values do not."""
    trail = tmp_path / "audit"
    config = f'[audit]\nsink = "file"\ndirectory = "{trail}"\n'
    with serving(tmp_path, config) as server, server.channel() as channel:
        api, admin = SessionServiceStub(channel), AdminServiceStub(channel)
        owner = new_owner()
        request = calls.CreateSessionRequest(
            namespace=NAMESPACE, owner=owner, state=struct(filter=CANARY, other="x")
        )
        session_id = api.CreateSession(request).session.id
        read = wire.ReadSessionStateRequest(
            namespace=NAMESPACE, session_id=session_id, reason="ticket 4711", state_keys=["filter"]
        )
        (session,) = admin.ReadSessionState(read).sessions
        assert dict(session.state) == {"filter": CANARY}
        # It is written before the answer comes.
        lines = "".join(path.read_text() for path in trail.glob("*.jsonl"))
        assert '"glass_broken"' in lines
        assert "ticket 4711" in lines
        assert CANARY not in lines
        assert CANARY not in server.log.read_text()
