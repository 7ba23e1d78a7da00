// Waiting that can be given up.

/** Waits for the promise, at most until the signal; what it waits for goes on for others. */
export function untilAborted<Value>(promise: Promise<Value>, signal: AbortSignal): Promise<Value> {
  return new Promise((resolve, reject) => {
    const end = () => {
      reject(signal.reason as Error);
    };
    if (signal.aborted) {
      end();
    }
    signal.addEventListener("abort", end, { once: true });
    promise.then(resolve, reject).finally(() => {
      signal.removeEventListener("abort", end);
    });
  });
}
