"""A user's password changed: every session ends at once, and every instance that watches hears of it."""

from __future__ import annotations

import asyncio

import tenure


async def drop_what_ends(watch: tenure.Watch, cache: dict[str, str]) -> None:
    """What an instance does that keeps something of its own with a session."""
    async for item in watch:
        if isinstance(item, tenure.StartedAnew):
            # Events were missed: whatever is kept may be of a session that ended.
            cache.clear()
        elif item.kind is tenure.EventKind.ENDED:
            if cache.pop(item.session_id, None) is not None:
                print(f"dropped: {item.end_reason.value}, {item.invalidation_reason.value}")
            if not cache:
                return


async def main() -> None:
    """Ada is signed in twice; then her password changes."""
    async with tenure.connect() as client:
        crm = client.namespace("crm")
        ada = crm.owner("acme", "ada", issuer="https://id.example")
        async with crm.watch() as watch:
            laptop = await ada.create(labels=["laptop"])
            phone = await ada.create(labels=["phone"])
            cache = {laptop.id: "what an instance keeps", phone.id: "what another one keeps"}
            dropping = asyncio.create_task(drop_what_ends(watch, cache))

            # What the identity provider's event says: who it was, and up to which login.
            done = await ada.invalidate("PASSWORD_CHANGED", note="event of the identity provider")
            await dropping
        print(f"ended: {done.ended_count}")
        try:
            await ada.get(laptop.id)
        except tenure.SessionInvalidated as error:
            print(f"the laptop is told: {error.end_reason}")


if __name__ == "__main__":
    asyncio.run(main())
