// What travels beside a request: who calls, for which user, and as part of which trace.

import type { Interceptor } from "@connectrpc/connect";
import { createContextKey } from "@connectrpc/connect";

import { CallerUnknownError, InvalidValueError, ownFailure } from "../errors.js";
import type { TokenSource } from "../wire.js";

/** Sends the token as `authorization: Bearer`. */
export function bearer(token: TokenSource): Interceptor {
  return (next) => async (request) => {
    request.header.set("authorization", `Bearer ${await given("token", token)}`);
    return next(request);
  };
}

/** The token that proves the owner of a call. */
export const userToken = createContextKey<TokenSource | undefined>(undefined);

/** Sends the user's token as `tenure-user-token`. */
export function proof(): Interceptor {
  return (next) => (request) => {
    const token = request.contextValues.get(userToken);
    if (token === undefined) {
      return next(request);
    }
    return given("userToken", token).then((value) => {
      request.header.set("tenure-user-token", value);
      return next(request);
    });
  };
}

async function given(option: string, token: TokenSource): Promise<string> {
  return checkedToken(option, typeof token === "string" ? token : await called(option, token));
}

/** The token, if a header can hold it: a header's own error would show it. */
export function checkedToken(option: string, token: string): string {
  if (!/^[\x21-\x7e]+$/.test(token)) {
    throw new InvalidValueError(option, "is empty, or holds characters that no header may hold");
  }
  return token;
}

async function called(option: string, token: () => string | Promise<string>): Promise<string> {
  try {
    return await token();
  } catch (error) {
    throw new CallerUnknownError(ownFailure("UNAUTHENTICATED", `the ${option} callback failed`, error));
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
