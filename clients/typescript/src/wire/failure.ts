// From what the transport throws to what this client throws.

import { Code, ConnectError } from "@connectrpc/connect";

import { BadRequestSchema, ErrorInfoSchema, RetryInfoSchema } from "../gen/google/rpc/error_details_pb.js";
import type { Failure, TenureError } from "../errors.js";
import { tenureError } from "../reasons.js";
import { fromDuration } from "../time.js";

const domain = "tenure";

/** The error for what a call threw. */
export function failed(thrown: unknown): TenureError {
  return tenureError(failure(thrown));
}

function failure(thrown: unknown): Failure {
  const error = ConnectError.from(thrown, Code.Unknown);
  const away = isAway(error);
  const info = error.findDetails(ErrorInfoSchema).find((detail) => detail.domain === domain);
  const violations = error.findDetails(BadRequestSchema).flatMap((bad) => bad.fieldViolations);
  return {
    code: away ? "UNAVAILABLE" : codeName(error.code),
    reason: info?.reason ?? "",
    message: away ? `the service cannot be reached: ${innermost(error)}` : error.rawMessage,
    metadata: info?.metadata ?? {},
    violations: violations.map(({ field, description }) => ({ field, description })),
    correlationId: error.metadata.get("tenure-correlation-id") ?? undefined,
    retryAfterMs: retryAfterMs(error),
    cause: away ? error : undefined,
  };
}

/** Whether a repetition may succeed. */
export function mayHelp(error: ConnectError): boolean {
  return error.code === Code.Unavailable || retryAfterMs(error) !== undefined || isAway(error);
}

/** How long the service asks to wait. */
export function retryAfterMs(error: ConnectError): number | undefined {
  const delay = error.findDetails(RetryInfoSchema)[0]?.retryDelay;
  return delay === undefined ? undefined : fromDuration(delay);
}

/** Whether the way to the service broke: then the error bears no status of the service. */
function isAway(error: ConnectError): boolean {
  if (error.metadata.has("grpc-status") || error.metadata.has("grpc-status-details-bin")) {
    return false;
  }
  switch (error.code) {
    case Code.Aborted:
    case Code.Internal:
    case Code.Unavailable:
    case Code.Unknown:
      return true;
    // The caller's own signal is looked at before: here it is a connection that was given up.
    case Code.Canceled:
      return true;
    default:
      return false;
  }
}

function innermost(error: Error): string {
  return error.cause instanceof Error ? innermost(error.cause) : messageOf(error);
}

function messageOf(error: Error): string {
  const message = error instanceof ConnectError ? error.rawMessage : error.message;
  // Several addresses of one name give an AggregateError without a text.
  return message === "" && "code" in error ? String(error.code) : message;
}

function codeName(code: Code): string {
  return code === Code.Canceled
    ? "CANCELLED"
    : Code[code].replaceAll(/(?<=[a-z])[A-Z]/g, (letter) => `_${letter}`).toUpperCase();
}
