"""How much the wrapper costs over the bare stub, in calls per second, against the real service.

    TENURE_BIN=… python tools/speed.py [--rounds 300] [--limit 15]

Both do the same: the same requests with the same state, and one value of the answer is read. They take turns of a few
milliseconds, and the median turn of each counts, so that a busy machine disturbs both alike.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import time
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import grpc

import tenure
from tenure import testing
from tenure.v1 import session_pb2
from tenure.v1 import session_service_pb2 as pb
from tenure.v1.session_service_pb2_grpc import SessionServiceStub

STATE: dict[str, Any] = {
    "customer": "Globex",
    "step": 3,
    "filters": ["open", "late"],
    "cart": {"items": 2, "total": 19.5},
}
OWNER = ("acme", "ada", "https://id.example")
BATCH = 16

Call = Callable[[], object]
AsyncCall = Callable[[], Awaitable[object]]
Times = dict[str, list[tuple[float, float]]]


def seconds_for(call: Call) -> float:
    """How long a batch takes, one call after the other."""
    started = time.perf_counter()
    for _ in range(BATCH):
        call()
    return time.perf_counter() - started


async def async_seconds_for(call: AsyncCall) -> float:
    """How long a batch takes, all calls at once."""
    started = time.perf_counter()
    await asyncio.gather(*(call() for _ in range(BATCH)))
    return time.perf_counter() - started


def get_request(session_id: str) -> pb.GetSessionRequest:
    """What the bare stub sends to read."""
    tenant, user, issuer = OWNER
    owner = session_pb2.Owner(tenant=tenant, user=user, issuer=issuer)
    return pb.GetSessionRequest(namespace="speed", owner=owner, session_id=session_id)


def update_request(session_id: str) -> pb.UpdateSessionRequest:
    """What the bare stub sends to write."""
    tenant, user, issuer = OWNER
    request = pb.UpdateSessionRequest(
        namespace="speed",
        owner=session_pb2.Owner(tenant=tenant, user=user, issuer=issuer),
        session_id=session_id,
        request_id=str(uuid.uuid4()),
    )
    request.set.update(STATE)
    return request


def blocking(address: str, rounds: int) -> Times:
    """The blocking client against the bare stub."""
    results: Times = {"get": [], "update": []}
    with tenure.sync.connect(address) as client, grpc.insecure_channel(address) as channel:
        stub = SessionServiceStub(channel)
        sessions = client.namespace("speed").owner(OWNER[0], OWNER[1], issuer=OWNER[2])
        session_id = sessions.create(state=STATE).id
        pairs: dict[str, tuple[Call, Call]] = {
            "get": (
                lambda: stub.GetSession(get_request(session_id), timeout=5.0).session.state["customer"],
                lambda: sessions.get(session_id).state["customer"],
            ),
            "update": (
                lambda: stub.UpdateSession(update_request(session_id), timeout=5.0).session.state["customer"],
                lambda: sessions.update(session_id, set=STATE).state["customer"],
            ),
        }
        for _ in range(rounds):
            for name, (bare, wrapped) in pairs.items():
                results[name].append((seconds_for(bare), seconds_for(wrapped)))
    return results


async def asynchronous(address: str, rounds: int) -> Times:
    """The asyncio client against the bare stub."""
    results: Times = {"get (asyncio)": [], "update (asyncio)": []}
    async with tenure.connect(address) as client, grpc.aio.insecure_channel(address) as channel:
        stub = SessionServiceStub(channel)
        sessions = client.namespace("speed").owner(OWNER[0], OWNER[1], issuer=OWNER[2])
        session_id = (await sessions.create(state=STATE)).id

        async def bare_get() -> object:
            return (await stub.GetSession(get_request(session_id), timeout=5.0)).session.state["customer"]

        async def wrapped_get() -> object:
            return (await sessions.get(session_id)).state["customer"]

        async def bare_update() -> object:
            answer = await stub.UpdateSession(update_request(session_id), timeout=5.0)
            return answer.session.state["customer"]

        async def wrapped_update() -> object:
            return (await sessions.update(session_id, set=STATE)).state["customer"]

        pairs = {"get (asyncio)": (bare_get, wrapped_get), "update (asyncio)": (bare_update, wrapped_update)}
        for _ in range(rounds):
            for name, (bare, wrapped) in pairs.items():
                results[name].append((await async_seconds_for(bare), await async_seconds_for(wrapped)))
    return results


def main() -> int:
    """Measures, prints a table, and fails above the limit."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=300)
    parser.add_argument("--limit", type=float, default=15.0, help="percent")
    options = parser.parse_args()
    with testing.serve() as server:
        results = blocking(server.address, options.rounds)
        results |= asyncio.run(asynchronous(server.address, options.rounds))
    worst = 0.0
    print(f"{'call':<18}{'bare stub/s':>14}{'wrapper/s':>14}{'overhead':>12}")
    for name, rounds in results.items():
        warm = rounds[len(rounds) // 10 :]
        bare, wrapped = (BATCH / statistics.median(times) for times in zip(*warm, strict=True))
        overhead = 100.0 * (1.0 - wrapped / bare)
        worst = max(worst, overhead)
        print(f"{name:<18}{bare:>14.0f}{wrapped:>14.0f}{overhead:>11.1f}%")
    return 0 if worst < options.limit else 1


if __name__ == "__main__":
    sys.exit(main())
