// What travels beside a request: who calls, for which user, and as part of which trace.

import type { OutgoingHttpHeaders } from "node:http2";

import { CallerUnknownError, InvalidValueError, ownFailure } from "../errors.js";
import type { TokenSource } from "../wire.js";

/** What every request says about itself. */
const always: OutgoingHttpHeaders = {
  "content-type": "application/grpc+proto",
  "user-agent": "tenure-typescript",
  te: "trailers",
};

/** What one request says besides. */
export interface Beside {
  /** The token that proves the owner. */
  readonly userToken: TokenSource | undefined;
  readonly correlationId: string | undefined;
  /** How long the service may take. */
  readonly timeoutMs: number | undefined;
}

/** Makes the headers of each request. */
export class RequestHeaders {
  readonly #token: TokenSource | undefined;
  readonly #trace = new TraceContext();

  constructor(token: TokenSource | undefined) {
    this.#token = token;
  }

  /** Without a promise where nothing has to be asked for: each costs the call its turn. */
  of(beside: Beside): OutgoingHttpHeaders | Promise<OutgoingHttpHeaders> {
    const headers = { ...always };
    if (beside.timeoutMs !== undefined) {
      headers["grpc-timeout"] = `${String(beside.timeoutMs)}m`;
    }
    if (beside.correlationId !== undefined) {
      headers["tenure-correlation-id"] = beside.correlationId;
    }
    const [token, userToken] = [this.#token, beside.userToken];
    if (this.#trace.isReady && typeof token !== "function" && typeof userToken !== "function") {
      this.#trace.inject(headers);
      return withTokens(headers, token, userToken);
    }
    return this.#asking(headers, token, userToken);
  }

  async #asking(
    headers: OutgoingHttpHeaders,
    token: TokenSource | undefined,
    userToken: TokenSource | undefined,
  ): Promise<OutgoingHttpHeaders> {
    await this.#trace.ready;
    this.#trace.inject(headers);
    return withTokens(headers, await given("token", token), await given("userToken", userToken));
  }
}

function withTokens(
  headers: OutgoingHttpHeaders,
  token: string | undefined,
  userToken: string | undefined,
): OutgoingHttpHeaders {
  if (token !== undefined) {
    headers.authorization = `Bearer ${checkedToken("token", token)}`;
  }
  if (userToken !== undefined) {
    headers["tenure-user-token"] = checkedToken("userToken", userToken);
  }
  return headers;
}

async function given(option: string, token: TokenSource | undefined): Promise<string | undefined> {
  if (typeof token !== "function") {
    return token;
  }
  try {
    return await token();
  } catch (error) {
    throw new CallerUnknownError(ownFailure("UNAUTHENTICATED", `the ${option} callback failed`, error));
  }
}

/** The token, if a header can hold it: a header's own error would show it. */
export function checkedToken(option: string, token: string): string {
  if (!/^[\x21-\x7e]+$/.test(token)) {
    throw new InvalidValueError(option, "is empty, or holds characters that no header may hold");
  }
  return token;
}

type OpenTelemetry = typeof import("@opentelemetry/api");

const traceHeaders = ["traceparent", "tracestate"];

const setter = {
  set: (headers: OutgoingHttpHeaders, key: string, value: string) => {
    if (traceHeaders.includes(key)) {
      headers[key] = value;
    }
  },
};

/** The active trace context, without baggage, where `@opentelemetry/api` is installed. */
class TraceContext {
  #api: OpenTelemetry | undefined;
  isReady = false;
  /** Whether it is installed is known from then on. */
  readonly ready: Promise<void>;

  constructor() {
    this.ready = import("@opentelemetry/api")
      .then(
        (api) => (this.#api = api),
        () => undefined,
      )
      .then(() => {
        this.isReady = true;
      });
  }

  inject(headers: OutgoingHttpHeaders): void {
    this.#api?.propagation.inject(this.#api.context.active(), headers, setter);
  }
}
