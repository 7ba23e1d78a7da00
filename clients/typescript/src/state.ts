// State: what may be kept, checked before it travels.
//
// Every number travels as a double. Integers are exact within plus or minus 2^53-1; larger ones are refused
// here, so that no language's client reads something else. A `number` does not say whether it is meant as an
// integer: a whole one between 2^53 and 2^64 most likely is an id that has lost digits already, and is refused;
// beyond 2^64 only a floating-point number can be meant.

import type { JsonObject, JsonValue } from "@bufbuild/protobuf";

import { InvalidValueError } from "./errors.js";

/** A value of a session's state. */
export type StateValue = null | boolean | number | string | StateValue[] | { [key: string]: StateValue };

/** What a session remembers. */
export type State = Record<string, StateValue>;

/** What can be stored: as {@link StateValue}, and a `bigint` within plus or minus 2^53-1. */
export type StateInput =
  null | boolean | number | bigint | string | readonly StateInput[] | { readonly [key: string]: StateInput };

/** The first state of a session, or the keys to set. */
export type StateInputs = Readonly<Record<string, StateInput>>;

// Far beyond what the service allows; it is what tells a cycle from depth.
const deepest = 100;

const longest = 2 ** 64;
const largest = BigInt(Number.MAX_SAFE_INTEGER);

/** A copy that can travel: what the caller changes later does not reach a repetition of the call. */
export function checkedState(field: string, state: StateInputs): JsonObject {
  if (!isPlain(state)) {
    throw new InvalidValueError(field, "is not a plain object");
  }
  return checkedMap(field, state, 1);
}

/** As {@link checkedState}, for the values of a list. */
export function checkedList(field: string, values: readonly StateInput[]): JsonValue[] {
  if (!Array.isArray(values)) {
    throw new InvalidValueError(field, "is not an array");
  }
  return checkedItems(field, values, 1);
}

/** The value as an integer that every client holds exactly. */
export function checkedInteger(field: string, value: unknown): number {
  if (typeof value === "bigint" && value >= -largest && value <= largest) {
    return Number(value);
  }
  if (typeof value === "number" && Number.isSafeInteger(value)) {
    return value;
  }
  throw new InvalidValueError(field, "is not an integer within plus or minus 2^53-1");
}

/** The text, if it is Unicode: a lone surrogate would travel as another character. */
export function checkedText(field: string, text: unknown): string {
  if (typeof text !== "string") {
    throw new InvalidValueError(field, `is ${describe(text)}, not a string`);
  }
  if (!text.isWellFormed()) {
    throw new InvalidValueError(field, "holds half of a character (a lone surrogate)");
  }
  return text;
}

/** Sets a key, also one that means something else to an assignment. */
export function setKey<Value>(map: Record<string, Value>, key: string, value: Value): void {
  if (key === "__proto__") {
    Object.defineProperty(map, key, { value, configurable: true, enumerable: true, writable: true });
  } else {
    map[key] = value;
  }
}

function checkedValue(field: string, key: string | number, value: unknown, depth: number): JsonValue {
  switch (typeof value) {
    case "string":
      return value.isWellFormed() ? value : checkedText(path(field, key), value);
    case "boolean":
      return value;
    case "number":
      return Number.isSafeInteger(value) ? value : checkedDouble(path(field, key), value);
    case "bigint":
      return checkedBigint(path(field, key), value);
    case "object":
      if (value === null) {
        return null;
      }
      if (depth >= deepest) {
        throw new InvalidValueError(field, "is nested too deeply, or holds itself");
      }
      if (Array.isArray(value)) {
        return checkedItems(path(field, key), value, depth + 1);
      }
      if (isPlain(value)) {
        return checkedMap(path(field, key), value, depth + 1);
      }
      break;
    default:
  }
  throw new InvalidValueError(path(field, key), `is ${describe(value)}, which a state cannot hold`);
}

function checkedMap(field: string, map: object, depth: number): JsonObject {
  const checked: JsonObject = {};
  for (const [key, value] of Object.entries(map)) {
    if (!key.isWellFormed()) {
      throw new InvalidValueError(field, "has a key with half of a character (a lone surrogate)");
    }
    setKey(checked, key, checkedValue(field, key, value, depth));
  }
  return checked;
}

function checkedItems(field: string, items: readonly unknown[], depth: number): JsonValue[] {
  const checked: JsonValue[] = [];
  // By index: a hole is `undefined`, and is refused as such.
  for (let index = 0; index < items.length; index++) {
    checked.push(checkedValue(field, index, items[index], depth));
  }
  return checked;
}

function checkedDouble(field: string, value: number): number {
  if (!Number.isFinite(value)) {
    throw new InvalidValueError(field, "is not a finite number; store it as text");
  }
  if (Number.isInteger(value) && Math.abs(value) <= longest) {
    throw beyond(field);
  }
  return value;
}

function checkedBigint(field: string, value: bigint): number {
  if (value < -largest || value > largest) {
    throw beyond(field);
  }
  return Number(value);
}

function beyond(field: string): InvalidValueError {
  const why = "is beyond plus or minus 2^53-1, where integers are no longer exact; store it as text";
  return new InvalidValueError(field, why);
}

function path(field: string, key: string | number): string {
  return typeof key === "number" ? `${field}[${String(key)}]` : `${field}.${key}`;
}

function isPlain(value: unknown): value is object {
  if (typeof value !== "object" || value === null) {
    return false;
  }
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null || isForeignPlain(prototype);
}

// An object of another realm (a `vm` context, a test runner's sandbox) has another `Object.prototype`.
function isForeignPlain(prototype: unknown): boolean {
  return Object.getPrototypeOf(prototype) === null && Object.hasOwn(prototype as object, "hasOwnProperty");
}

function describe(value: unknown): string {
  if (value === undefined) {
    return "undefined (write null, or remove the key)";
  }
  if (typeof value === "object" && value !== null) {
    return `an instance of ${value.constructor.name}`;
  }
  return value === null ? "null" : `a ${typeof value}`;
}
