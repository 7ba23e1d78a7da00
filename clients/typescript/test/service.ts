// The real binary, as this repository builds it.

import { existsSync } from "node:fs";

import type { Service, ServiceOptions } from "tenure-client/testing";
import { startTenure } from "tenure-client/testing";

/** The package and the repository around it; the compiled tests are two levels down. */
export const packageRoot = new URL("../../", import.meta.url);
export const repository = new URL("../../", packageRoot);

const built = new URL("target/debug/tenure", repository).pathname;

/** TENURE_BIN, or the one that was built here, or the one in the PATH. */
export const binary = process.env["TENURE_BIN"] ?? (existsSync(built) ? built : "tenure");

/** Starts the binary. */
export function service(options: ServiceOptions = {}): Promise<Service> {
  return startTenure({ binary, ...options });
}
