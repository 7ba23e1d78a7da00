// Connections to all addresses, used in turn.

import type { ClientHttp2Session, ClientHttp2Stream, OutgoingHttpHeaders } from "node:http2";
import type { SecureClientSessionOptions } from "node:http2";

import { Code, ConnectError } from "@connectrpc/connect";
import { Http2SessionManager } from "@connectrpc/connect-node";

import { untilAborted } from "./abort.js";
import type { Limit } from "./limit.js";

/** How connections are made and kept. */
export interface ConnectionOptions {
  readonly connectTimeoutMs: number;
  readonly keepaliveIntervalMs: number;
  readonly keepaliveTimeoutMs: number;
  readonly tls: SecureClientSessionOptions;
}

/** After a failure to connect, an address is left out for so long while others are there. */
const restMs = 1000;

/** One connection. It is made by the first call, and made anew by the next one when it was lost. */
class Address {
  readonly #manager: Http2SessionManager;
  readonly #connectTimeoutMs: number;
  #connecting: Promise<void> | undefined;
  /** Until when it is left out. */
  restsUntil = 0;
  readonly #guarded = new WeakSet<ClientHttp2Session>();

  constructor(url: string, options: ConnectionOptions) {
    const keepalive = {
      pingIntervalMs: options.keepaliveIntervalMs,
      pingTimeoutMs: options.keepaliveTimeoutMs,
      pingIdleConnection: true,
    };
    this.#manager = new Http2SessionManager(url, keepalive, options.tls);
    this.#connectTimeoutMs = options.connectTimeoutMs;
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

  async open(path: string, headers: OutgoingHttpHeaders): Promise<ClientHttp2Stream> {
    const stream = await this.#manager.request("POST", path, headers, {});
    const session = stream.session as ClientHttp2Session | undefined;
    if (session !== undefined && !this.#guarded.has(session)) {
      this.#guarded.add(session);
      guard(session);
    }
    return stream;
  }

  close(reason: ConnectError): void {
    this.#manager.abort(reason);
  }
}

/** Keeps connect-node's keepalive from ending the process. */
function guard(session: ClientHttp2Session): void {
  // When a connection is told to go away, or a ping is not answered, connect-node destroys it and may no longer
  // listen when Node.js reports that (connect-es, issue 1768). The calls themselves learn of it in another way.
  session.on("error", () => undefined);
  // Its last call to end starts the timer of the pings anew, also when the connection is destroyed already; pinging one
  // throws, from a timer, where nobody can catch it.
  const ping = session.ping.bind(session) as (...request: unknown[]) => boolean;
  session.ping = (...request: unknown[]) => !session.destroyed && ping(...request);
}

/** Sends each request to the next address that can be reached. */
export class Addresses {
  readonly #addresses: readonly Address[];
  #turn = 0;
  #closed: ConnectError | undefined;

  constructor(urls: readonly string[], options: ConnectionOptions) {
    this.#addresses = urls.map((url) => new Address(url, options));
  }

  /** A stream for a request, whose body is still to be sent. */
  open(path: string, headers: OutgoingHttpHeaders, limit: Limit): Promise<ClientHttp2Stream> {
    const next = this.#addresses[this.#turn % this.#addresses.length];
    // The usual case: no other address has to be tried, and nothing waits.
    if (next?.ready === true && this.#closed === undefined) {
      this.#turn++;
      return next.open(path, headers);
    }
    return this.#reachable(limit.signal).then((address) => address.open(path, headers));
  }

  close(): void {
    this.#closed = new ConnectError("this client was closed", Code.FailedPrecondition);
    for (const address of this.#addresses) {
      address.close(this.#closed);
    }
  }

  async #reachable(signal: AbortSignal): Promise<Address> {
    let failure: unknown = new ConnectError("there is no address", Code.Unavailable);
    for (const address of this.#inTurn()) {
      if (this.#closed !== undefined) {
        throw this.#closed;
      }
      if (address.ready) {
        return address;
      }
      try {
        await untilAborted(address.connect(), signal);
        return address;
      } catch (error) {
        signal.throwIfAborted();
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
