// Ending sessions by a selector.

import type { InvalidationReason } from "./errors.js";
import { SessionService } from "./gen/tenure/v1/session_service_pb.js";
import type { Selector } from "./session.js";
import { toInvalidationReason, toSelector } from "./session.js";
import { checkedText } from "./state.js";
import { toTimestamp } from "./time.js";
import type { CallOptions, Wire } from "./wire.js";

/** How sessions are invalidated. */
export interface InvalidateOptions extends CallOptions {
  /** A session to leave alone ("sign out everywhere else"). */
  readonly exceptSessionId?: string | undefined;
  /** Only sessions whose login happened up to then, so that a late event never ends a newer login. */
  readonly authenticatedUntil?: Date | undefined;
  /** Why. The owner is told. */
  readonly reason?: InvalidationReason | undefined;
  /** For the audit trail only. */
  readonly note?: string | undefined;
  /** Who asked for it, for the audit trail only. */
  readonly actor?: string | undefined;
  /** Change nothing, only count. */
  readonly dryRun?: boolean | undefined;
}

/** What an invalidation did. */
export interface Invalidated {
  /** How many sessions ended; undefined for the wide selectors, whose sessions are counted later in events. */
  readonly endedCount: number | undefined;
  /** How many sessions a wide selector covers, roughly. Only with `dryRun`. */
  readonly estimatedCount: number | undefined;
}

export async function invalidate(
  wire: Wire,
  namespace: string,
  selector: Selector,
  options: InvalidateOptions,
): Promise<Invalidated> {
  const { endedCount, estimatedCount } = await wire.call(
    SessionService.method.invalidateSessions,
    {
      namespace,
      selector: toSelector(selector),
      exceptSessionId: checkedText("exceptSessionId", options.exceptSessionId ?? ""),
      ...(options.authenticatedUntil && {
        authenticatedUntil: toTimestamp("authenticatedUntil", options.authenticatedUntil),
      }),
      reason: toInvalidationReason(options.reason ?? "UNSPECIFIED"),
      note: checkedText("note", options.note ?? ""),
      actor: checkedText("actor", options.actor ?? ""),
      dryRun: options.dryRun ?? false,
    },
    options,
  );
  return { endedCount: count(endedCount), estimatedCount: count(estimatedCount) };
}

function count(value: bigint | undefined): number | undefined {
  return value === undefined ? undefined : Number(value);
}
