"""What is repeated, and what is not."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Iterator

import grpc
import pytest

import tenure
from tenure._retry import RetryBudget, pause

from .scripted import Fail, Script, pb, scripted, session, session_pb2

UNAVAILABLE = grpc.StatusCode.UNAVAILABLE
ID = "session-0123456789"


@pytest.fixture
def script() -> Script:
    return Script()


@pytest.fixture
def address(script: Script) -> Iterator[str]:
    with scripted(script) as address:
        yield address


def sessions(client: tenure.sync.Client) -> tenure.sync.Sessions:
    return client.namespace("crm").owner("acme", "ada")


def test_a_read_is_repeated(script: Script, address: str) -> None:
    script.answers["GetSession"] = [Fail(UNAVAILABLE), Fail(UNAVAILABLE, "STORE_UNAVAILABLE", 0.01)]
    with tenure.sync.connect(address) as client:
        assert sessions(client).get(ID).id == ID
    assert len(script.asked) == 3


async def test_a_read_is_repeated_with_asyncio(script: Script, address: str) -> None:
    script.answers["GetSession"] = [Fail(UNAVAILABLE), Fail(UNAVAILABLE, "STORE_UNAVAILABLE", 0.01)]
    async with tenure.connect(address) as client:
        session = await client.namespace("crm").owner("acme", "ada").get(ID)
    assert session.id == ID
    assert len(script.asked) == 3


def test_a_write_is_repeated_with_the_same_request_id(script: Script, address: str) -> None:
    script.answers["UpdateSession"] = [Fail(UNAVAILABLE)]
    with tenure.sync.connect(address) as client:
        sessions(client).update(ID, increment={"n": 1})
        sessions(client).update(ID, increment={"n": 1})
    first, again, other = (request.request_id for request in script.requests("UpdateSession"))
    assert first == again
    assert len(first) == 36
    assert first != other


def test_an_answer_that_was_repeated_is_completed(script: Script, address: str) -> None:
    script.last["UpdateSession"] = lambda _: pb.UpdateSessionResponse(
        session=session_pb2.Session(id=ID, revision=2), increments={"n": 7}, replayed=True
    )

    script.last["GetSession"] = lambda _: pb.GetSessionResponse(session=session(ID, 3, n=7))
    with tenure.sync.connect(address) as client:
        updated = sessions(client).update(ID, increment={"n": 1})
        assert updated.state == {"n": 7}
        assert updated.increments == {"n": 7}
        assert updated.replayed
        own = sessions(client).update(ID, increment={"n": 1}, request_id="5f0c8a52-3a53-4a0e-9b52-3f5d3d0f6a00")
        assert not own.has_state
        with pytest.raises(LookupError):
            _ = own.state
    assert script.requests("GetSession")[0].peek


@pytest.mark.parametrize(
    "failure",
    [
        Fail(grpc.StatusCode.INTERNAL, "INTERNAL"),
        Fail(grpc.StatusCode.NOT_FOUND, "SESSION_NOT_FOUND"),
        Fail(grpc.StatusCode.RESOURCE_EXHAUSTED, "STORE_FULL"),
        Fail(grpc.StatusCode.ABORTED, "REVISION_MISMATCH", revision="7"),
    ],
)
def test_other_errors_are_not_repeated(script: Script, address: str, failure: Fail) -> None:
    script.answers["GetSession"] = [failure]
    with tenure.sync.connect(address) as client, pytest.raises(tenure.TenureError) as raised:
        sessions(client).get(ID)
    assert raised.value.reason == failure.reason
    assert raised.value.correlation_id == "correlation-1"
    assert len(script.asked) == 1


def test_overload_is_repeated_after_the_time_that_it_names(script: Script, address: str) -> None:
    script.answers["GetSession"] = [Fail(grpc.StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED", 0.2)]
    with tenure.sync.connect(address) as client:
        sessions(client).get(ID)
    (_, _, _, first), (_, _, _, second) = script.asked
    assert second - first >= 0.2


def test_a_put_is_not_repeated(script: Script, address: str) -> None:
    script.answers["PutCredential"] = [Fail(UNAVAILABLE, "STORE_UNAVAILABLE", 0.01)]
    with tenure.sync.connect(address) as client, pytest.raises(tenure.Unavailable):
        sessions(client).credentials(ID).put("k", b"secret")
    assert len(script.asked) == 1


def test_repetitions_stay_inside_the_deadline(script: Script, address: str) -> None:
    script.last["GetSession"] = Fail(UNAVAILABLE, "STORE_UNAVAILABLE", 60.0)
    # Had it waited for its end, it would be DeadlineExceeded.
    with tenure.sync.connect(address) as client, pytest.raises(tenure.Unavailable) as raised:
        sessions(client).get(ID, timeout=30.0)
    assert raised.value.reason == "STORE_UNAVAILABLE"
    assert raised.value.retry_after == 60.0
    assert len(script.asked) == 1


def test_the_deadline_ends_a_call(script: Script, address: str) -> None:
    def slow(_: object) -> pb.GetSessionResponse:
        time.sleep(2)
        return pb.GetSessionResponse()

    script.last["GetSession"] = slow
    with tenure.sync.connect(address) as client, pytest.raises(tenure.DeadlineExceeded):
        sessions(client).get(ID, timeout=0.2)


def test_a_repetition_has_an_end(script: Script, address: str) -> None:
    script.last["GetSession"] = Fail(UNAVAILABLE)
    with tenure.sync.connect(address, retries=2) as client, pytest.raises(tenure.Unavailable):
        sessions(client).get(ID)
    assert len(script.asked) == 3


def test_the_budget_ends_repeating(script: Script, address: str) -> None:
    script.last["GetSession"] = Fail(UNAVAILABLE, "STORE_UNAVAILABLE", 0.0)
    with tenure.sync.connect(address, retries=1) as client:
        for _ in range(30):
            with pytest.raises(tenure.Unavailable):
                sessions(client).get(ID)
    # 30 calls and the 20 repetitions of a full bucket, not 60.
    assert len(script.asked) == 50


def test_the_bucket_fills_again() -> None:
    budget = RetryBudget(capacity=1.0, refill=0.5)
    assert budget.take()
    assert not budget.take()
    budget.succeeded()
    assert not budget.take()
    budget.succeeded()
    budget.succeeded()
    assert budget.take()
    assert not budget.take()


def test_pauses_grow_and_scatter() -> None:
    firsts = {pause(1, None) for _ in range(50)}
    assert len(firsts) > 10
    assert max(firsts) <= 0.05
    assert max(pause(9, None) for _ in range(200)) > 0.5
    assert all(pause(9, None) <= 2.0 for _ in range(200))
    assert all(pause(1, 3.0) >= 3.0 for _ in range(50))


def test_addresses_go_round(script: Script, address: str) -> None:
    other = Script()
    with scripted(other) as second, tenure.sync.connect([address, second]) as client:
        for _ in range(10):
            sessions(client).get(ID)
    assert len(script.asked) == len(other.asked) == 5


def test_an_address_that_is_away_is_passed_over(script: Script, address: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        away = f"127.0.0.1:{taken.getsockname()[1]}"
        with tenure.sync.connect(f"{away},{address}") as client:
            for _ in range(10):
                sessions(client).get(ID)
    assert len(script.asked) == 10


def test_a_token_callback_is_asked_for_each_request(script: Script, address: str) -> None:
    tokens = iter(["one", "two"])
    with tenure.sync.connect(address, token=lambda: next(tokens)) as client:
        sessions(client).get(ID)
        sessions(client).get(ID)
    assert [metadata["authorization"] for _, _, metadata, _ in script.asked] == ["Bearer one", "Bearer two"]


async def test_a_token_callback_may_be_a_coroutine(script: Script, address: str) -> None:
    async def token() -> str:
        return "mine"

    async with tenure.connect(address, token=token) as client:
        await client.namespace("crm").owner("acme", "ada").get(ID)
    assert script.asked[0][2]["authorization"] == "Bearer mine"


def test_an_api_key_travels_as_bearer(script: Script, address: str) -> None:
    with tenure.sync.connect(address, api_key="tnr_abc") as client:
        sessions(client).get(ID)
    assert script.asked[0][2]["authorization"] == "Bearer tnr_abc"


def test_a_token_that_is_no_header_is_never_shown(address: str) -> None:
    with (
        tenure.sync.connect(address, token=lambda: "secret\n") as client,
        pytest.raises(tenure.InvalidConfiguration) as raised,
    ):
        sessions(client).get(ID)
    assert "secret" not in str(raised.value)


def test_trace_context_and_correlation_travel(script: Script, address: str) -> None:
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider

    tracer = TracerProvider().get_tracer("test")
    with tenure.sync.connect(address) as client:
        with tracer.start_as_current_span("tool") as span:
            token = tenure.correlation_id.set("call-1")
            sessions(client).get(ID)
            tenure.correlation_id.reset(token)
        sessions(client).get(ID)
    inside, outside = (metadata for _, _, metadata, _ in script.asked)
    assert inside["traceparent"].split("-")[1] == trace.format_trace_id(span.get_span_context().trace_id)
    assert inside["tenure-correlation-id"] == "call-1"
    assert "traceparent" not in outside
    assert "tenure-correlation-id" not in outside


async def test_a_closed_client_says_so(address: str) -> None:
    client = tenure.connect(address)
    await client.close()
    with pytest.raises(tenure.TenureError) as raised:
        await client.namespace("crm").owner("acme", "ada").get(ID)
    assert raised.value.reason == "CLIENT_CLOSED"


async def test_closing_is_no_cancelling(script: Script, address: str) -> None:
    entered, closed = threading.Event(), threading.Event()

    def slow(_: object) -> pb.GetSessionResponse:
        entered.set()
        closed.wait(30)
        return pb.GetSessionResponse()

    script.last["GetSession"] = slow
    client = tenure.connect(address)
    calling = asyncio.create_task(client.namespace("crm").owner("acme", "ada").get(ID))
    await asyncio.to_thread(entered.wait, 10)
    await client.close()
    closed.set()
    with pytest.raises(tenure.TenureError) as raised:
        await calling
    assert raised.value.reason == "CLIENT_CLOSED"


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("SESSION_NOT_FOUND", tenure.SessionNotFound),
        ("SESSION_EXPIRED_IDLE", tenure.SessionExpired),
        ("SESSION_EXPIRED_ABSOLUTE", tenure.SessionExpired),
        ("SESSION_DELETED", tenure.SessionDeleted),
        ("SESSION_ROTATED", tenure.SessionRotated),
        ("SESSION_REPLACED", tenure.SessionReplaced),
        ("SESSION_EVICTED", tenure.SessionEvicted),
        ("SESSION_INVALIDATED", tenure.SessionInvalidated),
        ("CREDENTIAL_NOT_FOUND", tenure.CredentialNotFound),
        ("SESSION_EXISTS", tenure.SessionExists),
        ("CONVERSATION_EXISTS", tenure.ConversationExists),
        ("REVISION_MISMATCH", tenure.RevisionMismatch),
        ("AUTHENTICATION_REVOKED", tenure.AuthenticationRevoked),
        ("NOT_AN_INTEGER", tenure.NotAnInteger),
        ("NOT_A_LIST", tenure.NotAList),
        ("INTEGER_OUT_OF_RANGE", tenure.IntegerOutOfRange),
        ("STATE_TOO_LARGE", tenure.StateTooLarge),
        ("TOO_MANY_KEYS", tenure.TooManyKeys),
        ("TOO_MANY_SESSIONS", tenure.TooManySessions),
        ("TOO_MANY_CLAIMS", tenure.TooManyClaims),
        ("STORE_FULL", tenure.StoreFull),
        ("INVALID_FIELD", tenure.InvalidField),
        ("NAMESPACE_UNKNOWN", tenure.NamespaceUnknown),
        ("REQUEST_ID_REUSED", tenure.RequestIdReused),
        ("CALLER_UNKNOWN", tenure.CallerUnknown),
        ("CALLER_NOT_ALLOWED", tenure.CallerNotAllowed),
        ("ENCRYPTION_NOT_CONFIGURED", tenure.EncryptionNotConfigured),
    ],
)
def test_a_reason_has_its_class(script: Script, address: str, reason: str, kind: type[tenure.TenureError]) -> None:
    # The code is wrong on purpose: the reason decides.
    script.answers["GetSession"] = [
        Fail(grpc.StatusCode.UNKNOWN, reason, end_reason="ADMIN", revision="7", asked="x")
    ]
    with tenure.sync.connect(address) as client, pytest.raises(kind) as raised:
        sessions(client).get(ID)
    error = raised.value
    assert type(error) is kind
    assert issubclass(kind, tenure.SessionNotFound) == reason.startswith("SESSION_") or kind is tenure.SessionExists
    if isinstance(error, tenure.SessionInvalidated):
        assert error.end_reason == "ADMIN"
    if isinstance(error, tenure.RevisionMismatch):
        assert error.current == 7
    if isinstance(error, tenure.LimitExceeded):
        assert error.asked == 0
    if isinstance(error, tenure.SessionExpired):
        assert error.absolute == reason.endswith("ABSOLUTE")
