// Workload. Owns what test clients ask: every operation of the query language on a known set of keys, with texts that are written only once.
// K1 no two writes ever write the same text to one field of one row: what a read saw tells which write it saw.
// K2 the keys are few and known, so that scans and counts can be judged against all of them.

import type { Random } from "../kernel/random.js";
import type { Fields, Input, Key, Level, Step } from "./history.js";

export interface WorkloadTable {
  readonly name: string;
  readonly partitioning: "hash" | "range";
  /** Users' key values: partitions are strings in a hash table, numbers in a range table. */
  readonly partitions: number;
  /** Sort keys 0 … sorts - 1 under each partition; 0 = no sort key. */
  readonly sorts: number;
}

export interface WorkloadOptions {
  readonly tables: readonly WorkloadTable[];
  /** Share of operations that go to the first partition of the first table. */
  readonly hot: number;
  readonly maxStaleMs: number;
  /** Share of reads that need not be strong. */
  readonly relaxed: number;
}

/** A client's next request: where it goes, what it says, and what it means to the checkers. */
export interface Plan {
  readonly table: string;
  readonly op: string;
  readonly body: Readonly<Record<string, unknown>>;
  readonly input: Input;
}

export interface Workload {
  next(client: number): Plan;
  /** Tells what a client learned of a row, so that later conditional writes can name its version. */
  learn(key: Key, version: number): void;
  /** Strong reads of every key: the last word of a run. */
  finalReads(): readonly Plan[];
  readonly keys: readonly Key[];
}

/** A row as users name it. */
interface Place {
  readonly table: WorkloadTable;
  readonly partition: number;
  readonly sort: number | undefined;
}

type Chooser = (client: number) => Plan;

const finalBatch = 20;

export function createWorkload(random: Random, options: WorkloadOptions): Workload {
  const known = new Map<Key, number>();
  const keys = options.tables.flatMap((table) => allPlaces(table).map(keyOf));
  let texts = 0;
  let requests = 0;

  const menu: readonly (readonly [number, Chooser])[] = [
    [30, planGet],
    [6, planGetMany],
    [16, (client) => planWrite(client, "put")],
    [6, (client) => planWrite(client, "insert")],
    [12, (client) => planWrite(client, "update")],
    [8, (client) => planWrite(client, "delete")],
    [8, planConditional],
    [8, planBatch],
    [4, planScan],
    [3, planCount],
  ];
  const total = menu.reduce((sum, [weight]) => sum + weight, 0);

  function text(client: number): string {
    return `${client}.${++texts}`;
  }
  function tableAny(): WorkloadTable {
    return pick(options.tables);
  }
  function pick<T>(list: readonly T[]): T {
    const chosen = list[random.below(list.length)];
    if (chosen === undefined) throw new Error("a workload needs tables and keys");
    return chosen;
  }
  function placeAny(): Place {
    const hot = random.next() < options.hot;
    const table = hot ? (options.tables[0] ?? tableAny()) : tableAny();
    return placeIn(table, hot ? 0 : random.below(table.partitions));
  }
  function placeIn(table: WorkloadTable, partition: number): Place {
    return { table, partition, sort: table.sorts === 0 ? undefined : random.below(table.sorts) };
  }
  function levelAny(): How {
    if (random.next() >= options.relaxed) return strong;
    if (random.next() < 0.3) return { level: "any", maxStaleMs: 0 };
    return { level: "bounded", maxStaleMs: options.maxStaleMs };
  }

  function planGet(): Plan {
    const place = placeAny();
    const how = levelAny();
    const input: Input = { op: "get", key: keyOf(place), ...how };
    return { table: place.table.name, op: "get", body: { key: userKey(place), ...asked(how) }, input };
  }
  function planGetMany(): Plan {
    const table = tableAny();
    const places = Array.from({ length: 1 + random.below(6) }, () => placeIn(table, random.below(table.partitions)));
    return manyOf(table, places, levelAny());
  }
  function writeOf(table: WorkloadTable, op: string, steps: readonly Step[], body: Plan["body"]): Plan {
    const requestId = `w${++requests}-${random.hex(4)}`;
    return { table: table.name, op, body: { ...body, requestId }, input: { op: "write", steps, requestId } };
  }
  function fieldsFor(act: Step["act"], client: number): Fields {
    if (act === "delete") return {};
    if (act === "update") return random.next() < 0.5 ? { a: text(client) } : { b: text(client) };
    return { a: text(client), b: text(client) };
  }
  function planWrite(client: number, act: Step["act"]): Plan {
    const place = placeAny();
    const fields = fieldsFor(act, client);
    const body = { key: userKey(place), ...documentFor(act, fields) };
    return writeOf(place.table, act, [{ key: keyOf(place), act, fields }], body);
  }
  function planConditional(client: number): Plan {
    const place = placeAny();
    const key = keyOf(place);
    const act = random.next() < 0.7 ? "put" : random.next() < 0.5 ? "update" : "delete";
    const ifVersion = random.next() < 0.1 ? 0 : (known.get(key) ?? 0);
    const fields = fieldsFor(act, client);
    const body = { key: userKey(place), ifVersion, ...documentFor(act, fields) };
    return writeOf(place.table, act, [{ key, act, fields, ifVersion }], body);
  }
  function planBatch(client: number): Plan {
    const sorted = options.tables.filter((table) => table.sorts > 1);
    if (sorted.length === 0) return planWrite(client, "put");
    const table = pick(sorted);
    const partition = random.next() < options.hot ? 0 : random.below(table.partitions);
    const sorts = new Set(Array.from({ length: 2 + random.below(4) }, () => random.below(table.sorts)));
    const steps: Step[] = [];
    const ops: object[] = [];
    for (const sort of sorts) {
      const place: Place = { table, partition, sort };
      const act = random.next() < 0.8 ? "put" : "delete";
      const fields = fieldsFor(act, client);
      steps.push({ key: keyOf(place), act, fields });
      ops.push({ op: act, key: userKey(place), ...documentFor(act, fields) });
    }
    return writeOf(table, "batch", steps, { ops });
  }
  function rangeOf(table: WorkloadTable, partition: number | undefined): Place[] {
    return allPlaces(table).filter((place) => partition === undefined || place.partition === partition);
  }
  function planScan(): Plan {
    const { table, partition, body } = rangeAny();
    const how = levelAny();
    const reverse = random.next() < 0.3;
    const places = rangeOf(table, partition);
    if (reverse) places.reverse();
    const limit = random.next() < 0.5 ? 3 + random.below(10) : 1000;
    const input: Input = { op: "scan", keys: places.map(keyOf), ...how };
    return { table: table.name, op: "scan", body: { ...body, limit, reverse, ...asked(how) }, input };
  }
  function planCount(): Plan {
    const { table, partition, body } = rangeAny();
    const how = levelAny();
    const input: Input = { op: "count", keys: rangeOf(table, partition).map(keyOf), ...how };
    const aggregates = [{ fn: "count", as: "n" }];
    return { table: table.name, op: "aggregate", body: { ...body, aggregates, ...asked(how) }, input };
  }
  /** One partition, or all of a range table: a hash table's whole order is not the users' order. */
  function rangeAny(): { table: WorkloadTable; partition: number | undefined; body: object } {
    const table = tableAny();
    if (table.partitioning === "range" && random.next() < 0.6) return { table, partition: undefined, body: {} };
    const partition = random.below(table.partitions);
    return { table, partition, body: { partition: userPartition(table, partition) } };
  }

  return {
    keys,
    next(client) {
      let at = random.below(total);
      for (const [weight, plan] of menu) {
        if (at < weight) return plan(client);
        at -= weight;
      }
      return planGet();
    },
    learn(key, version) {
      known.set(key, Math.max(version, known.get(key) ?? 0));
    },
    finalReads() {
      return options.tables.flatMap((table) => {
        const places = allPlaces(table);
        const batches = Array.from({ length: Math.ceil(places.length / finalBatch) }, (_, at) =>
          places.slice(at * finalBatch, (at + 1) * finalBatch),
        );
        return batches.map((batch) => manyOf(table, batch, strong));
      });
    },
  };
}

interface How {
  readonly level: Level;
  readonly maxStaleMs: number;
}
const strong: How = { level: "strong", maxStaleMs: 0 };

/** A read level as a request spells it. */
function asked({ level, maxStaleMs }: How): object {
  return level === "bounded" ? { level, maxStaleMs } : { level };
}

function manyOf(table: WorkloadTable, places: readonly Place[], how: How): Plan {
  const input: Input = { op: "getMany", keys: places.map(keyOf), ...how };
  return { table: table.name, op: "getMany", body: { keys: places.map(userKey), ...asked(how) }, input };
}

function documentFor(act: Step["act"], fields: Fields): object {
  if (act === "delete") return {};
  return act === "update" ? { patch: fields } : { doc: fields };
}

/** Every place of a table, in the order of its keys within a partition and, for range tables, over all. */
function allPlaces(table: WorkloadTable): Place[] {
  const places: Place[] = [];
  for (let partition = 0; partition < table.partitions; partition++) {
    if (table.sorts === 0) places.push({ table, partition, sort: undefined });
    for (let sort = 0; sort < table.sorts; sort++) places.push({ table, partition, sort });
  }
  return places;
}

function userPartition(table: WorkloadTable, partition: number): string | number {
  return table.partitioning === "hash" ? `p${partition}` : partition;
}

function userKey({ table, partition, sort }: Place): unknown {
  const first = userPartition(table, partition);
  return sort === undefined ? first : [first, sort];
}

function keyOf({ table, partition, sort }: Place): Key {
  return spellKey(table.name, userPartition(table, partition), sort);
}

/** The name of a row from its key as answers show it. */
export function keyFromAnswer(table: string, key: unknown): Key {
  return Array.isArray(key) ? spellKey(table, String(key[0]), Number(key[1])) : spellKey(table, String(key), undefined);
}

function spellKey(table: string, partition: string | number, sort: number | undefined): Key {
  return sort === undefined ? `${table}/${partition}` : `${table}/${partition}/${sort}`;
}
