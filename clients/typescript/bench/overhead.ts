// What the client costs beside a stub over connect-es: calls per second of both, over the same kind of connection, in
// turns, in one run, with the same deadline; and this process' own CPU time for each call, which a slow service cannot hide.
//
//   npm run compile && npm run overhead [SECONDS_PER_TURN]

import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";

import { SessionService } from "tenure-client/stubs";

import { service } from "../test/service.js";

// Many short turns: what else the machine does falls on both alike.
const seconds = Number(process.argv[2] ?? 0.25);
const turns = 31;
const atOnce = 16;

const running = await service();
const tenure = running.connect();
const sessions = tenure.namespace("bench").owner("acme", "ada");
const stub = createClient(
  SessionService,
  createGrpcTransport({ baseUrl: running.url, defaultTimeoutMs: 10_000 }),
);
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
  const pairs: { client: Rate; stub: Rate }[] = [];
  for (let turn = 0; turn < turns; turn++) {
    // The order changes with each turn: who comes first has no advantage.
    const first = await rate(turn % 2 === 0 ? wrapped : bare);
    const second = await rate(turn % 2 === 0 ? bare : wrapped);
    pairs.push(turn % 2 === 0 ? { client: first, stub: second } : { client: second, stub: first });
  }
  const overhead = (1 - median(pairs.map(({ client, stub }) => client.perSecond / stub.perSecond))) * 100;
  const cpu = (median(pairs.map(({ client, stub }) => client.cpuMicros / stub.cpuMicros)) - 1) * 100;
  failed ||= overhead >= 15;
  const shown = (rates: readonly Rate[]) => {
    const perSecond = median(rates.map((rate) => rate.perSecond)).toFixed(0);
    return `${perSecond}/s with ${median(rates.map((rate) => rate.cpuMicros)).toFixed(0)} us CPU each`;
  };
  console.log(
    `${name}: client ${shown(pairs.map(({ client }) => client))}, bare stub ${shown(pairs.map(({ stub }) => stub))}; ` +
      `overhead ${overhead.toFixed(1)} % in calls per second (must stay under 15 %), ${cpu.toFixed(1)} % in CPU time`,
  );
}
tenure.close();
await running.stop();
process.exit(failed ? 1 : 0);

interface Rate {
  readonly perSecond: number;
  readonly cpuMicros: number;
}

/** How fast it goes, with so many calls at once. */
async function rate(call: () => Promise<unknown>): Promise<Rate> {
  let calls = 0;
  const start = performance.now();
  const before = process.cpuUsage();
  const end = start + seconds * 1000;
  const worker = async () => {
    while (performance.now() < end) {
      await call();
      calls++;
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  const { user, system } = process.cpuUsage(before);
  return { perSecond: calls / ((performance.now() - start) / 1000), cpuMicros: (user + system) / calls };
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}
