"""How much the wrapper costs over the bare stub, in calls per second, against the real service.

    TENURE_BIN=… python tools/speed.py [--seconds 0.2] [--rounds 40] [--limit 15]

Both do the same: the same requests with the same state, and one value of the answer is read. They take short turns,
and the median of the ratios counts, so that a busy machine disturbs both alike.
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
CONCURRENCY = 16

Call = Callable[[], object]
AsyncCall = Callable[[], Awaitable[object]]


def rate(call: Call, seconds: float) -> float:
    """Calls per second, one after the other."""
    started, count = time.perf_counter(), 0
    while time.perf_counter() - started < seconds:
        for _ in range(20):
            call()
        count += 20
    return count / (time.perf_counter() - started)


async def async_rate(call: AsyncCall, seconds: float) -> float:
    """Calls per second, several at a time."""
    started, count = time.perf_counter(), 0

    async def caller() -> None:
        nonlocal count
        while time.perf_counter() - started < seconds:
            await call()
            count += 1

    await asyncio.gather(*(caller() for _ in range(CONCURRENCY)))
    return count / (time.perf_counter() - started)


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


def blocking(address: str, seconds: float, rounds: int) -> dict[str, list[tuple[float, float]]]:
    """The blocking client against the bare stub."""
    results: dict[str, list[tuple[float, float]]] = {"get": [], "update": []}
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
        for bare, wrapped in pairs.values():
            rate(bare, seconds / 4)
            rate(wrapped, seconds / 4)
        for _ in range(rounds):
            for name, (bare, wrapped) in pairs.items():
                results[name].append((rate(bare, seconds), rate(wrapped, seconds)))
    return results


async def asynchronous(address: str, seconds: float, rounds: int) -> dict[str, list[tuple[float, float]]]:
    """The asyncio client against the bare stub."""
    results: dict[str, list[tuple[float, float]]] = {"get (asyncio)": [], "update (asyncio)": []}
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
        for bare, wrapped in pairs.values():
            await async_rate(bare, seconds / 4)
            await async_rate(wrapped, seconds / 4)
        for _ in range(rounds):
            for name, (bare, wrapped) in pairs.items():
                results[name].append((await async_rate(bare, seconds), await async_rate(wrapped, seconds)))
    return results


def main() -> int:
    """Measures, prints a table, and fails above the limit."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=0.2, help="of a round")
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--limit", type=float, default=15.0, help="percent")
    options = parser.parse_args()
    with testing.serve() as server:
        results = blocking(server.address, options.seconds, options.rounds)
        results |= asyncio.run(asynchronous(server.address, options.seconds, options.rounds))
    worst = 0.0
    print(f"{'call':<18}{'bare stub/s':>14}{'wrapper/s':>14}{'overhead':>12}")
    for name, rounds in results.items():
        bare, wrapped = (statistics.median(rates) for rates in zip(*rounds, strict=True))
        overhead = 100.0 * (1.0 - statistics.median(after / before for before, after in rounds))
        worst = max(worst, overhead)
        print(f"{name:<18}{bare:>14.0f}{wrapped:>14.0f}{overhead:>11.1f}%")
    return 0 if worst < options.limit else 1


if __name__ == "__main__":
    sys.exit(main())
