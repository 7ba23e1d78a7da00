// Several instances need the same OAuth token at the same moment; one refreshes it, the rest wait for the result.

import { setTimeout as pause } from "node:timers/promises";

import type { OAuthTokenSet, RefreshContext } from "tenure-client";
import { connect } from "tenure-client";

/** Stands for an authorization server that accepts each refresh token once. */
class Provider {
  refreshes = 0;

  /** What would be a POST to the token endpoint with `stale.refreshToken`. */
  readonly refresh = async (stale: OAuthTokenSet, { uncertain }: RefreshContext): Promise<OAuthTokenSet> => {
    if (uncertain) {
      console.log("an earlier instance disappeared; its refresh token may be used up");
    }
    this.refreshes++;
    await pause(100);
    return {
      ...stale,
      accessToken: `access-${String(this.refreshes + 1)}`,
      refreshToken: `refresh-${String(this.refreshes + 1)}`,
      expiresAt: new Date(Date.now() + 3_600_000),
    };
  };
}

/** One instance of an MCP server that is about to call the API behind the token. */
async function instance(sessionId: string, provider: Provider): Promise<string> {
  using tenure = connect();
  const credentials = tenure.namespace("crm").owner("acme", "ada").credentials(sessionId);
  const { accessToken } = await credentials.withFreshToken("github", provider.refresh);
  return accessToken;
}

const aboutToExpire = {
  accessToken: "access-1",
  refreshToken: "refresh-1",
  expiresAt: new Date(Date.now() + 5_000),
};
using tenure = connect();
const session = await tenure
  .namespace("crm")
  .owner("acme", "ada")
  .create({ credentials: { github: aboutToExpire } });
const provider = new Provider();
const tokens = await Promise.all(Array.from({ length: 5 }, () => instance(session.id, provider)));
console.log(`tokens: ${[...new Set(tokens)].join(", ")}; refreshes: ${String(provider.refreshes)}`);
