// How to reach the service: from arguments and from TENURE_* variables.

import { readFileSync } from "node:fs";
import type { SecureClientSessionOptions } from "node:http2";

import { InvalidValueError } from "./errors.js";
import { Tenure } from "./tenure.js";
import type { TokenSource } from "./wire.js";
import type { GrpcOptions } from "./wire/grpc.js";
import { grpcWire, unencrypted } from "./wire/grpc.js";

/** A PEM text, or the path of a file that holds one. */
export type Pem = string | Buffer;

/** How to reach the service. What is left out is taken from the `TENURE_*` variables. */
export interface ConnectOptions {
  /** Whom the service's certificate is checked against; without it the system's authorities. TENURE_TLS_CA. */
  readonly ca?: Pem | undefined;
  /** The certificate that is shown to the service. TENURE_TLS_CERT. */
  readonly cert?: Pem | undefined;
  /** Its key. TENURE_TLS_KEY. */
  readonly key?: Pem | undefined;
  /** Sent with every call, or called for every call; then it should come from a cache. TENURE_TOKEN. */
  readonly token?: TokenSource | undefined;
  /** Sent with every call. TENURE_API_KEY. */
  readonly apiKey?: string | undefined;
  /** Send tokens (users' too) without TLS, where something else encrypts. Without it only to this machine. */
  readonly allowPlaintextToken?: boolean | undefined;
  /** How long a call may take, with all its repetitions. 10 s unless said otherwise. */
  readonly timeoutMs?: number | undefined;
  /** How long a connection may take to be made. 5 s unless said otherwise. */
  readonly connectTimeoutMs?: number | undefined;
  /** How long a connection may be silent before it is pinged. 30 s unless said otherwise. */
  readonly keepaliveIntervalMs?: number | undefined;
  /** How long the answer to a ping may take. 10 s unless said otherwise. */
  readonly keepaliveTimeoutMs?: number | undefined;
  /** How often a call is repeated at most, where that is safe. 4 unless said otherwise. */
  readonly retries?: number | undefined;
  /** Where the variables are looked up; without it `process.env`. */
  readonly env?: Readonly<Record<string, string | undefined>> | undefined;
}

const defaultServer = "http://127.0.0.1:7070";

/**
 * The client for the service at these addresses: `http://HOST:PORT`, or `https://HOST:PORT` for TLS. Several,
 * in a list or separated by commas, take turns. Without one TENURE_SERVER says where it is.
 */
export function connect(server?: string | readonly string[], options: ConnectOptions = {}): Tenure {
  return new Tenure(grpcWire(resolved(server, options)));
}

/** What the arguments and the variables say together. */
export function resolved(
  server: string | readonly string[] | undefined,
  options: ConnectOptions,
): GrpcOptions {
  const env = options.env ?? process.env;
  const variable = (name: string) => (env[name] === "" ? undefined : env[name]);
  const tls = security(options, variable);
  const bearer = token(options, variable);
  const servers = server ?? variable("TENURE_SERVER") ?? defaultServer;
  const urls = addresses(
    typeof servers === "string" ? servers.split(",") : servers,
    Object.keys(tls).length > 0,
  );
  const confidential = options.allowPlaintextToken === true || urls.every(keepsSecrets);
  if (bearer !== undefined && !confidential) {
    throw unencrypted("token");
  }
  return {
    urls,
    tls,
    token: bearer,
    confidential,
    timeoutMs: positive("timeoutMs", options.timeoutMs ?? 10_000),
    connectTimeoutMs: positive("connectTimeoutMs", options.connectTimeoutMs ?? 5_000),
    keepaliveIntervalMs: positive("keepaliveIntervalMs", options.keepaliveIntervalMs ?? 30_000),
    keepaliveTimeoutMs: positive("keepaliveTimeoutMs", options.keepaliveTimeoutMs ?? 10_000),
    retries: count("retries", options.retries ?? 4),
  };
}

type Variable = (name: string) => string | undefined;

function security(options: ConnectOptions, variable: Variable): SecureClientSessionOptions {
  const ca = options.ca ?? variable("TENURE_TLS_CA");
  // A pair from one place: an argument never meets a variable's other half.
  const given = options.cert !== undefined || options.key !== undefined;
  const cert = given ? options.cert : variable("TENURE_TLS_CERT");
  const key = given ? options.key : variable("TENURE_TLS_KEY");
  if ((cert === undefined) !== (key === undefined)) {
    const [missing, there] = cert === undefined ? ["certificate", "key"] : ["key", "certificate"];
    throw new InvalidValueError(
      given ? "cert, key" : "TENURE_TLS_CERT, TENURE_TLS_KEY",
      `the ${missing} is missing beside the ${there}`,
    );
  }
  return {
    ...(ca !== undefined && { ca: pem("ca", ca) }),
    ...(cert !== undefined && { cert: pem("cert", cert) }),
    ...(key !== undefined && { key: pem("key", key) }),
  };
}

function pem(option: string, value: Pem): string | Buffer {
  if (typeof value !== "string" || value.includes("-----BEGIN")) {
    return value;
  }
  try {
    return readFileSync(value);
  } catch (error) {
    throw new InvalidValueError(option, error instanceof Error ? error.message : String(error));
  }
}

function token(options: ConnectOptions, variable: Variable): TokenSource | undefined {
  const given = options.token !== undefined || options.apiKey !== undefined;
  const bearer = given ? options.token : variable("TENURE_TOKEN");
  const apiKey = given ? options.apiKey : variable("TENURE_API_KEY");
  if (bearer !== undefined && apiKey !== undefined) {
    throw given
      ? new InvalidValueError("token", "is given beside apiKey, and only one of them can be sent")
      : new InvalidValueError(
          "TENURE_TOKEN",
          "is set beside TENURE_API_KEY, and only one of them can be sent; unset one",
        );
  }
  return bearer ?? apiKey;
}

/** One without a scheme gets the one that the other options ask for. */
function addresses(servers: readonly string[], secured: boolean): string[] {
  const given = servers.map((server) => server.trim()).filter((server) => server !== "");
  if (given.length === 0) {
    throw new InvalidValueError("server", "no address was given");
  }
  return given.map((server) => {
    const address = server.includes("://") ? server : `${secured ? "https" : "http"}://${server}`;
    const url = URL.canParse(address) ? new URL(address) : undefined;
    if (url === undefined || url.hostname === "" || !["http:", "https:"].includes(url.protocol)) {
      throw new InvalidValueError(
        "server",
        `${server} is no address; write http://HOST:PORT or https://HOST:PORT`,
      );
    }
    if (secured && url.protocol === "http:") {
      throw new InvalidValueError(
        "server",
        `${server} is not encrypted, but certificates were given; write https://`,
      );
    }
    return url.origin;
  });
}

function count(option: string, value: number): number {
  if (!Number.isInteger(value) || value < 0) {
    throw new InvalidValueError(option, `${String(value)} is no number of times`);
  }
  return value;
}

function keepsSecrets(address: string): boolean {
  const { protocol, hostname } = new URL(address);
  return protocol === "https:" || /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(hostname);
}

function positive(option: string, value: number): number {
  if (!(value > 0)) {
    throw new InvalidValueError(option, `${String(value)} is not more than 0`);
  }
  return value;
}
