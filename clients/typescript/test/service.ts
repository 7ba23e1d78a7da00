// The real binary, as this repository builds it.

import { existsSync } from "node:fs";

import type { Service, ServiceOptions } from "tenure-client/testing";
import { startTenure } from "tenure-client/testing";

/** The package and the repository around it; the compiled tests are two levels down. */
export const packageRoot = new URL("../../", import.meta.url);
export const repository = new URL("../../", packageRoot);

const built = new URL("target/debug/tenure", repository).pathname;

/** Starts the binary: TENURE_BIN, or the one that was built here, or the one in the PATH. */
export function service(options: ServiceOptions = {}): Promise<Service> {
  const binary = process.env["TENURE_BIN"] ?? (existsSync(built) ? built : "tenure");
  return startTenure({ binary, ...options });
}
