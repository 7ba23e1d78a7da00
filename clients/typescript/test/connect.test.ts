// What arguments and variables say together.

import assert from "node:assert/strict";
import { describe, it } from "node:test";

import type { ConnectOptions } from "tenure-client";
import { connect, InvalidValueError } from "tenure-client";

import { resolved } from "#dist/connect.js";

const pem = "-----BEGIN CERTIFICATE-----\n";

function urls(server: string | string[] | undefined, options: ConnectOptions = {}): readonly string[] {
  return resolved(server, { env: {}, ...options }).urls;
}

describe("connect", () => {
  it("takes addresses in every form", () => {
    assert.deepEqual(urls(undefined), ["http://127.0.0.1:7070"]);
    assert.deepEqual(urls("a:1, http://b:2,"), ["http://a:1", "http://b:2"]);
    assert.deepEqual(urls(["a:1", "[::1]:2"]), ["http://a:1", "http://[::1]:2"]);
    assert.deepEqual(urls("a:1", { ca: pem }), ["https://a:1"]);
    assert.deepEqual(urls("https://a"), ["https://a"]);
  });

  it("reads the variables, and arguments come first", () => {
    const env = { TENURE_SERVER: "https://a:1,https://b:2", TENURE_TOKEN: "t", TENURE_TLS_CA: pem };
    const options = resolved(undefined, { env });
    assert.deepEqual(options.urls, ["https://a:1", "https://b:2"]);
    assert.equal(options.token, "t");
    assert.equal(options.tls.ca, pem);
    assert.deepEqual(resolved("https://c:3", { env, apiKey: "tnr_k" }).token, "tnr_k");
    assert.deepEqual(resolved("https://c:3", { env }).urls, ["https://c:3"]);
    assert.equal(resolved(undefined, { env: { TENURE_TOKEN: "" } }).token, undefined);
  });

  it("refuses contradictions", () => {
    const contradictions: [string | string[] | undefined, ConnectOptions][] = [
      [undefined, { env: { TENURE_TLS_CERT: pem } }],
      [undefined, { env: { TENURE_TLS_KEY: pem } }],
      [undefined, { env: { TENURE_TOKEN: "t", TENURE_API_KEY: "k" } }],
      [undefined, { token: "t", apiKey: "k" }],
      ["http://a:1", { ca: pem }],
      ["ftp://a:1", {}],
      [" , ", {}],
      [[], {}],
      ["a b", {}],
      ["https://a:1", { ca: "no-such-file.pem" }],
      ["a:1", { timeoutMs: 0 }],
      ["a:1", { retries: Number.NaN }],
    ];
    for (const [server, options] of contradictions) {
      assert.throws(
        () => connect(server, { env: {}, ...options }),
        InvalidValueError,
        JSON.stringify([server, options]),
      );
    }
  });

  it("names both secrets of the environment when only one can be sent", () => {
    const env = { TENURE_TOKEN: "canary", TENURE_API_KEY: "tnr_canary" };
    assert.throws(
      () => connect("a:1", { env }),
      (error) => {
        assert(error instanceof InvalidValueError);
        const { message } = error;
        return /TENURE_TOKEN\b.*TENURE_API_KEY/.test(message) && !message.includes("canary");
      },
    );
    assert.equal(resolved("https://a:1", { env, apiKey: "k" }).token, "k");
  });

  it("gives a call ten seconds unless told otherwise", () => {
    assert.equal(resolved("a:1", { env: {} }).timeoutMs, 10_000);
  });

  it("does not send a user's token where others can read it", () => {
    using tenure = connect("http://a:1", { env: {} });
    assert.throws(() => tenure.namespace("crm").owner("acme", "ada", { userToken: "t" }), InvalidValueError);
    using trusted = connect("http://a:1", { env: {}, allowPlaintextToken: true });
    trusted.namespace("crm").owner("acme", "ada", { userToken: "t" });
    assert.throws(
      () => trusted.namespace("crm").owner("acme", "ada", { userToken: "canary\n" }),
      (error) => error instanceof InvalidValueError && !error.message.includes("canary"),
    );
  });

  it("sends tokens only where nobody can read them", () => {
    assert.throws(() => urls("http://a:1", { token: "t" }), InvalidValueError);
    assert.throws(() => urls(["127.0.0.1:1", "a:1"], { apiKey: "k" }), InvalidValueError);
    for (const server of ["https://a:1", "localhost:1", "127.0.0.1:1", "[::1]:1"]) {
      urls(server, { token: "t" });
    }
    urls("a:1", { token: "t", allowPlaintextToken: true });
  });

  it("does not show a token that no header can hold", async () => {
    using tenure = connect("127.0.0.1:1", { env: {}, token: "canary\n" });
    await assert.rejects(tenure.namespace("crm").owner("acme", "ada").get("x".repeat(16)), (error) => {
      assert(error instanceof Error);
      return !JSON.stringify([error.message, error.stack, error.cause]).includes("canary");
    });
  });
});
