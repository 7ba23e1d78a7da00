// One gRPC call over one HTTP/2 stream. Written for speed: carried by a general-purpose client, with its signals, header
// objects and async iterators, a call costs several times the CPU that the stream itself does (benches/RESULTS.md).

import type { ClientHttp2Stream, IncomingHttpHeaders } from "node:http2";
import { constants } from "node:http2";

import { Code, ConnectError } from "@connectrpc/connect";
import { codeFromHttpStatus, findTrailerError } from "@connectrpc/connect/protocol-grpc";

import { malformed, TenureError } from "../errors.js";
import { untilAborted } from "./abort.js";
import type { Limit } from "./limit.js";

// Answers may be larger than requests: a page of sessions with their state.
const largestMessage = 64 * 1024 * 1024;

/** What stands before each message: whether it is compressed, and its length. */
const prefixBytes = 5;

/** The message as it travels. */
export function framed(message: Uint8Array): Buffer {
  if (message.length > largestMessage) {
    const bytes = String(message.length);
    throw new ConnectError(`the request has ${bytes} bytes: no service takes that`, Code.ResourceExhausted);
  }
  const frame = Buffer.allocUnsafe(prefixBytes + message.length);
  frame[0] = 0;
  frame.writeUInt32BE(message.length, 1);
  frame.set(message, prefixBytes);
  return frame;
}

/** Sends a request and waits for its one answer, at most until its limit. */
export function answered(
  opening: Promise<ClientHttp2Stream>,
  request: Buffer,
  limit: Limit,
): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const fail: (error: unknown) => void = reject;
    let stream: ClientHttp2Stream | undefined;
    limit.whenOver((reason) => {
      fail(reason);
      stream?.close(constants.NGHTTP2_CANCEL);
    });
    opening.then((opened) => {
      stream = opened;
      const ending = new Ending(opened);
      const frames = new Frames();
      let message: Uint8Array | undefined;
      opened.on("data", (chunk: Buffer) => {
        try {
          for (const whole of ending.isGrpc ? frames.add(chunk) : []) {
            if (message !== undefined) {
              throw malformed("an end after its first message");
            }
            message = whole;
          }
        } catch (error) {
          fail(error);
          opened.close(constants.NGHTTP2_CANCEL);
        }
      });
      const finish = () => {
        try {
          ending.check();
          if (message === undefined) {
            throw malformed("a message");
          }
          resolve(message);
        } catch (error) {
          fail(error);
        }
      };
      // A stream that breaks does not end, it is only closed.
      opened.on("end", () => {
        if (ending.isKnown) {
          opened.off("close", finish);
          finish();
        }
      });
      opened.on("close", finish);
      if (limit.isOver) {
        opened.close(constants.NGHTTP2_CANCEL);
      } else {
        opened.end(request);
      }
    }, fail);
  });
}

/** Sends a request and gives the answers as they come. Leaving the loop ends the call, and so does its limit. */
export async function* answers(
  opening: Promise<ClientHttp2Stream>,
  request: Buffer,
  limit: Limit,
): AsyncIterable<Uint8Array> {
  const giveUp = () => {
    opening.then(
      (stream) => {
        stream.on("error", () => undefined).close(constants.NGHTTP2_CANCEL);
      },
      () => undefined,
    );
  };
  limit.whenOver(giveUp);
  const stream = await untilAborted(opening, limit.signal);
  const ending = new Ending(stream);
  const frames = new Frames();
  try {
    stream.end(request);
    for await (const chunk of stream) {
      yield* ending.isGrpc ? frames.add(chunk as Buffer) : [];
    }
  } catch (error) {
    throw error instanceof TenureError ? error : ending.failure();
  } finally {
    giveUp();
  }
  ending.check();
}

/** How a stream ended: with which status, or what broke it. */
class Ending {
  readonly #stream: ClientHttp2Stream;
  #headers: IncomingHttpHeaders = {};
  #trailers: IncomingHttpHeaders = {};
  #broke: unknown;

  constructor(stream: ClientHttp2Stream) {
    this.#stream = stream;
    stream.on("response", (headers) => {
      this.#headers = headers;
      // An answer without a message has its status here.
      if ("grpc-status" in headers) {
        this.#trailers = headers;
      }
    });
    stream.on("trailers", (trailers: IncomingHttpHeaders) => {
      this.#trailers = trailers;
    });
    stream.on("error", (error) => {
      this.#broke ??= error;
    });
  }

  /** Whether it is a service that answers, and not something on the way. */
  get isGrpc(): boolean {
    const { ":status": status, "content-type": type = "" } = this.#headers;
    return Number(status) === 200 && type.startsWith("application/grpc");
  }

  /** Whether the service said how the call went. */
  get isKnown(): boolean {
    return "grpc-status" in this.#trailers;
  }

  /** Throws unless the service said that all went well. */
  check(): void {
    if (this.#trailers["grpc-status"] !== "0") {
      throw this.failure();
    }
  }

  failure(): Error {
    const metadata = fields(this.#headers, this.#trailers);
    if (this.isKnown) {
      return findTrailerError(metadata) ?? malformed("a status that does not contradict itself");
    }
    if (this.#broke !== undefined) {
      return broken(this.#broke);
    }
    const status = Number(this.#headers[":status"] ?? 200);
    if (status !== 200) {
      return new ConnectError(`HTTP ${String(status)}`, codeFromHttpStatus(status), metadata);
    }
    if (this.#headers["content-type"] !== undefined && !this.isGrpc) {
      return new ConnectError(`the answer is ${this.#headers["content-type"]}, not gRPC`, Code.Unavailable);
    }
    const code = String(this.#stream.rstCode);
    return new ConnectError(
      `the stream was closed before a status came (HTTP/2 code ${code})`,
      Code.Unavailable,
    );
  }
}

/** The messages in what comes, whatever pieces it comes in. */
class Frames {
  #pieces: Buffer[] = [];
  #bytes = 0;
  /** How many bytes it takes to go on: a whole prefix, and after that the message as well. */
  #wanted = prefixBytes;

  add(piece: Buffer): Uint8Array[] {
    this.#pieces.push(piece);
    this.#bytes += piece.length;
    const messages: Uint8Array[] = [];
    while (this.#bytes >= this.#wanted) {
      let held = this.#pieces.length === 1 ? piece : Buffer.concat(this.#pieces, this.#bytes);
      const end = frameBytes(held);
      if (held.length >= end) {
        // A plain view: what is decoded from a Buffer would hold Buffers.
        messages.push(new Uint8Array(held.buffer, held.byteOffset + prefixBytes, end - prefixBytes));
        held = held.subarray(end);
      }
      this.#pieces = held.length === 0 ? [] : [held];
      this.#bytes = held.length;
      this.#wanted = held.length < prefixBytes ? prefixBytes : frameBytes(held);
      piece = held;
    }
    return messages;
  }
}

/** The length of the first message with its prefix. */
function frameBytes(held: Buffer): number {
  if (held[0] !== 0) {
    throw malformed("a message without compression");
  }
  const bytes = held.readUInt32BE(1);
  if (bytes > largestMessage) {
    throw malformed(`a message of up to ${String(largestMessage)} bytes`);
  }
  return prefixBytes + bytes;
}

function fields(...blocks: readonly IncomingHttpHeaders[]): Headers {
  const all = new Headers();
  for (const block of blocks) {
    for (const [name, value] of Object.entries(block)) {
      if (value !== undefined && !name.startsWith(":")) {
        all.set(name, String(value));
      }
    }
  }
  return all;
}

function broken(cause: unknown): ConnectError {
  if (cause instanceof ConnectError) {
    return cause;
  }
  const why = cause instanceof Error ? cause.message : String(cause);
  return new ConnectError(why, Code.Unavailable, undefined, undefined, cause);
}
