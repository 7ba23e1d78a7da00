"""WatchSessions: lifecycle events, ordered per owner, at least once, resumable."""

import uuid
from pathlib import Path
from typing import Any

import pytest
from grpc import StatusCode

from support.errors import refused
from support.server import serving
from support.watching import watching
from support.wire import SessionServiceStub, calls, new_owner, records, seconds, struct


@pytest.fixture
def namespace() -> str:
    """A namespace that no other test makes events in."""
    return f"watch-{uuid.uuid4()}"


def create(api: Any, namespace: str, owner: Any, **fields: Any) -> Any:
    return api.CreateSession(calls.CreateSessionRequest(namespace=namespace, owner=owner, **fields)).session


def delete(api: Any, namespace: str, owner: Any, session_id: str) -> None:
    request = calls.DeleteSessionRequest(namespace=namespace, owner=owner, session_id=session_id)
    assert api.DeleteSession(request).deleted


def test_a_life_in_order(api: Any, owner: Any, namespace: str) -> None:
    """Created, rotated and ended, in the order in which they happened, each with an id of its own."""
    with watching(api, namespace) as watch:
        made = create(api, namespace, owner, conversation_id="workflow", state=struct(cart="canary"))
        rotate = calls.RotateSessionRequest(namespace=namespace, owner=owner, session_id=made.id)
        rotated = api.RotateSession(rotate).session
        delete(api, namespace, owner, rotated.id)
        created_event, rotated_event, ended_event = (watch.next_event() for _ in range(3))

    assert created_event.kind == records.EVENT_KIND_CREATED
    assert (created_event.session_id, created_event.owner) == (made.id, owner)
    assert (created_event.namespace, created_event.conversation_id) == (namespace, "workflow")
    assert rotated_event.kind == records.EVENT_KIND_ROTATED
    assert (rotated_event.session_id, rotated_event.previous_session_id) == (rotated.id, made.id)
    assert ended_event.kind == records.EVENT_KIND_ENDED
    assert (ended_event.session_id, ended_event.end_reason) == (rotated.id, records.END_REASON_DELETED)
    events = [created_event, rotated_event, ended_event]
    assert len({event.event_id for event in events}) == 3
    assert not any(b"canary" in event.SerializeToString() for event in events)


def test_a_watch_resumes_where_it_stopped(api: Any, owner: Any, namespace: str) -> None:
    """Nothing is lost between two streams: the cursor leads on, and heartbeats carry it too."""
    with watching(api, namespace) as watch:
        start = watch.cursor
        first = create(api, namespace, owner)
        assert watch.next_event().session_id == first.id
        after_first = watch.cursor
    second = create(api, namespace, owner)
    with watching(api, namespace, cursor=after_first) as watch:
        assert watch.next_event().session_id == second.id
    with watching(api, namespace, cursor=start) as watch:
        assert [watch.next_event().session_id for _ in range(2)] == [first.id, second.id]


def test_filters_by_owner_and_kind(api: Any, owner: Any, namespace: str) -> None:
    other = new_owner()
    only_mine = {"owner": owner, "kinds": [records.EVENT_KIND_ENDED]}
    with watching(api, namespace, **only_mine) as watch:
        theirs, mine = create(api, namespace, other), create(api, namespace, owner)
        delete(api, namespace, other, theirs.id)
        delete(api, namespace, owner, mine.id)
        event = watch.next_event()
    assert (event.kind, event.session_id) == (records.EVENT_KIND_ENDED, mine.id)


def test_an_expiry_is_an_event(api: Any, owner: Any, namespace: str) -> None:
    """Nobody has to ask for the session to be told of its end."""
    with watching(api, namespace, kinds=[records.EVENT_KIND_ENDED]) as watch:
        made = create(api, namespace, owner, idle_ttl=seconds(1))
        event = watch.next_event()
    assert (event.session_id, event.end_reason) == (made.id, records.END_REASON_EXPIRED_IDLE)


def test_a_wide_invalidation_is_told_at_once_and_its_endings_after(api: Any, namespace: str) -> None:
    """`revoked` with its selector first, then each session that it ended."""
    owners = [new_owner(tenant=namespace) for _ in range(3)]
    made = {create(api, namespace, owner).id for owner in owners}
    kinds = [records.EVENT_KIND_REVOKED, records.EVENT_KIND_ENDED]
    with watching(api, namespace, kinds=kinds) as watch:
        api.InvalidateSessions(
            calls.InvalidateSessionsRequest(
                namespace=namespace,
                selector=records.Selector(tenant=namespace),
                reason=records.INVALIDATION_REASON_ADMIN,
            )
        )
        revoked = watch.next_event()
        ended = [watch.next_event() for _ in owners]
    assert revoked.kind == records.EVENT_KIND_REVOKED
    assert revoked.selector.tenant == namespace
    assert not revoked.HasField("owner")
    assert {event.session_id for event in ended} == made
    assert {event.end_reason for event in ended} == {records.END_REASON_INVALIDATED}
    assert {event.invalidation_reason for event in ended} == {records.INVALIDATION_REASON_ADMIN}


@pytest.mark.parametrize(("namespace", "told"), [("chatty", True), ("blackbox", False)])
def test_updates_are_told_where_the_namespace_asks_for_it(
    api: Any, owner: Any, namespace: str, told: bool
) -> None:
    """`watch_updates`. Reads are never events."""
    with watching(api, namespace, owner=owner) as watch:
        made = create(api, namespace, owner)
        place = {"namespace": namespace, "owner": owner, "session_id": made.id}
        api.GetSession(calls.GetSessionRequest(**place))
        api.UpdateSession(calls.UpdateSessionRequest(**place, set=struct(a=1)))
        delete(api, namespace, owner, made.id)
        events = watch.events_until(lambda event: event.kind == records.EVENT_KIND_ENDED)
    kinds = [records.EVENT_KIND_CREATED, records.EVENT_KIND_ENDED]
    if told:
        kinds.insert(1, records.EVENT_KIND_UPDATED)
    assert [event.kind for event in events] == kinds


def test_a_cursor_that_the_log_no_longer_reaches(tmp_path: Path, owner: Any) -> None:
    """CURSOR_EXPIRED: drop what you hold and start anew."""
    with serving(tmp_path, "[store]\nevent_log_length = 16\n") as server, server.channel() as channel:
        api = SessionServiceStub(channel)
        with watching(api, "busy") as watch:
            old = watch.cursor
        for _ in range(64):
            made = create(api, "busy", owner)
            delete(api, "busy", owner, made.id)
        request = calls.WatchSessionsRequest(namespace="busy", cursor=old)
        refused(lambda r: next(api.WatchSessions(r)), request, StatusCode.OUT_OF_RANGE, "CURSOR_EXPIRED")


def test_a_cursor_from_elsewhere(api: Any) -> None:
    """One that this store never gave is as good as expired: the client has to do the same."""
    request = calls.WatchSessionsRequest(namespace="blackbox", cursor="not a cursor")
    refused(lambda r: next(api.WatchSessions(r)), request, StatusCode.OUT_OF_RANGE, "CURSOR_EXPIRED")
