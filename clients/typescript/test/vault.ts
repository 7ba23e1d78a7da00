// As much of CredentialService as a refresh needs: one credential, one lease at a time.

import { randomUUID } from "node:crypto";
import { EventEmitter, once } from "node:events";

import type { MessageInitShape } from "@bufbuild/protobuf";
import type { ServiceImpl } from "@connectrpc/connect";
import { Code } from "@connectrpc/connect";
import type { CredentialSchema, CredentialService } from "tenure-client/stubs";

import { refusal } from "./scripted.js";

/** One credential, with leases. */
export class Vault {
  credential: MessageInitShape<typeof CredentialSchema> = {};
  version = 0n;
  lease = "";
  completions = 0;
  readonly #changed = new EventEmitter().setMaxListeners(100);
  readonly methods: Partial<ServiceImpl<typeof CredentialService>> = {
    putCredential: ({ credential }) => this.#store(credential ?? {}),
    getCredential: () => ({ credential: this.credential, version: this.version }),
    beginRefresh: async ({ staleVersion }) => {
      const { credential, version } = this;
      while (this.lease !== "" && this.version === staleVersion) {
        await once(this.#changed, "change");
      }
      if (this.version > staleVersion) {
        const refreshed = { credential: this.credential, version: this.version };
        return { outcome: { case: "refreshed", value: refreshed } };
      }
      this.lease = randomUUID();
      return { outcome: { case: "lease", value: { leaseId: this.lease, credential, version } } };
    },
    completeRefresh: ({ leaseId, credential }) => {
      this.completions++;
      if (leaseId !== this.lease) {
        throw refusal(Code.Aborted, "REFRESH_LEASE_LOST");
      }
      this.lease = "";
      return this.#store(credential ?? {});
    },
    abandonRefresh: ({ leaseId }) => {
      this.lease = leaseId === this.lease ? "" : this.lease;
      this.#changed.emit("change");
      return {};
    },
  };

  #store(credential: MessageInitShape<typeof CredentialSchema>): { version: bigint } {
    this.credential = credential;
    this.version++;
    this.#changed.emit("change");
    return { version: this.version };
  }
}
