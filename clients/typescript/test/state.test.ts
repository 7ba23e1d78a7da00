// What a state may hold.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { inspect } from "node:util";
import { createContext, runInContext } from "node:vm";

import { create } from "@bufbuild/protobuf";
import type { StateInputs } from "tenure-client";
import { InvalidValueError } from "tenure-client";
import { SessionSchema } from "tenure-client/stubs";

import { fromSession, given } from "#dist/session.js";
import { checkedState } from "#dist/state.js";
import { anySession } from "./scripted.js";

function refused(state: unknown, field: string): void {
  assert.throws(
    () => checkedState("set", state as StateInputs),
    (error) => error instanceof InvalidValueError && error.field === field,
    field,
  );
}

describe("state", () => {
  it("takes every shape, and copies it", () => {
    const state = {
      null: null,
      yes: true,
      text: "Grüße, 世界 🦀",
      max: Number.MAX_SAFE_INTEGER,
      half: 0.5,
      list: [1, [2, []], { a: {} }],
      map: { deep: { er: [null] } },
      "": "empty key",
    };
    const copy = checkedState("set", state);
    assert.deepEqual(copy, state);
    state.map.deep.er.push(null);
    assert.notDeepEqual(copy, state);
  });

  it("keeps __proto__ as a key", () => {
    const state = JSON.parse('{"__proto__": {"polluted": true}}') as StateInputs;
    const copy = checkedState("set", state);
    assert.deepEqual(Object.keys(copy), ["__proto__"]);
    assert.equal("polluted" in copy, false);
  });

  it("takes objects of another realm and without a prototype", () => {
    const foreign = runInContext("({a: [1, {b: 2}]})", createContext()) as StateInputs;
    assert.deepEqual(checkedState("set", foreign), { a: [1, { b: 2 }] });
    const bare = Object.assign(Object.create(null) as object, { a: 1 });
    assert.deepEqual(checkedState("set", { bare }), { bare: { a: 1 } });
  });

  it("takes bigints that are exact, and refuses larger integers", () => {
    assert.deepEqual(checkedState("set", { n: BigInt(Number.MAX_SAFE_INTEGER) }), {
      n: Number.MAX_SAFE_INTEGER,
    });
    refused({ n: BigInt(Number.MAX_SAFE_INTEGER) + 1n }, "set.n");
    refused({ a: [{ b: -(2n ** 63n) }] }, "set.a[0].b");
    refused({ n: 2 ** 53 }, "set.n");
    refused({ n: -(2 ** 63) }, "set.n");
    // These can only be meant as floating-point numbers.
    assert.deepEqual(checkedState("set", { n: 1e300, m: -1e20 }), { n: 1e300, m: -1e20 });
  });

  it("refuses what has no meaning elsewhere, and says where it is", () => {
    refused({ n: Number.NaN }, "set.n");
    refused({ n: [Number.POSITIVE_INFINITY] }, "set.n[0]");
    refused({ a: undefined }, "set.a");
    refused({ a: { b: [undefined] } }, "set.a.b[0]");
    refused({ list: new Array(2) }, "set.list[0]");
    refused({ at: new Date() }, "set.at");
    refused({ map: new Map() }, "set.map");
    refused({ f: () => 1 }, "set.f");
    refused({ s: Symbol("s") }, "set.s");
    refused({ text: "half \ud83d" }, "set.text");
    refused({ ["half \ud83d"]: 1 }, "set");
    refused(new Date(), "set");
    refused([1], "set");
    refused(null, "set");
  });

  it("refuses what holds itself", () => {
    const state: Record<string, unknown> = {};
    state["self"] = state;
    assert.throws(() => checkedState("set", state as StateInputs), InvalidValueError);
  });
});

describe("a log", () => {
  it("shows neither ids nor states nor values that were refused", () => {
    const session = given(
      fromSession(create(SessionSchema, { ...anySession, id: "canary", state: { a: "canary" } })),
    );
    assert.equal(inspect(session).includes("canary"), false);
    assert(inspect(session).includes("revision"));
    assert.deepEqual([session.id, session.state], ["canary", { a: "canary" }]);
    assert(JSON.stringify(session).includes("canary"));
    for (const value of [9007199254740993n, 2 ** 60, "canary \ud83d"]) {
      assert.throws(
        () => checkedState("set", { value }),
        (error) => error instanceof InvalidValueError && !/canary|\d{6}/.test(error.message),
      );
    }
  });
});
