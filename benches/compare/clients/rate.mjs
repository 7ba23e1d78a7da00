// How often something can be done in a while, by so many at once; and how long it takes one at a time. Both once the code is
// compiled: in its first second Node.js does a third of what it does after that.

const warmUpSeconds = 1;

export async function rate(atOnce, seconds, operation) {
  await counted(atOnce, warmUpSeconds, operation);
  return counted(atOnce, seconds, operation);
}

async function counted(atOnce, seconds, operation) {
  let done = 0;
  const started = performance.now();
  const end = started + seconds * 1000;
  const task = async (n) => {
    while (performance.now() < end) {
      await operation(n);
      done += 1;
    }
  };
  await Promise.all(Array.from({ length: atOnce }, (_, n) => task(n)));
  return done / ((performance.now() - started) / 1000);
}

export async function medianMicros(seconds, operation) {
  const times = [];
  const end = performance.now() + seconds * 1000;
  while (performance.now() < end) {
    const before = performance.now();
    await operation(0);
    times.push((performance.now() - before) * 1000);
  }
  times.sort((a, b) => a - b);
  return times[times.length >> 1];
}
