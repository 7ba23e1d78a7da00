// What the client costs beside its bare stub: calls per second of both, over the same kind of connection, in
// turns, in one run.
//
//   npm run compile && npm run overhead [SECONDS_PER_TURN]

import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";

import { SessionService } from "tenure-client/stubs";

import { service } from "../test/service.js";

const seconds = Number(process.argv[2] ?? 1);
const turns = 7;
const atOnce = 16;

const running = await service();
const tenure = running.connect();
const sessions = tenure.namespace("bench").owner("acme", "ada");
const stub = createClient(SessionService, createGrpcTransport({ baseUrl: running.url }));
const place = { namespace: "bench", owner: { tenant: "acme", user: "ada" } };

const state = { filter: "open", page: 3, tags: ["a", "b", "c"], customer: { id: 4711, name: "Grüße" } };
const { id: sessionId } = await sessions.create({ state });

const cases: Record<string, [wrapped: () => Promise<unknown>, bare: () => Promise<unknown>]> = {
  get: [() => sessions.get(sessionId), () => stub.getSession({ ...place, sessionId })],
  update: [
    () => sessions.update(sessionId, { set: { page: 4 }, increment: { calls: 1 } }),
    () =>
      stub.updateSession({
        ...place,
        sessionId,
        set: { page: 4 },
        increment: { calls: 1n },
        requestId: crypto.randomUUID(),
      }),
  ],
};

let failed = false;
for (const [name, [wrapped, bare]] of Object.entries(cases)) {
  await rate(wrapped);
  await rate(bare);
  const ratios: number[] = [];
  const rates: [number, number][] = [];
  for (let turn = 0; turn < turns; turn++) {
    // The order changes with each turn: who comes first has no advantage.
    const first = await rate(turn % 2 === 0 ? wrapped : bare);
    const second = await rate(turn % 2 === 0 ? bare : wrapped);
    const pair: [number, number] = turn % 2 === 0 ? [first, second] : [second, first];
    rates.push(pair);
    ratios.push(pair[0] / pair[1]);
  }
  const ratio = median(ratios);
  const [client, stubs] = [median(rates.map(([rate]) => rate)), median(rates.map(([, rate]) => rate))];
  const overhead = (1 - ratio) * 100;
  failed ||= overhead >= 15;
  console.log(
    `${name}: client ${client.toFixed(0)}/s, bare stub ${stubs.toFixed(0)}/s, ` +
      `overhead ${overhead.toFixed(1)} % (median of ${String(turns)}; must stay under 15 %)`,
  );
}
tenure.close();
await running.stop();
process.exit(failed ? 1 : 0);

/** Calls per second, with so many at once. */
async function rate(call: () => Promise<unknown>): Promise<number> {
  let calls = 0;
  const start = performance.now();
  const end = start + seconds * 1000;
  const worker = async () => {
    while (performance.now() < end) {
      await call();
      calls++;
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  return calls / ((performance.now() - start) / 1000);
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}
