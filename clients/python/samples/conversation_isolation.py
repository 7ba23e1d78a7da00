"""Conversations of one user, and users among each other, stay apart: also when they guess each other's ids."""

from __future__ import annotations

import asyncio

import tenure


async def main() -> None:
    """Two conversations of Ada, and Bob, who knows an id of hers."""
    async with tenure.connect() as client:
        crm = client.namespace("crm")
        ada = crm.owner("acme", "ada", issuer="https://id.example")
        bob = crm.owner("acme", "bob", issuer="https://id.example")

        offer = await ada.get_or_create("write an offer")
        invoice = await ada.get_or_create("check an invoice")
        await asyncio.gather(
            ada.update(offer.id, set={"customer": "Globex"}),
            ada.update(invoice.id, set={"customer": "Initech"}),
        )
        for conversation in ("write an offer", "check an invoice"):
            session = await ada.get_or_create(conversation)
            print(f"ada, {conversation}: {session.state['customer']}")

        same_name = await bob.get_or_create("write an offer")
        print(f"bob, write an offer: {same_name.state}")
        try:
            await bob.get(offer.id)
        except tenure.SessionNotFound as error:
            print(f"bob, with ada's id: {error.reason}")


if __name__ == "__main__":
    asyncio.run(main())
