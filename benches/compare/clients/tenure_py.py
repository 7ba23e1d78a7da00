"""The same with Tenure's client: one call reads the session and slides it, or changes one key of it."""

import asyncio
import json
import sys
import time

import tenure

AT_ONCE = 64
STATE = {f"key-{n}": "x" * 102 for n in range(10)}


async def main() -> None:
    seconds = float(sys.argv[1])
    async with tenure.connect() as client:
        sessions = client.namespace("bench").owner("acme", "ada")
        ids = [(await sessions.create(state=STATE)).id for _ in range(AT_ONCE)]

        async def get(n: int) -> None:
            session = await sessions.get(ids[n])
            assert session.state["key-0"]

        async def update(n: int) -> None:
            await sessions.update(ids[n], set={"key-0": "y" * 102})

        found = {}
        for name, operation in [("tenure get", get), ("tenure update", update)]:
            found[name] = await rate(operation, seconds)
        for session_id in ids:
            await sessions.end(session_id)
    print(json.dumps(found))


async def rate(operation, seconds: float) -> float:
    done = 0
    started = time.perf_counter()

    async def task(n: int) -> None:
        nonlocal done
        while time.perf_counter() < started + seconds:
            await operation(n)
            done += 1

    await asyncio.gather(*(task(n) for n in range(AT_ONCE)))
    return done / (time.perf_counter() - started)


asyncio.run(main())
