// All cases of tests/vectors, against the real binary, through the client's public API.

import { randomBytes } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { after, before, describe, it } from "node:test";
import { setTimeout as pause } from "node:timers/promises";

import type { Tenure, Watch } from "tenure-client";
import type { Service } from "tenure-client/testing";

import { call, errorFields, itemFields } from "../interop/calls.js";
import type { Fields, Value } from "../interop/values.js";
import { isFields, mapValues, meant } from "../interop/values.js";
import { matched } from "./match.js";
import { repository, service } from "./service.js";

interface Step {
  readonly do: string;
  readonly as?: string;
  readonly namespace?: string;
  readonly with?: Fields;
  readonly save?: string;
  readonly expect?: Fields;
  readonly expect_error?: Fields;
  readonly eventually?: number;
}

interface Case {
  readonly name: string;
  readonly token?: string;
  readonly namespace?: string;
  readonly owners?: Record<string, { tenant?: string; user?: string; issuer?: string; user_token?: string }>;
  readonly needs?: readonly string[];
  readonly steps: readonly Step[];
}

/** What JavaScript has a value for: everything. */
const expressible = new Set(["nan", "big_integers", "lone_surrogates", "symbols"]);

const vectors = new URL("tests/vectors/", repository);
const files = readdirSync(new URL("cases/", vectors)).filter((name) => name.endsWith(".json"));
const defaultOwners = { ada: { tenant: "acme-${run}", user: "ada", issuer: "https://id.example" } };
const tokens = JSON.parse(readFileSync(new URL("servers/tokens.json", vectors), "utf8")) as Fields;
const itemPatienceMs = 5000;

for (const file of files.sort()) {
  const { server, cases } = JSON.parse(readFileSync(new URL(`cases/${file}`, vectors), "utf8")) as {
    server: string;
    cases: Case[];
  };
  describe(file, () => {
    let running: Service;
    const clients = new Map<string | undefined, Tenure>();
    const clientOf = (token: string | undefined): Tenure => {
      const client = clients.get(token) ?? running.connect({ token });
      clients.set(token, client);
      return client;
    };

    before(async () => {
      running = await service({ config: `${server}.toml`, cwd: new URL("servers/", vectors).pathname });
    });

    after(async () => {
      for (const client of clients.values()) {
        client.close();
      }
      await running.stop();
    });

    for (const one of cases) {
      const needs = (one.needs ?? []).filter((need) => !expressible.has(need));
      it(one.name, { skip: needs.length > 0 }, async () => {
        const play = new Play(clientOf, one);
        try {
          for (const [index, step] of one.steps.entries()) {
            await play.step(step, `step ${String(index + 1)} (${step.do})`);
          }
        } finally {
          play.end();
        }
      });
    }
  });
}

/** One run of a case. */
class Play {
  readonly #tenure: Tenure;
  readonly #case: Case;
  readonly #saved = new Map<string, Value>([
    ["run", run()],
    ["tokens", tokens],
  ]);
  readonly #watches = new Map<string, Watch>();

  constructor(clientOf: (token: string | undefined) => Tenure, one: Case) {
    this.#case = one;
    this.#tenure = clientOf(this.#filled(one.token) as string | undefined);
  }

  async step(step: Step, where: string): Promise<void> {
    const until = performance.now() + (step.eventually ?? 0) * 1000;
    for (;;) {
      try {
        await this.#once(step, where);
        return;
      } catch (error) {
        if (performance.now() >= until) {
          throw error;
        }
        await pause(50);
      }
    }
  }

  async #once(step: Step, where: string): Promise<void> {
    const with_ = meant(this.#filled(step.with ?? {})) as Fields;
    let answer: Fields;
    try {
      answer = await this.#answer(step, with_);
    } catch (error) {
      if (step.expect_error === undefined) {
        throw error;
      }
      matched(errorFields(error), meant(this.#filled(step.expect_error)), where);
      return;
    }
    if (step.expect_error !== undefined) {
      throw new Error(`${where}: expected ${JSON.stringify(step.expect_error)}, but it succeeded`);
    }
    if (step.save !== undefined) {
      this.#saved.set(step.save, answer);
    }
    matched(answer, meant(this.#filled(step.expect ?? {})), where);
  }

  #answer(step: Step, with_: Fields): Promise<Fields> {
    const namespace = this.#tenure.namespace(
      String(this.#filled(step.namespace ?? this.#case.namespace ?? "v-${run}")),
    );
    const owners = this.#filled(this.#case.owners ?? defaultOwners) as NonNullable<Case["owners"]>;
    const owner = owners[step.as ?? Object.keys(owners)[0] ?? ""];
    if (owner === undefined) {
      throw new Error(`there is no owner ${String(step.as)}`);
    }
    const { tenant = "", user = "", issuer, user_token: userToken } = owner;
    const sessions = namespace.owner(tenant, user, { issuer, userToken });
    switch (step.do) {
      case "watch": {
        const { scope, ...options } = with_;
        const watch = scope === "owner" ? sessions.watch(options) : namespace.watch(options);
        this.#watches.set(step.save ?? "", watch);
        return watch.started().then(() => ({ cursor: watch.cursor }));
      }
      case "events":
        return this.#events(String(with_["watch"]), Number(with_["count"]));
      case "stop_watch":
        this.#watches.get(String(with_["watch"]))?.close();
        return Promise.resolve({});
      default:
        return call(step.do, { namespace, sessions }, with_);
    }
  }

  async #events(name: string, count: number): Promise<Fields> {
    const watch = this.#watches.get(name);
    if (watch === undefined) {
      throw new Error(`there is no watch ${name}`);
    }
    const deadline = new AbortController();
    const events: Fields[] = [];
    const late = pause(itemPatienceMs, "late" as const, { signal: deadline.signal }).catch(
      () => "late" as const,
    );
    while (events.length < count) {
      const item = await Promise.race([watch.next(), late]);
      if (item === "late" || item.done === true) {
        throw new Error(`${String(events.length)} of ${String(count)} items came: ${JSON.stringify(events)}`);
      }
      events.push(itemFields(item.value));
    }
    deadline.abort();
    return { events, cursor: watch.cursor };
  }

  end(): void {
    for (const watch of this.#watches.values()) {
      watch.close();
    }
  }

  /** With the references replaced. */
  #filled(value: Value): Value {
    if (typeof value === "string") {
      const whole = /^\$\{([^}]+)\}$/.exec(value);
      return whole === null
        ? value.replaceAll(/\$\{([^}]+)\}/g, (_, path: string) => String(this.#referred(path)))
        : this.#referred(whole[1] ?? "");
    }
    if (Array.isArray(value)) {
      return value.map((item) => this.#filled(item));
    }
    return isFields(value) ? mapValues(value, (part) => this.#filled(part)) : value;
  }

  #referred(path: string): Value {
    const [name = "", ...keys] = path.split(".");
    const found = keys.reduce<Value>(
      (value, key) => (value as Fields | undefined)?.[key],
      this.#saved.get(name),
    );
    if (found === undefined) {
      throw new Error(`nothing was saved as ${path}`);
    }
    return found;
  }
}

function run(): string {
  return randomBytes(6).toString("hex");
}
