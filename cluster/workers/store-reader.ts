// Store reader. Owns the way in which a worker thread reads a node's LMDB: one read transaction, told to the writer as soon as it is there, closed after the job.
// R1 nothing is ever written here, and the environment is closed by the thread that opened it: FACTS, lmdb in threads.
// R2 a value that does not fit its seal is read as one that no sound copy can have: digests show it, and the copy is mended where a reader of the node would have to stop.

import type { MessagePort } from "node:worker_threads";
import { open } from "lmdb";
import type { Store } from "../../src/fragment/store.js";
import type { Result } from "../../src/kernel/fault.js";
import { unseal } from "../world/seal.js";

export interface StoreToRead {
  readonly dir: string;
  readonly port: MessagePort;
  readonly stop: Int32Array;
}

export async function onStoreAt(
  { dir, port, stop }: StoreToRead,
  job: (store: Store, stopped: () => boolean) => Result<unknown>,
): Promise<Result<unknown>> {
  try {
    const db = open<Buffer, Buffer>({
      path: dir,
      keyEncoding: "binary",
      encoding: "binary",
      readOnly: true,
      cache: false,
    });
    try {
      db.resetReadTxn();
      const transaction = db.useReadTransaction();
      try {
        const store: Store = {
          get(key) {
            const sealed = db.get(bufferOf(key), { transaction });
            return sealed === undefined ? undefined : unseal(key, sealed);
          },
          *range(from, to) {
            for (const { key, value } of db.getRange({ start: bufferOf(from), end: bufferOf(to), transaction }))
              yield { key, value: unseal(key, value) ?? Buffer.concat([value, damaged]) };
          },
        };
        // The first read begins the transaction.
        store.get(Uint8Array.of(0));
        port.postMessage("opened");
        return job(store, () => Atomics.load(stop, 0) !== 0);
      } finally {
        transaction.done();
      }
    } finally {
      await db.close();
    }
  } finally {
    port.close();
  }
}

const damaged = Buffer.from("damaged");

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
