"""Several instances need the same OAuth token at the same moment; one refreshes it, the rest wait for the result."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta, timezone

import tenure


class Provider:
    """Stands for an authorization server that accepts each refresh token once."""

    def __init__(self) -> None:
        self.refreshes = 0

    async def refresh(self, lease: tenure.RefreshLease) -> tenure.TokenSet:
        """What would be a POST to the token endpoint with `lease.token.refresh_token`."""
        if lease.uncertain:
            print("an earlier instance disappeared; its refresh token may be used up")
        self.refreshes += 1
        await asyncio.sleep(0.1)
        return tenure.TokenSet(
            access_token=f"access-{self.refreshes + 1}",
            refresh_token=f"refresh-{self.refreshes + 1}",
            expires_at=datetime.now(timezone.utc) + timedelta(hours=1),
        )


async def instance(session_id: str, provider: Provider) -> str:
    """One instance of an MCP server that is about to call the API behind the token."""
    async with tenure.connect() as client:
        credentials = client.namespace("crm").owner("acme", "ada").credentials(session_id)
        stored = await credentials.with_fresh_token("github", provider.refresh)
        return stored.token.access_token


async def main() -> None:
    """A token that is about to expire, and five instances."""
    provider = Provider()
    about_to_expire = tenure.TokenSet(
        access_token="access-1",
        refresh_token="refresh-1",
        expires_at=datetime.now(timezone.utc) + timedelta(seconds=5),
    )
    async with tenure.connect() as client:
        session = await client.namespace("crm").owner("acme", "ada").create(credentials={"github": about_to_expire})
    tokens = await asyncio.gather(*(instance(session.id, provider) for _ in range(5)))
    print(f"tokens: {sorted(set(tokens))}, refreshes: {provider.refreshes}")


if __name__ == "__main__":
    asyncio.run(main())
