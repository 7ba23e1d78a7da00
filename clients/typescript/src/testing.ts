// For tests: a service of one's own, from the real binary, over its memory store.

import { spawn } from "node:child_process";
import { resolve as absolute } from "node:path";
import { createInterface } from "node:readline";

import type { ConnectOptions } from "./connect.js";
import { connect } from "./connect.js";
import type { Tenure } from "./tenure.js";

/** How the binary is started: with its store in memory, unless something below says otherwise. */
export interface ServiceOptions {
  /** Where it is; without it TENURE_BIN, or `tenure` in the PATH. */
  readonly binary?: string | undefined;
  /** A configuration file. */
  readonly config?: string | undefined;
  /** Where it runs: paths in its configuration are relative to this. */
  readonly cwd?: string | undefined;
  /** Further arguments of `tenure serve`. */
  readonly args?: readonly string[] | undefined;
  /** Where gRPC listens; without it a free port of 127.0.0.1. */
  readonly listen?: string | undefined;
  /** Further variables. */
  readonly env?: Readonly<Record<string, string>> | undefined;
}

/** A running service. It ends with `stop`, and with this process. */
export interface Service {
  /** What `connect` takes. */
  readonly url: string;
  /** Where its probes and metrics are. */
  readonly httpUrl: string;
  /** A client of it, untouched by `TENURE_*` variables. */
  connect(options?: ConnectOptions): Tenure;
  /** Ends it, politely unless told otherwise. */
  stop(signal?: NodeJS.Signals): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

const patienceMs = 20_000;

/** Starts a service with empty memory. */
export async function startTenure(options: ServiceOptions = {}): Promise<Service> {
  const named = options.binary ?? process.env["TENURE_BIN"] ?? "tenure";
  // A path is this process's, wherever the service runs.
  const binary = named.includes("/") ? absolute(named) : named;
  const listen = options.listen ?? "127.0.0.1:0";
  const config = options.config === undefined ? [] : ["--config", options.config];
  const child = spawn(
    binary,
    ["serve", "--listen", listen, "--http", "127.0.0.1:0", ...config, ...(options.args ?? [])],
    { stdio: ["ignore", "pipe", "pipe"], cwd: options.cwd, env: { ...foreign(process.env), ...options.env } },
  );
  const kill = () => child.kill("SIGKILL");
  process.once("exit", kill);
  let log = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    log = (log + text).slice(-4000);
  });
  const ended = new Promise<void>((resolve) => {
    child.once("error", (error) => {
      log += error.message;
      resolve();
    });
    child.once("close", () => {
      process.off("exit", kill);
      resolve();
    });
  });
  const stop = async (signal: NodeJS.Signals = "SIGTERM") => {
    child.kill(signal);
    await ended;
  };
  const addresses = await new Promise<RegExpExecArray>((resolve, reject) => {
    const fail = (why: string) => {
      clearTimeout(timer);
      kill();
      reject(new Error(`${binary} serve ${why}: ${log.trim()}`));
    };
    const timer = setTimeout(fail, patienceMs, "did not say that it listens");
    void ended.then(() => {
      fail("ended");
    });
    createInterface({ input: child.stdout }).on("line", (line) => {
      const found = /^tenure listening grpc=(\S+) http=(\S+)/.exec(line);
      if (found !== null) {
        clearTimeout(timer);
        resolve(found);
      }
    });
  });
  const [, grpc = "", http = ""] = addresses;
  const url = `http://${grpc}`;
  return {
    url,
    httpUrl: `http://${http}`,
    connect: (connectOptions = {}) => connect(url, { env: {}, ...connectOptions }),
    stop,
    [Symbol.asyncDispose]: () => stop(),
  };
}

/** The variables that are not Tenure's: those of this process are not meant for the service under test. */
function foreign(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith("TENURE_")));
}
