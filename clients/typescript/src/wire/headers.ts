// What travels beside a request: who calls, and as part of which trace.

import type { Interceptor } from "@connectrpc/connect";

import { InvalidValueError, ownFailure, TenureError } from "../errors.js";

/** A token, or what gives one for each call; it should come from a cache. */
export type TokenSource = string | (() => string | Promise<string>);

/** Sends the token as `authorization: Bearer`. */
export function bearer(token: TokenSource): Interceptor {
  return (next) => async (request) => {
    const value = typeof token === "string" ? token : await called(token);
    // A header's own error would show the token.
    if (!/^[\x21-\x7e]+$/.test(value)) {
      throw new InvalidValueError("token", "is empty, or holds characters that no header may hold");
    }
    request.header.set("authorization", `Bearer ${value}`);
    return next(request);
  };
}

async function called(token: () => string | Promise<string>): Promise<string> {
  try {
    return await token();
  } catch (error) {
    throw new TenureError(ownFailure("UNAUTHENTICATED", "the token callback failed", error));
  }
}

type OpenTelemetry = typeof import("@opentelemetry/api");

const traceHeaders = ["traceparent", "tracestate"];

/** Propagates the active trace context, and no baggage, where `@opentelemetry/api` is installed. */
export function traceContext(): Interceptor {
  let api: OpenTelemetry | undefined;
  const loading = import("@opentelemetry/api").then(
    (loaded) => (api = loaded),
    () => undefined,
  );
  let settled = false;
  void loading.finally(() => (settled = true));
  const setter = {
    set: (header: Headers, key: string, value: string) => {
      if (traceHeaders.includes(key)) {
        header.set(key, value);
      }
    },
  };
  return (next) => {
    const inject: typeof next = (request) => {
      api?.propagation.inject(api.context.active(), request.header, setter);
      return next(request);
    };
    return (request) => (settled ? inject(request) : loading.then(() => inject(request)));
  };
}
