// Sessions with ioredis, as they are usually kept: a JSON document is read and written back with its TTL.

import { medianMicros, rate } from "./rate.mjs";

const { default: ioredis } = await import(process.env.IOREDIS);
const AT_ONCE = 64;
const [url, seconds] = [process.argv[2], Number(process.argv[3])];
const state = Object.fromEntries(Array.from({ length: 10 }, (_, n) => [`key-${n}`, "x".repeat(102)]));

const Redis = ioredis.default ?? ioredis;
const redis = new Redis(url);
for (let n = 0; n < AT_ONCE; n++) await redis.set(`session:${n}`, JSON.stringify(state), "EX", 900);

const getAndSet = async (n) => {
  const read = JSON.parse(await redis.get(`session:${n}`));
  await redis.set(`session:${n}`, JSON.stringify(read), "EX", 900);
};

const found = {
  "ioredis GET+SET": await rate(AT_ONCE, seconds, getAndSet),
  "ioredis GET+SET, p50 us": await medianMicros(seconds, getAndSet),
};
redis.disconnect();
console.log(JSON.stringify(found));
