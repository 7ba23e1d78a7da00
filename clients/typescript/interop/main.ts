// Reads one call per line on stdin and writes one answer per line on stdout: tests/vectors/README.md, Interop.

import { createInterface } from "node:readline";

import { connect } from "tenure-client";

import { call, errorFields } from "./calls.js";
import type { Fields } from "./values.js";
import { meant } from "./values.js";

interface Request {
  readonly do: string;
  readonly namespace: string;
  readonly owner: { readonly tenant?: string; readonly user?: string; readonly issuer?: string };
  readonly with?: Fields;
}

const tenure = connect(process.argv[2]);

for await (const line of createInterface({ input: process.stdin })) {
  if (line.trim() !== "") {
    console.log(JSON.stringify(await answer(JSON.parse(line) as Request)));
  }
}
tenure.close();

async function answer(request: Request): Promise<Fields> {
  const namespace = tenure.namespace(request.namespace);
  const { tenant = "", user = "", issuer } = request.owner;
  const sessions = namespace.owner(tenant, user, { issuer });
  try {
    return { answer: await call(request.do, { namespace, sessions }, meant(request.with ?? {}) as Fields) };
  } catch (error) {
    return { error: errorFields(error) };
  }
}
