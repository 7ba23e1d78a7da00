"""Sessions with redis-py, as usual: 64 tasks, each reads a JSON document and writes it back with its TTL."""

import asyncio
import json
import sys
import time

import redis.asyncio

AT_ONCE = 64
STATE = {f"key-{n}": "x" * 102 for n in range(10)}


async def main() -> None:
    url, seconds = sys.argv[1], float(sys.argv[2])
    client = redis.asyncio.Redis.from_url(url)
    for n in range(AT_ONCE):
        await client.set(f"session:{n}", json.dumps(STATE), ex=900)

    async def get_and_set(n: int) -> None:
        state = json.loads(await client.get(f"session:{n}"))
        await client.set(f"session:{n}", json.dumps(state), ex=900)

    async def get_and_set_and_index(n: int) -> None:
        await get_and_set(n)
        await client.zadd("sessions-of:acme:ada", {f"session:{n}": time.time()})

    found = {}
    for name, operation in [("redis-py GET+SET", get_and_set), ("redis-py GET+SET+index", get_and_set_and_index)]:
        found[name] = await rate(operation, seconds)
    await client.aclose()
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
