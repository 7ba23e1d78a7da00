// Times and durations: `Date` and milliseconds here, Timestamp and Duration on the wire.

import type { Duration, Timestamp } from "@bufbuild/protobuf/wkt";

import { InvalidValueError, malformed } from "./errors.js";

interface Parts {
  seconds: bigint;
  nanos: number;
}

export function toDuration(field: string, milliseconds: number): Parts {
  if (!Number.isFinite(milliseconds) || Math.abs(milliseconds) > Number.MAX_SAFE_INTEGER) {
    throw new InvalidValueError(field, `${String(milliseconds)} is no number of milliseconds`);
  }
  const seconds = Math.trunc(milliseconds / 1000);
  return { seconds: BigInt(seconds), nanos: Math.round((milliseconds - seconds * 1000) * 1e6) };
}

export function fromDuration(duration: Duration): number {
  return Number(duration.seconds) * 1000 + duration.nanos / 1e6;
}

export function toTimestamp(field: string, time: Date): Parts {
  const milliseconds = time instanceof Date ? time.getTime() : Number.NaN;
  if (Number.isNaN(milliseconds)) {
    throw new InvalidValueError(field, "is no valid Date");
  }
  const seconds = Math.floor(milliseconds / 1000);
  return { seconds: BigInt(seconds), nanos: (milliseconds - seconds * 1000) * 1e6 };
}

export function fromTimestamp(field: string, time: Timestamp | undefined): Date {
  if (time === undefined) {
    throw malformed(field);
  }
  return new Date(Number(time.seconds) * 1000 + Math.floor(time.nanos / 1e6));
}
