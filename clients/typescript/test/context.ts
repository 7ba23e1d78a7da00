// The smallest context manager for the trace tests.

import { AsyncLocalStorage } from "node:async_hooks";

import type { Context, ContextManager } from "@opentelemetry/api";
import { ROOT_CONTEXT } from "@opentelemetry/api";

export class AsyncLocalStorageContextManager implements ContextManager {
  readonly #storage = new AsyncLocalStorage<Context>();

  active(): Context {
    return this.#storage.getStore() ?? ROOT_CONTEXT;
  }

  with<Arguments extends unknown[], Callback extends (...args: Arguments) => ReturnType<Callback>>(
    context: Context,
    callback: Callback,
    self?: ThisParameterType<Callback>,
    ...args: Arguments
  ): ReturnType<Callback> {
    return this.#storage.run(context, () => callback.apply(self, args));
  }

  bind<Target>(_: Context, target: Target): Target {
    return target;
  }

  enable(): this {
    return this;
  }

  disable(): this {
    return this;
  }
}
