// A user's password changed: every session ends at once, and every instance that watches hears of it.

import type { Watch } from "tenure-client";
import { connect, SessionInvalidatedError } from "tenure-client";

/** What an instance does that keeps something of its own with a session. */
async function dropWhatEnds(watch: Watch, cache: Map<string, string>): Promise<void> {
  for await (const item of watch) {
    if (item.kind === "STARTED_ANEW") {
      // Events were missed: whatever is kept may be of a session that ended.
      cache.clear();
    } else if (item.kind === "ENDED" && cache.delete(item.sessionId)) {
      console.log(`dropped: ${String(item.endReason)}, ${String(item.invalidationReason)}`);
    }
    if (cache.size === 0) {
      return;
    }
  }
}

using tenure = connect();
const crm = tenure.namespace("crm");
const ada = crm.owner("acme", "ada", { issuer: "https://id.example" });
const watch = crm.watch();
await watch.started();

// Ada is signed in twice; then her password changes.
const laptop = await ada.create({ labels: ["laptop"] });
const phone = await ada.create({ labels: ["phone"] });
const cache = new Map([
  [laptop.id, "what an instance keeps"],
  [phone.id, "what another one keeps"],
]);
const dropping = dropWhatEnds(watch, cache);

// What the identity provider's event says: who it was.
const { endedCount } = await ada.invalidate({
  reason: "PASSWORD_CHANGED",
  note: "event of the identity provider",
});
await dropping;
console.log(`ended: ${String(endedCount)}`);
try {
  await ada.get(laptop.id);
} catch (error) {
  if (!(error instanceof SessionInvalidatedError)) {
    throw error;
  }
  console.log(`the laptop is told: ${error.invalidationReason}`);
}
