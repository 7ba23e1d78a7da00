// A tool of an MCP server that remembers what its caller did, from one call to the next.
//
// The owner comes from the verified token of the call, the conversation from the tool's arguments. Any instance
// of the server can serve any call.

import type { Tenure } from "tenure-client";
import { connect, SessionInvalidatedError } from "tenure-client";

/** What an MCP server knows about a call once it has verified its token. */
interface CallContext {
  readonly tenant: string;
  readonly subject: string;
  readonly issuer: string;
}

/** Searches the orders of a customer: of the one that was named last, if none is. */
async function searchOrders(
  tenure: Tenure,
  call: CallContext,
  conversation: string,
  customer?: string,
): Promise<string> {
  const sessions = tenure.namespace("crm").owner(call.tenant, call.subject, { issuer: call.issuer });
  try {
    const { id, state } = await sessions.getOrCreate(conversation, { state: { searches: 0 } });
    const wanted = customer ?? state?.["customer"];
    if (typeof wanted !== "string") {
      return "Which customer?";
    }
    // One atomic step, and only these keys: another tool that runs now keeps its own.
    const session = await sessions.update(id, {
      set: { customer: wanted },
      increment: { searches: 1 },
      append: { recent: { values: [wanted], maxLength: 5 } },
    });
    const recent = JSON.stringify(session.state?.["recent"]);
    return `Orders of ${wanted} (search ${String(session.increments["searches"])}, recently ${recent})`;
  } catch (error) {
    if (error instanceof SessionInvalidatedError) {
      return `You were signed out (${error.invalidationReason}). Please sign in again.`;
    }
    throw error;
  }
}

const ada = { tenant: "acme", subject: "ada", issuer: "https://id.example" };
// Three calls, as three instances would serve them.
for (const customer of ["Globex", undefined, "Initech"]) {
  using tenure = connect();
  console.log(await searchOrders(tenure, ada, "conversation-1", customer));
}
