// Witness. Owns what only the simulator can see of a run: every record that was ever stored, in order, also those that are trimmed or lost by now.

import type { LogServer, Stored } from "../log.js";

export interface Witness {
  /** Records by stream, in the order in which they were stored. */
  readonly records: ReadonlyMap<string, readonly Stored[]>;
}

export function witnessOf(log: LogServer): Witness {
  const records = new Map<string, Stored[]>();
  log.onStored.push((stream, record) => {
    const list = records.get(stream);
    if (list === undefined) records.set(stream, [record]);
    else list.push(record);
  });
  return { records };
}
