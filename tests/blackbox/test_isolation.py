"""Sessions do not touch each other, however many use them at once."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from support.server import Server
from support.wire import NAMESPACE, SessionServiceStub, calls, native, new_id, new_owner, records, struct

CLIENTS = 100
INCREMENTS = 20


def test_100_clients_incrementing_one_counter(server: Server, api: Any, owner: Any) -> None:
    """The sum is exact, and every client got a number that no other got."""
    created = api.CreateSession(calls.CreateSessionRequest(namespace=NAMESPACE, owner=owner)).session
    request = calls.UpdateSessionRequest(
        namespace=NAMESPACE, owner=owner, session_id=created.id, increment={"n": 1}, omit_state=True
    )

    def client(_: int) -> list[int]:
        with server.channel() as channel:
            mine = SessionServiceStub(channel)
            return [mine.UpdateSession(request).increments["n"] for _ in range(INCREMENTS)]

    with ThreadPoolExecutor(CLIENTS) as pool:
        seen = [number for numbers in pool.map(client, range(CLIENTS)) for number in numbers]

    assert sorted(seen) == list(range(1, CLIENTS * INCREMENTS + 1))
    get = calls.GetSessionRequest(namespace=NAMESPACE, owner=owner, session_id=created.id)
    session = api.GetSession(get).session
    assert native(session.state) == {"n": CLIENTS * INCREMENTS}
    assert session.revision == created.revision + CLIENTS * INCREMENTS


def test_three_sessions_of_one_user_at_once(server: Server, api: Any, owner: Any) -> None:
    """Three workflows in parallel: each session holds what its own workflow wrote, and nothing else."""

    def workflow(name: str) -> dict[str, Any]:
        with server.channel() as channel:
            mine = SessionServiceStub(channel)
            session_id = mine.CreateSession(
                calls.CreateSessionRequest(namespace=NAMESPACE, owner=owner, conversation_id=name)
            ).session.id
            place = {"namespace": NAMESPACE, "owner": owner, "session_id": session_id}
            for step in range(50):
                mine.UpdateSession(
                    calls.UpdateSessionRequest(
                        **place,
                        set=struct(who=name, **{f"{name}-{step % 5}": step}),
                        increment={"steps": 1},
                    )
                )
            return native(mine.GetSession(calls.GetSessionRequest(**place)).session.state)

    names = ["research", "billing", "travel"]
    with ThreadPoolExecutor(len(names)) as pool:
        states = dict(zip(names, pool.map(workflow, names), strict=True))
    for name, state in states.items():
        last = {f"{name}-{step % 5}": step for step in range(45, 50)}
        assert state == {"who": name, "steps": 50, **last}
    listed = api.ListSessions(calls.ListSessionsRequest(namespace=NAMESPACE, owner=owner)).sessions
    assert {session.conversation_id for session in listed} == set(names)


def test_the_same_id_under_two_owners_is_two_sessions(api: Any) -> None:
    """They never meet: not in state, not in lists, not in their ends."""
    session_id, alice, bob = new_id(), new_owner(), new_owner()
    for who, name in ((alice, "alice"), (bob, "bob")):
        api.CreateSession(
            calls.CreateSessionRequest(
                namespace=NAMESPACE, owner=who, session_id=session_id, state=struct(name=name)
            )
        )
    delete = calls.DeleteSessionRequest(namespace=NAMESPACE, owner=alice, session_id=session_id)
    assert api.DeleteSession(delete).deleted
    get = calls.GetSessionRequest(namespace=NAMESPACE, owner=bob, session_id=session_id)
    assert native(api.GetSession(get).session.state) == {"name": "bob"}


def test_the_same_id_in_two_namespaces_is_two_sessions(api: Any, owner: Any) -> None:
    session_id = new_id()
    for namespace in ("first", "second"):
        api.CreateSession(
            calls.CreateSessionRequest(
                namespace=namespace, owner=owner, session_id=session_id, state=struct(at=namespace)
            )
        )
    api.InvalidateSessions(
        calls.InvalidateSessionsRequest(namespace="first", selector=records.Selector(session_id=session_id))
    )
    get = calls.GetSessionRequest(namespace="second", owner=owner, session_id=session_id)
    assert native(api.GetSession(get).session.state) == {"at": "second"}


def test_two_updates_of_different_keys_both_win(server: Server, api: Any, owner: Any) -> None:
    """The top-level keys are the unit of concurrency."""
    created = api.CreateSession(calls.CreateSessionRequest(namespace=NAMESPACE, owner=owner)).session

    def writer(number: int) -> None:
        with server.channel() as channel:
            SessionServiceStub(channel).UpdateSession(
                calls.UpdateSessionRequest(
                    namespace=NAMESPACE,
                    owner=owner,
                    session_id=created.id,
                    set=struct(**{f"key-{number}": number}),
                )
            )

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(writer, range(64)))
    get = calls.GetSessionRequest(namespace=NAMESPACE, owner=owner, session_id=created.id)
    state = native(api.GetSession(get).session.state)
    assert state == {f"key-{number}": number for number in range(64)}
