"""The error table: every row that needs no broken store, no identity and no overload.

NOT_FOUND is in test_endings.py and test_strangers.py, limits in test_limits.py, bad fields in
test_bad_fields.py and test_bad_bytes.py, SHUTTING_DOWN in test_shutdown.py.
"""

from pathlib import Path
from typing import Any

import pytest
from grpc import StatusCode

from support.errors import refused
from support.server import serving
from support.wire import NAMESPACE, SessionServiceStub, calls, native, new_id, records, struct, values

LARGEST = 2**53 - 1


@pytest.fixture
def place(api: Any, owner: Any) -> dict[str, Any]:
    """A session with a value of every kind."""
    state = struct(text="t", number=1.5, whole=7, flag=True, nothing=None, list=[1], map={"a": 1})
    request = calls.CreateSessionRequest(namespace=NAMESPACE, owner=owner, state=state)
    return {
        "namespace": NAMESPACE,
        "owner": owner,
        "session_id": api.CreateSession(request).session.id,
    }


def unchanged(api: Any, place: dict[str, Any]) -> bool:
    """A refused operation has changed nothing."""
    return bool(api.GetSession(calls.GetSessionRequest(**place)).session.revision == 1)


def test_stale_revision(api: Any, place: dict[str, Any]) -> None:
    """ABORTED, with the revision that it is at."""
    update = calls.UpdateSessionRequest(**place, set=struct(a=1), if_revision=7)
    failure = refused(api.UpdateSession, update, StatusCode.ABORTED, "REVISION_MISMATCH")
    assert failure.metadata == {"revision": "1"}
    assert unchanged(api, place)


@pytest.mark.parametrize("key", ["text", "number", "flag", "nothing", "list", "map"])
def test_increment_of_something_else(api: Any, place: dict[str, Any], key: str) -> None:
    update = calls.UpdateSessionRequest(**place, increment={key: 1, "whole": 1})
    refused(api.UpdateSession, update, StatusCode.FAILED_PRECONDITION, "NOT_AN_INTEGER")
    assert unchanged(api, place)


@pytest.mark.parametrize("key", ["text", "number", "whole", "flag", "nothing", "map"])
def test_append_to_something_else(api: Any, place: dict[str, Any], key: str) -> None:
    update = calls.UpdateSessionRequest(**place, append={key: calls.Append(values=values(1))})
    refused(api.UpdateSession, update, StatusCode.FAILED_PRECONDITION, "NOT_A_LIST")
    assert unchanged(api, place)


@pytest.mark.parametrize(
    ("start", "by"), [(LARGEST, 1), (-LARGEST, -1), (0, 2**53), (0, -(2**63)), (LARGEST, 2**63 - 1)]
)
def test_increment_beyond_the_exact_integers(api: Any, owner: Any, start: int, by: int) -> None:
    """OUT_OF_RANGE, and the value stays."""
    request = calls.CreateSessionRequest(namespace=NAMESPACE, owner=owner, state=struct(n=start))
    session = api.CreateSession(request).session
    update = calls.UpdateSessionRequest(
        namespace=NAMESPACE, owner=owner, session_id=session.id, increment={"n": by}
    )
    refused(api.UpdateSession, update, StatusCode.OUT_OF_RANGE, "INTEGER_OUT_OF_RANGE")
    get = calls.GetSessionRequest(namespace=NAMESPACE, owner=owner, session_id=session.id)
    assert native(api.GetSession(get).session.state) == {"n": start}


def test_increment_up_to_the_last_exact_integer(api: Any, owner: Any) -> None:
    request = calls.CreateSessionRequest(namespace=NAMESPACE, owner=owner, state=struct(n=LARGEST - 1))
    session = api.CreateSession(request).session
    update = calls.UpdateSessionRequest(
        namespace=NAMESPACE, owner=owner, session_id=session.id, increment={"n": 1, "m": -LARGEST}
    )
    assert dict(api.UpdateSession(update).increments) == {"n": LARGEST, "m": -LARGEST}


def test_rotation_to_an_id_that_is_taken(api: Any, owner: Any, place: dict[str, Any]) -> None:
    taken = new_id()
    api.CreateSession(calls.CreateSessionRequest(namespace=NAMESPACE, owner=owner, session_id=taken))
    rotate = calls.RotateSessionRequest(**place, new_session_id=taken)
    refused(api.RotateSession, rotate, StatusCode.ALREADY_EXISTS, "SESSION_EXISTS")
    assert unchanged(api, place)


def test_credentials_need_encryption(tmp_path: Path, owner: Any) -> None:
    """A secret is refused rather than kept in clear, whether or not the store is there."""
    request = calls.CreateSessionRequest(
        namespace=NAMESPACE, owner=owner, credentials={"github": records.Credential(opaque=b"canary")}
    )
    nowhere = ("--store", "redis://127.0.0.1:1")
    with serving(tmp_path, "", *nowhere, TENURE_KEYS__INLINE="") as server, server.channel() as channel:
        api = SessionServiceStub(channel)
        failure = refused(
            api.CreateSession, request, StatusCode.FAILED_PRECONDITION, "ENCRYPTION_NOT_CONFIGURED"
        )
    assert "canary" not in failure.message
