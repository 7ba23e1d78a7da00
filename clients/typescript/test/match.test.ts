// The matcher of the vectors refuses what differs: a runner that accepts everything proves nothing.

import assert from "node:assert/strict";
import { describe, it } from "node:test";

import type { Value } from "../interop/values.js";
import { matched } from "./match.js";

const time = new Date(1000);

const same: [answer: Value, expected: Value][] = [
  [{ a: 1, b: 2 }, { a: 1 }],
  [{ state: { a: -0 } }, { state: { a: 0n } }],
  [
    [1, [2]],
    [1, [2]],
  ],
  [{ t: time }, { t: { $plus: [new Date(0), 1] } }],
  [{ t: time }, { t: { $between: [new Date(0), null] } }],
  [
    { t: time, x: "x", n: 0 },
    { t: { $any: "time" }, x: { $any: "text" }, n: { $any: "number" }, y: { $absent: true } },
  ],
  [[3, 1, 2], { $unordered: [1, 2, 3] }],
  [1, { $not: 2 }],
];

const different: [answer: Value, expected: Value][] = [
  [{ a: 1 }, { a: 2 }],
  [{ a: 1 }, { b: undefined, a: { $absent: true } }],
  [{}, { a: { $any: "any" } }],
  [{ state: { a: 1, b: 2 } }, { state: { a: 1 } }],
  [{ state: { a: { b: 1, c: 2 } } }, { state: { a: { b: 1 } } }],
  [{ state: {} }, { state: JSON.parse('{"__proto__": {}}') as Value }],
  [[1, 2], [1]],
  [[1], [1, 2]],
  ["1", 1],
  [null, {}],
  [{ n: null }, { n: { $any: "number" } }],
  [{ t: time }, { t: { $between: [new Date(1001), null] } }],
  [[1, 1], { $unordered: [1, 2] }],
  [[1, 2, 3], { $unordered: [1, 2] }],
  [1, { $not: 1 }],
];

describe("the matcher", () => {
  it("accepts what matches, and only that", () => {
    for (const [answer, expected] of same) {
      matched(answer, expected, "it");
    }
    for (const [answer, expected] of different) {
      assert.throws(
        () => {
          matched(answer, expected, "it");
        },
        assert.AssertionError,
        JSON.stringify([answer, expected], (_, part: unknown) =>
          typeof part === "bigint" ? Number(part) : part,
        ),
      );
    }
  });
});
