// Every reason that the service gives is an error class of its own, or one of a family that is named.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";

import { Code } from "@connectrpc/connect";
import * as client from "tenure-client";
import { connect, TenureError } from "tenure-client";

import { refusal, scripted } from "./scripted.js";
import { repository } from "./service.js";

interface Row {
  readonly reason: string;
  readonly code: string;
  readonly kind: string;
  readonly of?: readonly string[];
}

const file = new URL("tests/vectors/reasons.json", repository);
const { reasons } = JSON.parse(readFileSync(file, "utf8")) as { reasons: readonly Row[] };

type ErrorClass = abstract new (...args: never[]) => TenureError;

function named(kind: string): ErrorClass {
  const found: unknown = (client as Record<string, unknown>)[`${kind}Error`];
  assert(typeof found === "function", `there is no ${kind}Error`);
  return found as ErrorClass;
}

/** A code by its name on the wire. */
function codeOf(name: string): Code {
  const camel = name
    .toLowerCase()
    .replaceAll(/(?:^|_)[a-z]/g, (start) => start.replace("_", "").toUpperCase());
  return Code[camel as keyof typeof Code];
}

async function thrown(code: Code, reason: string): Promise<TenureError> {
  const running = await scripted({ getSession: () => Promise.reject(refusal(code, reason)) });
  using tenure = connect(running.url, { env: {}, retries: 0 });
  try {
    await tenure.namespace("crm").owner("acme", "ada").get("session-0123456789");
  } catch (error) {
    assert(error instanceof TenureError);
    return error;
  } finally {
    tenure.close();
    await running.stop();
  }
  throw new Error("it succeeded");
}

describe("errors by their reasons", () => {
  for (const { reason, code, kind, of = [] } of reasons) {
    it(reason, async () => {
      const error = await thrown(codeOf(code), reason);
      assert.equal(error.constructor, named(kind));
      assert.equal(error.name, named(kind).name);
      assert(of.every((family) => error instanceof named(family)));
      assert.deepEqual([error.reason, error.code], [reason, code]);
    });
  }
});
