// A service that does what a test says, for what the real one cannot be made to do: failures at a chosen moment.

import { createServer } from "node:http2";
import type { ServerHttp2Session } from "node:http2";
import type { AddressInfo } from "node:net";

import type { ConnectRouter, ServiceImpl } from "@connectrpc/connect";
import { Code, ConnectError } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";

import { CredentialService, SessionService } from "tenure-client/stubs";

import { ErrorInfoSchema, RetryInfoSchema } from "#dist/gen/google/rpc/error_details_pb.js";

export interface Scripted {
  readonly url: string;
  /** Breaks all connections. */
  cut(): void;
  stop(): Promise<void>;
}

/** Starts a service with these methods. */
export async function scripted(
  sessions: Partial<ServiceImpl<typeof SessionService>>,
  credentials: Partial<ServiceImpl<typeof CredentialService>> = {},
  port = 0,
): Promise<Scripted> {
  const routes = (router: ConnectRouter) => {
    router.service(SessionService, sessions);
    router.service(CredentialService, credentials);
  };
  const server = createServer(connectNodeAdapter({ routes }));
  const open = new Set<ServerHttp2Session>();
  server.on("session", (session) => {
    open.add(session);
    session.on("close", () => open.delete(session));
  });
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  const cut = () => {
    for (const session of open) {
      session.destroy();
    }
  };
  return {
    url: `http://127.0.0.1:${String((server.address() as AddressInfo).port)}`,
    cut,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => {
          resolve();
        });
        cut();
      }),
  };
}

/** The service's error of this reason. */
export function refusal(
  code: Code,
  reason: string,
  { metadata = {}, retryAfterMs }: { metadata?: Record<string, string>; retryAfterMs?: number } = {},
): ConnectError {
  const error = new ConnectError("in words", code);
  error.details.push({ desc: ErrorInfoSchema, value: { reason, domain: "tenure", metadata } });
  if (retryAfterMs !== undefined) {
    const seconds = Math.trunc(retryAfterMs / 1000);
    const retryDelay = { seconds: BigInt(seconds), nanos: (retryAfterMs - seconds * 1000) * 1e6 };
    error.details.push({ desc: RetryInfoSchema, value: { retryDelay } });
  }
  return error;
}

export const unavailable = (): ConnectError => refusal(Code.Unavailable, "STORE_UNAVAILABLE");

/** What every session in an answer has. */
export const anySession = {
  id: "a-session-of-the-script",
  namespace: "crm",
  owner: { tenant: "acme", user: "ada" },
  revision: 1n,
  createdAt: { seconds: 1n },
  lastUsedAt: { seconds: 1n },
  idleTtl: { seconds: 900n },
  idleExpiresAt: { seconds: 901n },
  expiresAt: { seconds: 43201n },
  authenticatedAt: { seconds: 1n },
  state: {},
};
