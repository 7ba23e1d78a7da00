// Several addresses, lost connections, TLS: against the real binary where it can show it.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import type { AddressInfo, Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { setTimeout as pause } from "node:timers/promises";

import { connect, UnavailableError } from "tenure-client";
import type { Service } from "tenure-client/testing";

import type { Scripted } from "./scripted.js";
import { anySession, scripted } from "./scripted.js";
import { service } from "./service.js";

describe("addresses", () => {
  async function counted(calls: number[], index: number, port = 0): Promise<Scripted> {
    const getSession = () => {
      calls[index] = (calls[index] ?? 0) + 1;
      return { session: anySession };
    };
    return scripted({ getSession }, {}, port);
  }

  it("take turns, and one that is away is left out", async () => {
    const calls: number[] = [0, 0];
    const [first, second] = [await counted(calls, 0), await counted(calls, 1)];
    using tenure = connect([first.url, second.url], { env: {} });
    const sessions = tenure.namespace("crm").owner("acme", "ada");
    for (let call = 0; call < 10; call++) {
      await sessions.get("some-session-id-1");
    }
    assert.deepEqual(calls, [5, 5]);
    await first.stop();
    for (let call = 0; call < 10; call++) {
      await sessions.get("some-session-id-1");
    }
    assert.deepEqual(calls, [5, 15]);
    const again = await counted(calls, 0, Number(new URL(first.url).port));
    // It is tried again once its rest is over.
    const until = performance.now() + 10_000;
    while (calls[0] === 5 && performance.now() < until) {
      await sessions.get("some-session-id-1");
    }
    assert((calls[0] ?? 0) > 5);
    await again.stop();
    await second.stop();
  });

  it("that fall silent are found by pings, and the call goes to another", async () => {
    await using silent = await silence();
    const calls: number[] = [0];
    const good = await counted(calls, 0);
    const pings = { keepaliveIntervalMs: 100, keepaliveTimeoutMs: 1000 };
    using tenure = connect([silent.address, good.url], { env: {}, ...pings });
    await tenure.namespace("crm").owner("acme", "ada").get("some-session-id-1", { timeoutMs: 30_000 });
    assert.deepEqual(calls, [1]);
    await good.stop();
  });

  it("that never complete a handshake cost no more than the time to connect", async () => {
    await using silent = await silence();
    using tenure = connect(`https://${silent.address}`, { env: {}, connectTimeoutMs: 200, retries: 0 });
    const call = tenure.namespace("crm").owner("acme", "ada").get("some-session-id-1", { timeoutMs: 30_000 });
    // With the whole deadline it would be a DeadlineExceededError.
    await assert.rejects(
      call,
      (error) => error instanceof UnavailableError && error.message.includes("within 0.2 s"),
    );
  });
});

describe("a lost connection", () => {
  it("is made anew", async () => {
    const listen = await freePort();
    const first = await service({ listen });
    using tenure = first.connect({ retries: 1 });
    const sessions = tenure.namespace("crm").owner("acme", "ada");
    await sessions.create();
    await first.stop("SIGKILL");
    await assert.rejects(sessions.create(), UnavailableError);
    const second = await service({ listen });
    await sessions.create();
    await second.stop();
  });

  it("in the middle of a call is made anew, and the call repeated", async () => {
    let calls = 0;
    const service = await scripted({
      getSession: () => {
        if (++calls === 1) {
          service.cut();
        }
        return { session: anySession };
      },
    });
    using tenure = connect(service.url, { env: {} });
    await tenure.namespace("crm").owner("acme", "ada").get("some-session-id-1");
    assert.equal(calls, 2);
    await service.stop();
  });
});

describe("a closed client", () => {
  it("pings no connection that is gone", async () => {
    const running = await service();
    const interval = 20;
    const tenure = running.connect({ keepaliveIntervalMs: interval });
    const watch = tenure.namespace("crm").watch();
    await watch.started();
    tenure.close();
    await assert.rejects(watch.next(), /closed/);
    // Timers fire in their order: a ping that throws has done so before this one.
    await pause(5 * interval);
    await running.stop();
  });
});

describe("TLS", () => {
  const folder = mkdtempSync(join(tmpdir(), "tenure-tls-"));
  const path = (name: string) => join(folder, name);
  const openssl = (...args: string[]) => execFileSync("openssl", args, { stdio: "pipe" });
  let running: Service | undefined;

  after(async () => {
    await running?.stop();
    rmSync(folder, { recursive: true });
  });

  function certificate(name: string, extensions: string): void {
    writeFileSync(path(`${name}.ext`), extensions);
    const subject = [
      "-subj",
      `/CN=${name}`,
      "-nodes",
      "-newkey",
      "ec",
      "-pkeyopt",
      "ec_paramgen_curve:P-256",
    ];
    openssl("req", "-new", ...subject, "-keyout", path(`${name}.key`), "-out", path(`${name}.csr`));
    const authority = ["-CA", path("ca.pem"), "-CAkey", path("ca.key"), "-CAcreateserial", "-days", "2"];
    const files = ["-in", path(`${name}.csr`), "-out", path(`${name}.pem`), "-extfile", path(`${name}.ext`)];
    openssl("x509", "-req", ...files, ...authority);
  }

  it("is checked in both directions", async () => {
    const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"];
    openssl(
      "req",
      "-x509",
      ...curve,
      "-nodes",
      "-days",
      "2",
      "-subj",
      "/CN=ca",
      "-keyout",
      path("ca.key"),
      "-out",
      path("ca.pem"),
    );
    certificate("server", "subjectAltName=IP:127.0.0.1,DNS:localhost\nextendedKeyUsage=serverAuth\n");
    certificate("client", "extendedKeyUsage=clientAuth\nsubjectAltName=DNS:client\n");
    writeFileSync(
      path("tenure.toml"),
      `[grpc]\ntls_cert = "${path("server.pem")}"\ntls_key = "${path("server.key")}"\ntls_client_ca = "${path("ca.pem")}"\n`,
    );
    running = await service({ config: path("tenure.toml") });
    const url = running.url.replace("http:", "https:");
    const create = async (options: object) => {
      using tenure = connect(url, { env: {}, retries: 0, ...options });
      return await tenure.namespace("crm").owner("acme", "ada").create();
    };
    const ca = path("ca.pem");
    await create({ ca, cert: path("client.pem"), key: path("client.key") });
    await assert.rejects(create({ ca }), UnavailableError);
    await assert.rejects(create({ cert: path("client.pem"), key: path("client.key") }), UnavailableError);
    const env = {
      TENURE_TLS_CA: ca,
      TENURE_TLS_CERT: path("client.pem"),
      TENURE_TLS_KEY: path("client.key"),
    };
    await create({ env: { TENURE_SERVER: "nowhere", ...env } });
  });
});

/** Something that accepts connections, and then says nothing. */
async function silence(): Promise<AsyncDisposable & { address: string }> {
  const sockets: Socket[] = [];
  const server = createServer((socket) => sockets.push(socket.on("error", () => undefined)));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    address: `127.0.0.1:${String((server.address() as AddressInfo).port)}`,
    [Symbol.asyncDispose]: () => {
      for (const socket of sockets) {
        socket.destroy();
      }
      return new Promise((resolve) => {
        server.close(() => {
          resolve();
        });
      });
    },
  };
}

async function freePort(): Promise<string> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return `127.0.0.1:${String(port)}`;
}
