// Until when a call goes on.

import { Code, ConnectError } from "@connectrpc/connect";

/**
 * A call's deadline and its caller's signal in one. No `AbortSignal` by itself, since making one and listening to it takes
 * a tenth of what a call costs; there is one for what waits for something else than the answer.
 */
export class Limit {
  readonly #timer: NodeJS.Timeout | undefined;
  readonly #caller: AbortSignal | undefined;
  readonly #leave: (() => void) | undefined;
  #controller: AbortController | undefined;
  #over = false;
  #reason: unknown;
  #onOver: ((reason: unknown) => void) | undefined;

  constructor(timeoutMs: number | undefined, caller: AbortSignal | undefined) {
    caller?.throwIfAborted();
    if (timeoutMs !== undefined) {
      this.#timer = setTimeout(() => {
        this.#end(new ConnectError("the deadline passed", Code.DeadlineExceeded));
      }, timeoutMs);
    }
    if (caller !== undefined) {
      this.#caller = caller;
      this.#leave = () => {
        this.#end(caller.reason);
      };
      caller.addEventListener("abort", this.#leave);
    }
  }

  /** Whether the call has to end now. */
  get isOver(): boolean {
    return this.#over;
  }

  /** Why. */
  get reason(): unknown {
    return this.#reason;
  }

  /** Ends with this. */
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#over) {
        this.#controller.abort(this.#reason);
      }
    }
    return this.#controller.signal;
  }

  /** What is to be done then, instead of what was said before: one attempt follows the other. */
  whenOver(end: (reason: unknown) => void): void {
    this.#onOver = end;
    if (this.#over) {
      end(this.#reason);
    }
  }

  /** The call has ended by itself. */
  clear(): void {
    clearTimeout(this.#timer);
    if (this.#leave !== undefined) {
      this.#caller?.removeEventListener("abort", this.#leave);
    }
  }

  #end(reason: unknown): void {
    if (!this.#over) {
      this.#over = true;
      this.#reason = reason;
      this.#controller?.abort(reason);
      this.#onOver?.(reason);
    }
  }
}
