// gRPC over HTTP/2: what makes a call of a request.

import type { ClientHttp2Stream } from "node:http2";

import type {
  DescMessage,
  DescMethod,
  DescMethodServerStreaming,
  DescMethodUnary,
  MessageInitShape,
  MessageShape,
} from "@bufbuild/protobuf";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";

import { InvalidValueError, malformed, TenureError } from "../errors.js";
import type { CallOptions, TokenSource, Wire } from "../wire.js";
import { untilAborted } from "./abort.js";
import type { ConnectionOptions } from "./addresses.js";
import { Addresses } from "./addresses.js";
import { answered, answers, framed } from "./exchange.js";
import { failed } from "./failure.js";
import { checkedToken, RequestHeaders } from "./headers.js";
import { Limit } from "./limit.js";
import { isSafe, Retries } from "./retry.js";

/** How the service is reached. */
export interface GrpcOptions extends ConnectionOptions {
  readonly urls: readonly string[];
  readonly token: TokenSource | undefined;
  /** Whether nobody on the way can read what is sent. */
  readonly confidential: boolean;
  readonly timeoutMs: number;
  readonly retries: number;
}

const largestTimeoutMs = 99_999_999;

/** The wire that everything else uses. */
export function grpcWire(options: GrpcOptions): Wire {
  return new GrpcWire({
    options,
    addresses: new Addresses(options.urls, options),
    headers: new RequestHeaders(options.token),
    retries: new Retries(options.retries),
  });
}

/** What all wires of a client share. */
interface Shared {
  readonly options: GrpcOptions;
  readonly addresses: Addresses;
  readonly headers: RequestHeaders;
  readonly retries: Retries;
}

class GrpcWire implements Wire {
  readonly #shared: Shared;
  readonly #userToken: TokenSource | undefined;

  constructor(shared: Shared, userToken?: TokenSource) {
    this.#shared = shared;
    this.#userToken = userToken;
  }

  get timeoutMs(): number {
    return this.#shared.options.timeoutMs;
  }

  proving(token: TokenSource): Wire {
    if (!this.#shared.options.confidential) {
      throw unencrypted("userToken");
    }
    if (typeof token === "string") {
      checkedToken("userToken", token);
    }
    return new GrpcWire(this.#shared, token);
  }

  async call<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    request: MessageInitShape<I>,
    options: CallOptions = {},
  ): Promise<MessageShape<O>> {
    const timeoutMs = checkedTimeout(options.timeoutMs ?? this.timeoutMs);
    const limit = new Limit(timeoutMs, options.signal);
    try {
      const message = create(method.input, request);
      const body = framed(toBinary(method.input, message));
      const attempt = (leftMs: number) => answered(this.#open(method, limit, options, leftMs), body, limit);
      const answer = await (isSafe(method, message)
        ? this.#shared.retries.run(attempt, timeoutMs, limit)
        : attempt(timeoutMs));
      return decoded(method.output, answer);
    } catch (error) {
      throw told(error, options.signal);
    } finally {
      limit.clear();
    }
  }

  async *open<I extends DescMessage, O extends DescMessage>(
    method: DescMethodServerStreaming<I, O>,
    request: MessageInitShape<I>,
    options: CallOptions = {},
  ): AsyncIterable<MessageShape<O>> {
    const timeoutMs = options.timeoutMs === undefined ? undefined : checkedTimeout(options.timeoutMs);
    const limit = new Limit(timeoutMs, options.signal);
    try {
      const body = framed(toBinary(method.input, create(method.input, request)));
      const opening = this.#open(method, limit, options, timeoutMs);
      for await (const message of answers(opening, body, limit)) {
        yield decoded(method.output, message);
      }
    } catch (error) {
      throw told(error, options.signal);
    } finally {
      limit.clear();
    }
  }

  close(): void {
    this.#shared.addresses.close();
  }

  async #open(
    method: DescMethod,
    limit: Limit,
    { correlationId }: CallOptions,
    timeoutMs: number | undefined,
  ): Promise<ClientHttp2Stream> {
    const { addresses, headers } = this.#shared;
    const own = headers.of({ userToken: this.#userToken, correlationId, timeoutMs });
    const path = `/${method.parent.typeName}/${method.name}`;
    return addresses.open(path, own instanceof Promise ? await untilAborted(own, limit.signal) : own, limit);
  }
}

/** A token would be readable on the way. */
export function unencrypted(option: string): InvalidValueError {
  return new InvalidValueError(
    option,
    "would travel unencrypted: write https://, or set allowPlaintextToken where something else encrypts",
  );
}

function told(error: unknown, signal: AbortSignal | undefined): unknown {
  if (signal?.aborted === true) {
    return signal.reason;
  }
  if (error instanceof TenureError) {
    return error;
  }
  return failed(error);
}

function decoded<O extends DescMessage>(schema: O, message: Uint8Array): MessageShape<O> {
  try {
    return fromBinary(schema, message);
  } catch {
    throw malformed("a message that can be read");
  }
}

function checkedTimeout(timeoutMs: number): number {
  if (!(timeoutMs > 0)) {
    throw new InvalidValueError("timeoutMs", `${String(timeoutMs)} is not more than 0`);
  }
  return Math.min(Math.ceil(timeoutMs), largestTimeoutMs);
}
