// gRPC over HTTP/2, by connect-es.

import type {
  DescMessage,
  DescMethodServerStreaming,
  DescMethodUnary,
  MessageInitShape,
  MessageShape,
} from "@bufbuild/protobuf";
import type { ContextValues, Interceptor, Transport } from "@connectrpc/connect";
import { createContextValues } from "@connectrpc/connect";
import { createTransport } from "@connectrpc/connect/protocol-grpc";

import { InvalidValueError, TenureError } from "../errors.js";
import type { CallOptions, TokenSource, Wire } from "../wire.js";
import type { ConnectionOptions } from "./addresses.js";
import { Addresses, anyUrl } from "./addresses.js";
import { failed } from "./failure.js";
import { bearer, checkedToken, proof, traceContext, userToken } from "./headers.js";
import { retries } from "./retry.js";

/** How the service is reached. */
export interface GrpcOptions extends ConnectionOptions {
  readonly urls: readonly string[];
  readonly token: TokenSource | undefined;
  /** Whether nobody on the way can read what is sent. */
  readonly confidential: boolean;
  readonly timeoutMs: number;
  readonly retries: number;
}

// Answers may be larger than requests: a page of sessions with their state.
const largestAnswer = 64 * 1024 * 1024;
const largestTimeoutMs = 99_999_999;

/** The wire that everything else uses. */
export function grpcWire(options: GrpcOptions): Wire {
  const addresses = new Addresses(options.urls, options);
  const interceptors: Interceptor[] = [traceContext(), retries(options.retries), proof()];
  if (options.token !== undefined) {
    interceptors.push(bearer(options.token));
  }
  const transport = createTransport({
    baseUrl: anyUrl,
    httpClient: addresses.send,
    interceptors,
    useBinaryFormat: true,
    acceptCompression: [],
    sendCompression: null,
    compressMinBytes: largestAnswer,
    readMaxBytes: largestAnswer,
    writeMaxBytes: largestAnswer,
  });
  return new GrpcWire(transport, addresses, options);
}

class GrpcWire implements Wire {
  constructor(
    private readonly transport: Transport,
    private readonly addresses: Addresses,
    private readonly options: GrpcOptions,
    private readonly userToken?: TokenSource,
  ) {}

  get timeoutMs(): number {
    return this.options.timeoutMs;
  }

  proving(token: TokenSource): Wire {
    if (!this.options.confidential) {
      throw unencrypted("userToken");
    }
    if (typeof token === "string") {
      checkedToken("userToken", token);
    }
    return new GrpcWire(this.transport, this.addresses, this.options, token);
  }

  async call<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    request: MessageInitShape<I>,
    options: CallOptions = {},
  ): Promise<MessageShape<O>> {
    const timeoutMs = checkedTimeout(options.timeoutMs ?? this.timeoutMs);
    options.signal?.throwIfAborted();
    try {
      const answer = await this.transport.unary(
        method,
        options.signal,
        timeoutMs,
        headers(options),
        request,
        this.contextValues(),
      );
      return answer.message;
    } catch (error) {
      throw told(error, options.signal);
    }
  }

  async *open<I extends DescMessage, O extends DescMessage>(
    method: DescMethodServerStreaming<I, O>,
    request: MessageInitShape<I>,
    options: CallOptions = {},
  ): AsyncIterable<MessageShape<O>> {
    const timeoutMs = options.timeoutMs === undefined ? undefined : checkedTimeout(options.timeoutMs);
    options.signal?.throwIfAborted();
    // The transport's iterator cannot be told to stop: whoever leaves the loop ends the call by a signal.
    const left = new AbortController();
    const signal =
      options.signal === undefined ? left.signal : AbortSignal.any([options.signal, left.signal]);
    try {
      const answer = await this.transport.stream(
        method,
        signal,
        timeoutMs,
        headers(options),
        once(request),
        this.contextValues(),
      );
      yield* answer.message;
    } catch (error) {
      throw told(error, options.signal);
    } finally {
      left.abort();
    }
  }

  close(): void {
    this.addresses.close();
  }

  private contextValues(): ContextValues | undefined {
    return this.userToken === undefined ? undefined : createContextValues().set(userToken, this.userToken);
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
  // What an interceptor of this client throws comes wrapped.
  return error instanceof Error && error.cause instanceof TenureError ? error.cause : failed(error);
}

function headers(options: CallOptions): Record<string, string> | undefined {
  return options.correlationId === undefined ? undefined : { "tenure-correlation-id": options.correlationId };
}

function checkedTimeout(timeoutMs: number): number {
  if (!(timeoutMs > 0)) {
    throw new InvalidValueError("timeoutMs", `${String(timeoutMs)} is not more than 0`);
  }
  return Math.min(Math.ceil(timeoutMs), largestTimeoutMs);
}

async function* once<Value>(value: Value): AsyncIterable<Value> {
  await Promise.resolve();
  yield value;
}
