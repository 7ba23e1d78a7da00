// Connections to all addresses, used in turn.

import type { ClientHttp2Session, SecureClientSessionOptions } from "node:http2";

import { Code, ConnectError } from "@connectrpc/connect";
import type { UniversalClientFn } from "@connectrpc/connect/protocol";
import { createNodeHttpClient, Http2SessionManager } from "@connectrpc/connect-node";

import { untilAborted } from "./abort.js";

/** How connections are made and kept. */
export interface ConnectionOptions {
  readonly connectTimeoutMs: number;
  readonly keepaliveIntervalMs: number;
  readonly keepaliveTimeoutMs: number;
  readonly tls: SecureClientSessionOptions;
}

/** The base of the requests that {@link Addresses} is given; each gets that of its address instead. */
export const anyUrl = "http://tenure.invalid";

/** After a failure to connect, an address is left out for so long while others are there. */
const restMs = 1000;

/** One connection. It is made by the first call, and made anew by the next one when it was lost. */
class Address {
  readonly #manager: Http2SessionManager;
  readonly #connectTimeoutMs: number;
  #connecting: Promise<void> | undefined;
  /** Until when it is left out. */
  restsUntil = 0;
  readonly send: UniversalClientFn;

  constructor(url: string, options: ConnectionOptions) {
    const keepalive = {
      pingIntervalMs: options.keepaliveIntervalMs,
      pingTimeoutMs: options.keepaliveTimeoutMs,
      pingIdleConnection: true,
    };
    const manager = new Http2SessionManager(url, keepalive, options.tls);
    const guarded = guard(manager);
    const client = createNodeHttpClient({ httpVersion: "2", sessionProvider: () => guarded });
    this.#manager = manager;
    this.#connectTimeoutMs = options.connectTimeoutMs;
    this.send = (request) => client({ ...request, url: url + request.url.slice(anyUrl.length) });
  }

  get ready(): boolean {
    const state = this.#manager.state();
    return state === "open" || state === "idle" || state === "verifying";
  }

  /** Makes the connection, within its time; calls that come meanwhile wait for the same. */
  connect(): Promise<void> {
    this.#connecting ??= this.#connect().finally(() => {
      this.#connecting = undefined;
    });
    return this.#connecting;
  }

  async #connect(): Promise<void> {
    const timer = setTimeout(() => {
      const seconds = String(this.#connectTimeoutMs / 1000);
      const why = `no connection to ${this.#manager.authority} within ${seconds} s`;
      this.#manager.abort(new ConnectError(why, Code.Unavailable));
    }, this.#connectTimeoutMs);
    try {
      if ((await this.#manager.connect()) === "error") {
        this.restsUntil = performance.now() + restMs;
        throw ConnectError.from(this.#manager.error(), Code.Unavailable);
      }
      this.restsUntil = 0;
    } finally {
      clearTimeout(timer);
    }
  }

  close(reason: ConnectError): void {
    this.#manager.abort(reason);
  }
}

type Connections = Pick<Http2SessionManager, "authority" | "request" | "notifyResponseByteRead">;

/**
 * When a connection is told to go away, or a ping is not answered, connect-node destroys it and may no longer
 * listen when Node.js reports that: an unheard "error" would end the process (connect-es, issue 1768). This
 * listener hears it; the calls themselves learn of it in another way.
 */
function guard(manager: Http2SessionManager): Connections {
  const heard = new WeakSet<ClientHttp2Session>();
  return {
    authority: manager.authority,
    notifyResponseByteRead: (stream) => {
      manager.notifyResponseByteRead(stream);
    },
    request: async (...request) => {
      const stream = await manager.request(...request);
      const { session } = stream;
      if (session !== undefined && !heard.has(session as ClientHttp2Session)) {
        heard.add(session as ClientHttp2Session);
        session.on("error", () => undefined);
      }
      return stream;
    },
  };
}

/** Sends each request to the next address that can be reached. */
export class Addresses {
  readonly #addresses: readonly Address[];
  #turn = 0;
  #closed: ConnectError | undefined;

  constructor(urls: readonly string[], options: ConnectionOptions) {
    this.#addresses = urls.map((url) => new Address(url, options));
  }

  readonly send: UniversalClientFn = (request) => {
    const next = this.#addresses[this.#turn % this.#addresses.length];
    // The usual case: no other address has to be tried, and nothing waits.
    if (next?.ready === true && this.#closed === undefined) {
      this.#turn++;
      return next.send(request);
    }
    return this.#reachable(request.signal).then((address) => address.send(request));
  };

  close(): void {
    this.#closed = new ConnectError("this client was closed", Code.FailedPrecondition);
    for (const address of this.#addresses) {
      address.close(this.#closed);
    }
  }

  async #reachable(signal: AbortSignal | undefined): Promise<Address> {
    let failure: unknown = new ConnectError("there is no address", Code.Unavailable);
    for (const address of this.#inTurn()) {
      if (this.#closed !== undefined) {
        throw this.#closed;
      }
      if (address.ready) {
        return address;
      }
      try {
        await (signal === undefined ? address.connect() : untilAborted(address.connect(), signal));
        return address;
      } catch (error) {
        signal?.throwIfAborted();
        failure = error;
      }
    }
    throw this.#closed ?? failure;
  }

  /** All addresses from the next one on; those that could not be reached lately come last. */
  #inTurn(): readonly Address[] {
    const first = this.#turn++ % this.#addresses.length;
    if (this.#addresses.length === 1) {
      return this.#addresses;
    }
    const all = [...this.#addresses.slice(first), ...this.#addresses.slice(0, first)];
    const now = performance.now();
    const resting = (address: Address) => (address.restsUntil > now ? 1 : 0);
    return all.sort((a, b) => resting(a) - resting(b));
  }
}
