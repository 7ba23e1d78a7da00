// The same with Tenure's client: one call reads the session and slides it; another changes one key of it.

import { connect } from "../../../clients/typescript/dist/index.js";
import { medianMicros, rate } from "./rate.mjs";

const AT_ONCE = 64;
const seconds = Number(process.argv[2]);
const state = Object.fromEntries(Array.from({ length: 10 }, (_, n) => [`key-${n}`, "x".repeat(102)]));

const tenure = connect();
const sessions = tenure.namespace("bench").owner("acme", "ada");
const ids = [];
for (let n = 0; n < AT_ONCE; n++) {
  const created = await sessions.create({ state });
  ids.push((created.session ?? created).id);
}

const get = async (n) => {
  const session = await sessions.get(ids[n]);
  if (!session.state["key-0"]) throw new Error("no state");
};
const update = (n) => sessions.update(ids[n], { set: { "key-0": "y".repeat(102) } });
const getAndUpdate = async (n) => {
  await get(n);
  await update(n);
};

const found = {
  "tenure get": await rate(AT_ONCE, seconds, get),
  "tenure get and update": await rate(AT_ONCE, seconds, getAndUpdate),
  "tenure get, p50 us": await medianMicros(seconds, get),
};
for (const id of ids) await sessions.end(id);
tenure.close();
console.log(JSON.stringify(found));
