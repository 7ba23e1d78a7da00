// Conversations of one user, and users among each other, stay apart: also when they guess each other's ids.

import { connect, SessionNotFoundError } from "tenure-client";

using tenure = connect();
const crm = tenure.namespace("crm");
const ada = crm.owner("acme", "ada", { issuer: "https://id.example" });
const bob = crm.owner("acme", "bob", { issuer: "https://id.example" });

const offer = await ada.getOrCreate("write an offer");
const invoice = await ada.getOrCreate("check an invoice");
await Promise.all([
  ada.update(offer.id, { set: { customer: "Globex" } }),
  ada.update(invoice.id, { set: { customer: "Initech" } }),
]);
for (const conversation of ["write an offer", "check an invoice"]) {
  const { state } = await ada.getOrCreate(conversation);
  console.log(`ada, ${conversation}: ${JSON.stringify(state)}`);
}

const sameName = await bob.getOrCreate("write an offer");
console.log(`bob, write an offer: ${JSON.stringify(sameName.state)}`);
try {
  await bob.get(offer.id);
} catch (error) {
  if (!(error instanceof SessionNotFoundError)) {
    throw error;
  }
  console.log(`bob, with ada's id: ${error.reason}`);
}
