// Table names. Owns which tables have series of their own: the first `most` that were asked anything, for as long as the process lives; the rest is `other`.
// N1 the number of series is bounded however many tables there are. N2 a series that is there stays there: counters never go back.

import type { Census } from "../lookout/census.js";

export interface TableNames {
  /** Undefined: no such table is known (yet): its figures wait. */
  of(partition: number, table: number): string | undefined;
}

const most = 20;
export const otherTables = "other";

export function createTableNames(census: Census): TableNames {
  const named = new Map<string, string>();
  return {
    of(partition, table) {
      const key = `${partition} ${table}`;
      const known = named.get(key);
      if (known !== undefined) return known;
      const name = census.views().get(partition)?.tables.get(table)?.name;
      if (name === undefined) return undefined;
      const label = named.size < most ? name : otherTables;
      if (named.size < most) named.set(key, label);
      return label;
    },
  };
}
