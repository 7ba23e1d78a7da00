"""A tool of an MCP server that remembers what its caller did, from one call to the next.

The owner comes from the verified token of the call, the conversation from the tool's arguments. Any
instance of the server can serve any call.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import tenure


@dataclass(frozen=True)
class CallContext:
    """What an MCP server knows about a call once it has verified its token."""

    tenant: str
    subject: str
    issuer: str


async def search_orders(
    client: tenure.Client, call: CallContext, conversation: str, customer: str | None = None
) -> str:
    """Searches the orders of a customer: of the one that was named last, if none is."""
    sessions = client.namespace("crm").owner(call.tenant, call.subject, issuer=call.issuer)
    try:
        session = await sessions.get_or_create(conversation, state={"searches": 0})
        if customer is None:
            customer = session.state.get("customer")
        if customer is None:
            return "Which customer?"
        # One atomic step, and only these keys: another tool that runs now keeps its own.
        updated = await sessions.update(
            session.id,
            set={"customer": customer},
            increment={"searches": 1},
            append={"recent": tenure.Append([customer], max_length=5)},
        )
    except tenure.SessionInvalidated as ended:
        return f"You were signed out ({ended.end_reason}). Please sign in again."
    return f"Orders of {customer} (search {updated.state['searches']}, recently {updated.state['recent']})"


async def main() -> None:
    """Three calls, as three instances would serve them."""
    ada = CallContext("acme", "ada", "https://id.example")
    for customer in ("Globex", None, "Initech"):
        async with tenure.connect() as client:
            print(await search_orders(client, ada, "conversation-1", customer))


if __name__ == "__main__":
    asyncio.run(main())
