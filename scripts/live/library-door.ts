// Library door. Owns the same way to ask through the client library, whose built-in router goes straight to the nodes.

import { type BatchStep, connect, FaultError, type Key, type Table } from "../../cluster/client/index.js";
import type { AggregateOptions } from "../../cluster/client/table.js";
import type { TryOutcome } from "../../src/verify/attempt.js";
import type { Door, Gate } from "./door.js";

type Body = Readonly<Record<string, unknown>>;
type Ask = (table: Table, body: Body) => Promise<object>;

// The bodies are made by this program's own workload; the library checks nothing of them and the cluster checks all.
const asks: Readonly<Record<string, Ask>> = {
  get: async (table, { key, ...more }) => ({ row: await table.get(key as Key, more) }),
  getMany: async (table, { keys, ...more }) => ({ rows: await table.getMany(keys as Key[], more) }),
  put: (table, { key, doc, ...more }) => table.put(key as Key, doc as Body, more),
  insert: (table, { key, doc, ...more }) => table.insert(key as Key, doc as Body, more),
  update: (table, { key, patch, ...more }) => table.update(key as Key, patch as Body, more),
  delete: (table, { key, ...more }) => table.delete(key as Key, more),
  batch: (table, { ops, ...more }) => table.batch(ops as BatchStep<Body>[], more),
  scan: (table, body) => table.page(body),
  aggregate: (table, body) => table.aggregate(body as unknown as AggregateOptions),
};

export async function openLibraryDoor({ servers, user, pass }: Gate): Promise<Pick<Door, "query" | "close">> {
  const login = `${encodeURIComponent(user)}:${encodeURIComponent(pass)}`;
  const client = await connect({
    servers: servers.map((server) => `nats://${login}@${server}`),
    name: "foreshard-trial-library",
  });
  return {
    async query(name, op, body): Promise<TryOutcome> {
      const ask = asks[op];
      if (ask === undefined) throw new Error(`the library has no ${op}`);
      try {
        return { kind: "answer", body: await ask(client.table(name), { ...body }) };
      } catch (error) {
        if (!(error instanceof FaultError)) throw error;
        return { kind: "answer", body: { fault: { code: error.code, message: error.message } } };
      }
    },
    close: () => client.close(),
  };
}
