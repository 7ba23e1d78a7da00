// Whether an answer matches what a case expects: tests/vectors/README.md, What matches.

import assert from "node:assert/strict";

import type { Fields, Value } from "../interop/values.js";
import { isFields } from "../interop/values.js";

/** Throws an error that says where the answer differs. */
export function matched(answer: Value, expected: Value, where: string, whole = false): void {
  const matcher = matcherOf(expected);
  if (matcher !== undefined) {
    matcher(answer, where, whole);
    return;
  }
  if (Array.isArray(expected)) {
    assert(Array.isArray(answer), `${where}: ${shown(answer)} is no list`);
    assert.equal(answer.length, expected.length, `${where}: the length of ${shown(answer)}`);
    for (const [index, value] of expected.entries()) {
      matched(answer[index], value, `${where}[${String(index)}]`, whole);
    }
  } else if (isFields(expected)) {
    assert(isFields(answer), `${where}: ${shown(answer)} is no map`);
    for (const [key, value] of Object.entries(expected)) {
      const own = Object.hasOwn(answer, key) ? answer[key] : undefined;
      matched(own, value, `${where}.${key}`, whole || key === "state");
    }
    if (whole) {
      assert.deepEqual(Object.keys(answer).sort(), Object.keys(expected).sort(), `${where}: the keys`);
    }
  } else {
    assert(plain(answer) === plain(expected), `${where}: ${shown(answer)} is not ${shown(expected)}`);
  }
}

type Matcher = (answer: Value, where: string, whole: boolean) => void;

function matcherOf(expected: Value): Matcher | undefined {
  if (!isFields(expected) || Object.keys(expected).length !== 1) {
    return undefined;
  }
  const [[name, of] = ["", undefined]] = Object.entries(expected);
  switch (name) {
    case "$any":
      return (answer, where) => {
        assert(isAny(answer, String(of)), `${where}: ${shown(answer)} is no ${String(of)}`);
      };
    case "$absent":
      return (answer, where) => {
        assert(answer === undefined, `${where}: ${shown(answer)} is there`);
      };
    case "$not":
      return (answer, where, whole) => {
        assert(!matches(answer, of, whole), `${where}: ${shown(answer)} matches`);
      };
    case "$unordered":
      return (answer, where, whole) => {
        unordered(answer, of as Value[], where, whole);
      };
    case "$between":
      return (answer, where) => {
        const [low, high] = of as [Value, Value];
        assert(
          typeof answer === "number" || answer instanceof Date,
          `${where}: ${shown(answer)} has no order`,
        );
        const value = Number(answer);
        assert(low === null || value >= bound(low), `${where}: ${shown(answer)} is before ${shown(low)}`);
        assert(high === null || value <= bound(high), `${where}: ${shown(answer)} is after ${shown(high)}`);
      };
    case "$plus":
      return (answer, where) => {
        assert.equal(Number(answer), bound(expected), where);
      };
    default:
      return undefined;
  }
}

function matches(answer: Value, expected: Value, whole: boolean): boolean {
  try {
    matched(answer, expected, "", whole);
    return true;
  } catch {
    return false;
  }
}

function unordered(answer: Value, expected: readonly Value[], where: string, whole: boolean): void {
  assert(Array.isArray(answer), `${where}: ${shown(answer)} is no list`);
  const left: Value[] = [...(answer as Value[])];
  for (const value of expected) {
    const index = left.findIndex((one) => matches(one, value, whole));
    assert(index >= 0, `${where}: nothing in ${shown(answer)} matches ${shown(value)}`);
    left.splice(index, 1);
  }
  assert.equal(left.length, 0, `${where}: there is also ${shown(left)}`);
}

function isAny(value: Value, kind: string): boolean {
  switch (kind) {
    case "text":
      return typeof value === "string" && value !== "";
    case "time":
      return value instanceof Date;
    case "number":
      return typeof value === "number";
    case "uuid":
      return typeof value === "string" && /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(value);
    default:
      return value !== undefined;
  }
}

function bound(value: Value): number {
  if (isFields(value) && Array.isArray(value["$plus"])) {
    const [time, seconds] = value["$plus"] as [Value, number];
    return bound(time) + seconds * 1000;
  }
  return Number(value);
}

/** Numbers are compared as numbers, times as times. */
function plain(value: Value): Value {
  return typeof value === "bigint" || value instanceof Date ? Number(value) : value;
}

function shown(value: Value): string {
  const text = JSON.stringify(value, (_, part: unknown) => (typeof part === "bigint" ? String(part) : part));
  return (text as string | undefined)?.slice(0, 500) ?? String(value);
}

export type { Fields };
