// The client, and one namespace of it.

import type { Invalidated, InvalidateOptions } from "./invalidate.js";
import { invalidate } from "./invalidate.js";
import type { Owner, OwnerInput, Selector } from "./session.js";
import { checkedOwner } from "./session.js";
import { Sessions } from "./sessions.js";
import { checkedText } from "./state.js";
import type { WatchOptions } from "./watch.js";
import { Watch } from "./watch.js";
import type { TokenSource, Wire } from "./wire.js";

/** A connection to Tenure. It is made by the first call and made anew when it was lost. */
export class Tenure {
  readonly #wire: Wire;

  /** @internal */
  constructor(wire: Wire) {
    this.#wire = wire;
  }

  /** One fleet of MCP servers. Nothing crosses from one namespace to another. */
  namespace(name: string): Namespace {
    return new Namespace(this.#wire, checkedText("namespace", name));
  }

  /** Closes all connections; calls in progress fail. */
  close(): void {
    this.#wire.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** What else is known of an owner. */
export interface OwnerOptions {
  /** Who vouches for the user. */
  readonly issuer?: string | undefined;
  /** The user's own access token, or what gives it for each request: for namespaces that want owners proved. */
  readonly userToken?: TokenSource | undefined;
}

/** One namespace. */
export class Namespace {
  readonly #wire: Wire;
  /** Its name. */
  readonly name: string;

  /** @internal */
  constructor(wire: Wire, name: string) {
    this.#wire = wire;
    this.name = name;
  }

  /** The sessions of one owner. */
  owner(tenant: string, user: string, { issuer = "", userToken }: OwnerOptions = {}): Sessions {
    const wire = userToken === undefined ? this.#wire : this.#wire.proving(userToken);
    return new Sessions(wire, this.name, checkedOwner({ tenant, user, issuer }));
  }

  /** Ends every session that the selector covers, at once and everywhere. */
  invalidate(selector: Selector, options: InvalidateOptions = {}): Promise<Invalidated> {
    return invalidate(this.#wire, this.name, selector, options);
  }

  /** The lifecycle events of the namespace, of all owners or of one. */
  watch(options: WatchOptions & { readonly owner?: OwnerInput | undefined } = {}): Watch {
    const owner: Owner | undefined = options.owner && checkedOwner(options.owner);
    return new Watch(this.#wire, this.name, owner, options);
  }
}
