// Create table. Owns the decoder of what a client asks for when it makes a table.

import { limits } from "../../src/config/limits.js";
import { fail, ok, type Result } from "../../src/kernel/fault.js";
import type { Hash } from "../../src/kernel/hash.js";
import type { AdminRequest } from "../../src/protocol/control.js";
import { isName } from "../../src/protocol/subjects.js";

import { decodeBound, splitRange } from "../../src/table/key.js";
import type { KeySchema, KeyType, Partitioning, RowKey } from "../../src/table/table.js";
import type { Fields } from "./cluster-ops.js";

export type CreateTable = Extract<AdminRequest, { kind: "createTable" }>;

const defaultFragments = 16;
const keyTypes: readonly KeyType[] = ["string", "number", "date", "bytes", "tuple", "any"];
const known: readonly string[] = ["name", "partitioning", "key", "fragments", "splitAt", "replicas", "deadlineMs"];

/** A checked table, node or member name in `body[field]`. */
export function nameIn(body: Fields, field: string): Result<string> {
  const name = body[field];
  if (name === undefined) return fail("BAD_REQUEST", `give the ${field} as {${field}}`);
  if (isName(name)) return ok(name);
  return fail(
    "BAD_NAME",
    `a ${field} begins with a letter and has letters, digits, _ and -, at most ${limits.nameLength}`,
    {
      limit: limits.nameLength,
    },
  );
}

export function createTableRequest(body: Fields, hash: Hash, defaultReplicas = 0): Result<CreateTable> {
  const stranger = Object.keys(body).find((field) => !known.includes(field));
  if (stranger !== undefined)
    return fail(
      "BAD_REQUEST",
      `createTable knows no field ${JSON.stringify(stranger.slice(0, 80))}; it knows ${known.join(", ")}`,
    );
  const name = nameIn(body, "name");
  if (!name.ok) return name;
  const partitioning = body.partitioning ?? "hash";
  if (partitioning !== "hash" && partitioning !== "range") return fail("BAD_REQUEST", "partitioning is hash or range");
  const key = keySchema(body.key);
  if (!key.ok) return key;
  const replicas = body.replicas ?? defaultReplicas;
  if (!isWhole(replicas) || replicas > limits.replicas)
    return fail("BAD_REQUEST", `replicas is a whole number from 0 (as many as fit, at most 3) to ${limits.replicas}`, {
      limit: limits.replicas,
    });
  const splitAt = cuts(partitioning, key.value, body.splitAt ?? [], hash);
  if (!splitAt.ok) return splitAt;
  const fragments = fragmentCount(partitioning, body.fragments, splitAt.value.length);
  if (!fragments.ok) return fragments;
  return ok({
    kind: "createTable",
    name: name.value,
    partitioning,
    key: key.value,
    fragments: fragments.value,
    splitAt: splitAt.value,
    replicas,
  });
}

/** `"string"`, `{partition, sort?}` or `["string", "date"]`; without any, string keys. */
function keySchema(given: unknown): Result<KeySchema> {
  if (given === undefined) return ok({ partition: "string" });
  if (isKeyType(given)) return ok({ partition: given });
  if (typeof given === "object" && given !== null) {
    const [partition, sort]: readonly unknown[] = Array.isArray(given)
      ? given
      : ["partition" in given ? given.partition : undefined, "sort" in given ? given.sort : undefined];
    if (isKeyType(partition) && (sort === undefined || sort === null)) return ok({ partition });
    if (isKeyType(partition) && isKeyType(sort)) return ok({ partition, sort });
  }
  return fail("BAD_REQUEST", `key is {partition, sort?}, each one of ${keyTypes.join(", ")}`);
}

function isKeyType(value: unknown): value is KeyType {
  return keyTypes.some((type) => type === value);
}

function isWhole(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

function fragmentCount(partitioning: Partitioning, given: unknown, splits: number): Result<number> {
  if (partitioning === "range") {
    if (given === undefined || given === splits + 1) return ok(splits + 1);
    return fail(
      "BAD_REQUEST",
      "a range table is cut at splitAt: it has one fragment more than cuts; leave fragments out",
    );
  }
  const fragments = given ?? defaultFragments;
  if (!isWhole(fragments) || fragments < 1 || fragments > limits.fragmentsPerTable)
    return fail("BAD_REQUEST", `fragments is a whole number from 1 to ${limits.fragmentsPerTable}`, {
      limit: limits.fragmentsPerTable,
    });
  return ok(fragments);
}

function cuts(partitioning: Partitioning, key: KeySchema, given: unknown, hash: Hash): Result<readonly RowKey[]> {
  if (!Array.isArray(given) || given.length >= limits.fragmentsPerTable)
    return fail("BAD_REQUEST", `splitAt is a list of fewer than ${limits.fragmentsPerTable} keys`, {
      limit: limits.fragmentsPerTable,
    });
  if (given.length > 0 && partitioning === "hash")
    return fail("BAD_REQUEST", "only range tables have splitAt; a hash table is cut evenly");
  const ranges = splitRange({ partitioning, key }, given, hash);
  if (!ranges.ok) return ranges;
  const decoded: RowKey[] = [];
  for (const [index, cut] of given.entries()) {
    const bound = decodeBound({ partitioning, key }, cut, `splitAt[${index}]`);
    if (!bound.ok) return bound;
    const [partition, sort] = bound.value;
    if (partition !== undefined) decoded.push(sort === undefined ? [partition] : [partition, sort]);
  }
  return ok(decoded);
}
