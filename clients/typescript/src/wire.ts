// The one way to the service. Everything above it makes requests and reads answers, whatever carries them.

import type {
  DescMethodServerStreaming,
  DescMethodUnary,
  DescMessage,
  MessageInitShape,
  MessageShape,
} from "@bufbuild/protobuf";

/** What can be said about a single call. */
export interface CallOptions {
  /** Ends the call; it then rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** How long the call may take, with all its repetitions. */
  readonly timeoutMs?: number | undefined;
  /** Names the call in the service's log. */
  readonly correlationId?: string | undefined;
}

/** A token, or what gives one for each request; it should come from a cache. */
export type TokenSource = string | (() => string | Promise<string>);

export interface Wire {
  /** How long a call may take that does not say so itself. */
  readonly timeoutMs: number;

  /** Makes a call, and repeats it where that is safe and may help. Rejects with a `TenureError`. */
  call<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    request: MessageInitShape<I>,
    options?: CallOptions,
  ): Promise<MessageShape<O>>;

  /** Opens a stream, once. Throws `TenureError`. */
  open<I extends DescMessage, O extends DescMessage>(
    method: DescMethodServerStreaming<I, O>,
    request: MessageInitShape<I>,
    options?: CallOptions,
  ): AsyncIterable<MessageShape<O>>;

  /** The same, with a user's token in every request. */
  proving(userToken: TokenSource): Wire;

  /** Closes all connections; calls in progress fail. */
  close(): void;
}
