// What comes over a stream: in any pieces, broken off anywhere, and from things that are no Tenure.

import assert from "node:assert/strict";
import { once } from "node:events";
import type { ServerHttp2Stream } from "node:http2";
import { constants, createServer } from "node:http2";
import type { AddressInfo } from "node:net";
import { describe, it } from "node:test";

import type { Sessions } from "tenure-client";
import { CallerUnknownError, connect, UnavailableError } from "tenure-client";
import { GetSessionResponseSchema, WatchSessionsResponseSchema } from "tenure-client/stubs";
import type { DescMessage, MessageInitShape } from "@bufbuild/protobuf";
import { create, toBinary } from "@bufbuild/protobuf";

import { anySession } from "./scripted.js";

/** What a service may do with a call. */
type Answer = (stream: ServerHttp2Stream) => void;

/** A service that answers every call so. */
async function answering(answer: Answer, use: (sessions: Sessions) => Promise<void>): Promise<void> {
  const server = createServer();
  server.on("stream", (stream) => {
    stream.on("error", () => undefined);
    answer(stream);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const tenure = connect(`127.0.0.1:${String((server.address() as AddressInfo).port)}`, {
    env: {},
    retries: 0,
  });
  try {
    await use(tenure.namespace("crm").owner("acme", "ada"));
  } finally {
    tenure.close();
    await new Promise((resolve) => server.close(resolve));
  }
}

/** One after the other, in pieces of their own. */
async function send(stream: ServerHttp2Stream, ...pieces: Buffer[]): Promise<void> {
  for (const piece of pieces) {
    await new Promise((resolve) => stream.write(piece, resolve));
  }
}

function ok(then: Answer): Answer {
  return (stream) => {
    stream.respond({ ":status": 200, "content-type": "application/grpc" }, { waitForTrailers: true });
    stream.on("wantTrailers", () => {
      stream.sendTrailers({ "grpc-status": "0" });
    });
    then(stream);
  };
}

function frame<Schema extends DescMessage>(schema: Schema, message: MessageInitShape<Schema>): Buffer {
  const body = toBinary(schema, create(schema, message));
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(body.length, 1);
  return Buffer.concat([prefix, body]);
}

const state = { text: "Grüße".repeat(100) };
const session = frame(GetSessionResponseSchema, { session: { ...anySession, state } });
const get = (sessions: Sessions) => sessions.get("some-session-id-1");

describe("an answer", () => {
  it("may come in any pieces", async () => {
    const pieces = Array.from(session, (byte) => Buffer.of(byte));
    const slowly = ok((stream) => {
      void send(stream, ...pieces).then(() => stream.end());
    });
    await answering(slowly, async (sessions) => {
      assert.deepEqual((await get(sessions)).state, state);
    });
  });

  it("of a watch may hold parts of several messages", async () => {
    const message = (cursor: string) =>
      frame(WatchSessionsResponseSchema, {
        cursor,
        event: { eventId: cursor, occurredAt: { seconds: 1n }, namespace: "crm" },
      });
    const all = Buffer.concat(["a", "b", "c"].map(message));
    const cuts = [0, 3, message("a").length + 4, all.length - 1, all.length];
    const pieces = cuts.slice(1).map((cut, index) => all.subarray(cuts[index], cut));
    const piecemeal = ok((stream) => {
      void send(stream, ...pieces);
    });
    await answering(piecemeal, async (sessions) => {
      const watch = sessions.watch();
      const seen: string[] = [];
      for await (const { cursor } of watch) {
        seen.push(cursor);
        if (seen.length === 3) {
          break;
        }
      }
      assert.deepEqual(seen, ["a", "b", "c"]);
    });
  });

  it("without a message, with two, or compressed is told as such", async () => {
    const compressed = Buffer.from(session);
    compressed[0] = 1;
    for (const body of [
      Buffer.alloc(0),
      session.subarray(0, -1),
      Buffer.concat([session, session]),
      compressed,
    ]) {
      const wrong = ok((stream) => stream.end(body));
      await answering(wrong, (sessions) => assert.rejects(get(sessions), { code: "INTERNAL" }));
    }
  });

  it("that is larger than any is not waited for", async () => {
    const endless = ok((stream) => void send(stream, Buffer.from("00ffffffff", "hex")));
    await answering(endless, (sessions) => assert.rejects(get(sessions), { code: "INTERNAL" }));
  });
});

describe("a status", () => {
  it("may come without an answer", async () => {
    const refusing: Answer = (stream) => {
      const status = { "grpc-status": "16", "grpc-message": "who%20are%20you" };
      stream.respond({ ":status": 200, "content-type": "application/grpc", ...status }, { endStream: true });
    };
    await answering(refusing, (sessions) =>
      assert.rejects(
        get(sessions),
        (error) => error instanceof CallerUnknownError && error.message === "who are you",
      ),
    );
  });

  it("of HTTP is that of something on the way", async () => {
    for (const [status, kind] of [
      [401, CallerUnknownError],
      [503, UnavailableError],
      [200, UnavailableError],
    ] as const) {
      const proxy: Answer = (stream) => {
        stream.respond({ ":status": status, "content-type": "text/html" });
        stream.end("<html>");
      };
      await answering(proxy, (sessions) => assert.rejects(get(sessions), kind));
    }
  });

  it("that never came means that the service is away", async () => {
    for (const code of [
      constants.NGHTTP2_CANCEL,
      constants.NGHTTP2_INTERNAL_ERROR,
      constants.NGHTTP2_NO_ERROR,
    ]) {
      const broken: Answer = (stream) => {
        stream.respond({ ":status": 200, "content-type": "application/grpc" });
        void send(stream, session).then(() => {
          stream.close(code);
        });
      };
      await answering(broken, (sessions) => assert.rejects(get(sessions), UnavailableError));
    }
  });

  it("counts, also when the connection breaks right after it", async () => {
    const leaving: Answer = (stream) => {
      const status = { "grpc-status": "5", "grpc-message": "gone" };
      stream.respond({ ":status": 200, "content-type": "application/grpc", ...status }, { endStream: true });
      stream.close(constants.NGHTTP2_NO_ERROR);
    };
    await answering(leaving, (sessions) =>
      assert.rejects(get(sessions), (error) => error instanceof Error && error.message === "gone"),
    );
  });
});

describe("a call that is given up", () => {
  it("is cancelled at the service", async () => {
    const streams: ServerHttp2Stream[] = [];
    const silent: Answer = (stream) => streams.push(stream);
    await answering(silent, async (sessions) => {
      const gone = new AbortController();
      const call = sessions.get("some-session-id-1", { signal: gone.signal });
      while (streams.length === 0) {
        await new Promise(setImmediate);
      }
      const [stream] = streams as [ServerHttp2Stream];
      const closed = once(stream, "close");
      const reason = new Error("the user left");
      gone.abort(reason);
      await assert.rejects(call, reason);
      await closed;
      assert.equal(stream.rstCode, constants.NGHTTP2_CANCEL);
    });
  });
});
