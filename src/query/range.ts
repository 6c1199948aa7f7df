// Range. Owns which positions a scan or aggregate covers: the words partition, from, to and prefix, turned into one range.
//   range tables: from (inclusive) and to (exclusive) are keys, whole or only their partition key; prefix is the beginning of a partition key
//   any table: with `partition`, all three speak of the sort key instead
// Without any of them it is the whole table.

import { compareBytes, emptyBytes } from "../kernel/bytes.js";
import { fail, ok, type Result } from "../kernel/fault.js";
import type { Hash } from "../kernel/hash.js";
import {
  decodeBound,
  decodeKeyValue,
  type KeyedTable,
  positionOfBound,
  rangeOfPartition,
  rangeOfPrefix,
} from "../table/key.js";
import type { KeyType, KeyValue, Position, PositionRange } from "../table/table.js";

export interface RangeWords {
  readonly partition?: unknown;
  readonly from?: unknown;
  readonly to?: unknown;
  readonly prefix?: unknown;
}

/** BAD_REQUEST for words that do not go together, BAD_KEY for values of the wrong type. */
export function decodeRange(table: KeyedTable, words: RangeWords, hash: Hash): Result<PositionRange> {
  const { partition, from, to, prefix } = words;
  const narrows = from !== undefined || to !== undefined || prefix !== undefined;
  if (prefix !== undefined && (from !== undefined || to !== undefined))
    return fail("BAD_REQUEST", "give either prefix, or from and to");
  if (partition !== undefined) return inPartition(table, words, narrows, hash);
  if (!narrows) return ok({ from: emptyBytes, to: undefined });
  if (table.partitioning === "hash")
    return fail(
      "BAD_REQUEST",
      "this table is partitioned by hash, so its keys lie in no order that from, to or prefix could cut; name a partition to bound its sort keys, or scan the whole table, with a filter",
    );
  if (prefix !== undefined) return ofPrefix(emptyBytes, table.key.partition, prefix);
  return between(boundAt(table, from, "from", hash), boundAt(table, to, "to", hash), {
    from: emptyBytes,
    to: undefined,
  });
}

function inPartition(table: KeyedTable, words: RangeWords, narrows: boolean, hash: Hash): Result<PositionRange> {
  const partition = decodeKeyValue(table.key.partition, words.partition, "partition");
  if (!partition.ok) return partition;
  const whole = rangeOfPartition(table, partition.value, hash);
  if (!whole.ok || !narrows) return whole;
  const { sort } = table.key;
  if (sort === undefined)
    return fail(
      "BAD_REQUEST",
      "this table has no sort key, so from, to and prefix cannot narrow a partition; leave them out, or use get",
    );
  if (words.prefix !== undefined) return ofPrefix(whole.value.from, sort, words.prefix);
  const bound = (given: unknown, name: string) => sortBound(table, partition.value, sort, given, name, hash);
  return between(bound(words.from, "from"), bound(words.to, "to"), whole.value);
}

type Bound = Result<Position | undefined>;

function boundAt(table: KeyedTable, given: unknown, name: string, hash: Hash): Bound {
  if (given === undefined) return ok(undefined);
  const values = decodeBound(table, given, name);
  return values.ok ? positionOfBound(table, values.value, hash) : values;
}

function sortBound(
  table: KeyedTable,
  partition: KeyValue,
  sort: KeyType,
  given: unknown,
  name: string,
  hash: Hash,
): Bound {
  if (given === undefined) return ok(undefined);
  const value = decodeKeyValue(sort, given, `${name} (a sort key, because partition is given)`);
  return value.ok ? positionOfBound(table, [partition, value.value], hash) : value;
}

function between(from: Bound, to: Bound, whole: PositionRange): Result<PositionRange> {
  if (!from.ok) return from;
  if (!to.ok) return to;
  if (from.value !== undefined && to.value !== undefined && compareBytes(from.value, to.value) > 0)
    return fail(
      "BAD_REQUEST",
      "from comes after to; from is inclusive, to exclusive, in key order also for a reverse scan",
    );
  return ok({ from: from.value ?? whole.from, to: to.value ?? whole.to });
}

function ofPrefix(before: Position, type: KeyType, given: unknown): Result<PositionRange> {
  if (type === "number" || type === "date")
    return fail(
      "BAD_REQUEST",
      `prefix needs keys that have a beginning: strings, bytes or tuples, not a ${type}; use from and to`,
    );
  const prefix = decodeKeyValue(type, given, "prefix");
  return prefix.ok ? rangeOfPrefix(before, prefix.value) : prefix;
}
