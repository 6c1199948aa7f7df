import assert from "node:assert/strict";
import fc from "fast-check";
import { limits } from "../../src/config/limits.js";
import { compareBytes } from "../../src/kernel/bytes.js";
import { fault } from "../../src/kernel/fault.js";
import type { ExecRequest, OpResult, ScanRow } from "../../src/protocol/exec.js";
import { encodeDocument } from "../../src/query/document.js";
import { positionOf } from "../../src/table/key.js";
import { hash, ScriptedWorld } from "./scripted-world.js";

type Op = ExecRequest["parts"][number]["ops"][number];

const encoded = encodeDocument({ n: 1 });
assert.ok(encoded.ok);
const document = encoded.value;
const key = { partition: "number" } as const;

function rowAt(value: number): ScanRow {
  const position = positionOf({ partitioning: "range", key }, [value], hash);
  assert.ok(position.ok);
  return { position: position.value, version: 1, document };
}

/** A node that holds `values` and gives at most `step` rows at once, as a slice of bounded time would. */
function holding(values: readonly number[], step: number): (op: Op) => OpResult {
  const rows = values.map(rowAt).sort((a, b) => compareBytes(a.position, b.position));
  return (op) => {
    assert.ok(op.op === "scan");
    const { from, to, reverse, limit } = op;
    const inside = rows.filter(
      ({ position }) => compareBytes(position, from) >= 0 && (to === undefined || compareBytes(position, to) < 0),
    );
    if (reverse) inside.reverse();
    const given = inside.slice(0, Math.min(limit, step));
    const last = given.at(-1);
    const after = inside[given.length];
    const next = after === undefined || last === undefined ? undefined : reverse ? last.position : after.position;
    return { op: "scan", rows: given, next };
  };
}

function readAll(
  values: readonly number[],
  splitAt: readonly number[],
  body: Record<string, unknown>,
  step: number,
): number[] {
  const world = new ScriptedWorld().begin();
  world.table({ name: "line", partitioning: "range", key, splitAt });
  const serve = holding(values, step);
  const seen: number[] = [];
  let cursor: unknown;
  for (let page = 0; page < 200; page++) {
    const id = world.ask("foreshard.query.line.scan", cursor === undefined ? body : { ...body, cursor });
    world.serveAll(serve);
    const answer = world.body(id);
    assert.ok(Array.isArray(answer.rows), JSON.stringify(answer));
    const rows = answer.rows as { key: number }[];
    assert.ok(rows.length <= Number(body.limit));
    seen.push(...rows.map((row) => row.key));
    cursor = answer.cursor;
    if (cursor === null) return seen;
    assert.ok(rows.length > 0, "a page that is not the last has rows");
  }
  return assert.fail("the scan does not end");
}

describe("router: scans", () => {
  it("reads no fragment for nothing: as many ahead as the page is likely to need, and the most where a filter decides", () => {
    const values = Array.from({ length: 400 }, (_, i) => i);
    const splitAt = Array.from({ length: 19 }, (_, i) => [20 * (i + 1)]);
    /** How many rows nodes gave for a page, and how many fragments were asked at once at most. */
    const cost = (body: Record<string, unknown>) => {
      const world = new ScriptedWorld().begin();
      world.table({ name: "line", partitioning: "range", key, splitAt });
      const serve = holding(values, 1000);
      let rows = 0;
      let most = 0;
      const id = world.ask("foreshard.query.line.scan", body);
      most = world.asks.length;
      world.serveAll((op) => {
        most = Math.max(most, world.asks.length);
        const result = serve(op);
        if (result.op === "scan") rows += result.rows.length;
        return result;
      });
      const answer = world.body(id);
      return { rows, most, got: (answer.rows as object[]).length };
    };
    assert.deepEqual(cost({ limit: 10 }), { rows: 10, most: 1, got: 10 });
    const wide = cost({ limit: 100 });
    assert.equal(wide.got, 100);
    assert.ok(wide.rows <= 120, `${wide.rows} rows read for 100`);
    const filtered = new ScriptedWorld().begin();
    filtered.table({ name: "line", partitioning: "range", key, splitAt });
    filtered.ask("foreshard.query.line.scan", { limit: 10, filter: { n: 2 } });
    assert.equal(filtered.asks.length, 4);
  });

  it("gives every row of the range once and in order, over all pages and fragments, in both directions", () => {
    const numbers = fc.uniqueArray(fc.integer({ min: -50, max: 50 }), { maxLength: 60 });
    const splits = fc.uniqueArray(fc.integer({ min: -50, max: 50 }), { maxLength: 6 });
    const bound = fc.option(fc.integer({ min: -60, max: 60 }), { nil: undefined });
    fc.assert(
      fc.property(
        numbers,
        splits,
        bound,
        bound,
        fc.boolean(),
        fc.integer({ min: 1, max: 20 }),
        fc.integer({ min: 1, max: 9 }),
        (values, cuts, a, b, reverse, limit, step) => {
          const [from, to] = a !== undefined && b !== undefined && a > b ? [b, a] : [a, b];
          const expected = values.filter((n) => (from === undefined || n >= from) && (to === undefined || n < to));
          expected.sort((x, y) => (reverse ? y - x : x - y));
          const body = { reverse, limit, ...(from === undefined ? {} : { from }), ...(to === undefined ? {} : { to }) };
          assert.deepEqual(
            readAll(
              values,
              cuts.sort((x, y) => x - y),
              body,
              step,
            ),
            expected,
          );
        },
      ),
      { numRuns: 60 },
    );
  });

  it("ends a page early, and refuses nothing, when a router has no room for more rows", () => {
    const large = encodeDocument({ text: "x".repeat(200_000) });
    assert.ok(large.ok);
    const world = new ScriptedWorld().begin();
    world.table({ name: "line", partitioning: "range", key });
    const scans = Array.from({ length: Math.ceil(limits.routerBytes / 200_000) + 50 }, () =>
      world.ask("foreshard.query.line.scan", { deadlineMs: 60_000 }),
    );
    world.serveAll((op) => {
      assert.ok(op.op === "scan");
      const row = { ...rowAt(op.from.length === 0 ? 1 : 2), document: large.value };
      return { op: "scan", rows: [row], next: op.from.length === 0 ? rowAt(2).position : undefined };
    });
    const counts = { whole: 0, early: 0 };
    for (const id of scans) {
      const { rows, cursor } = world.body(id) as { rows: object[]; cursor: unknown };
      if (rows.length === 2) counts.whole++;
      else counts.early++;
      assert.equal(typeof cursor, rows.length === 2 ? "object" : "string");
    }
    assert.ok(counts.whole > 200 && counts.early >= 40, JSON.stringify(counts));
  });

  it("fails as a whole, naming the fragment, when one fragment fails", () => {
    const world = new ScriptedWorld().begin();
    world.table({ name: "line", partitioning: "range", key, splitAt: [0] });
    const id = world.ask("foreshard.query.line.scan", {});
    world.serveAll((_op, ...rest) =>
      rest.length > 1 ? assert.fail() : { op: "fault", fault: fault("BAD_FILTER", "no such thing") },
    );
    assert.equal(world.fault(id).code, "BAD_FILTER");
    assert.match(world.fault(id).message, /fragment \d+/);
  });

  it("refuses a cursor of another query", () => {
    const world = new ScriptedWorld().begin();
    world.table({ name: "line", partitioning: "range", key });
    const first = world.ask("foreshard.query.line.scan", { limit: 1 });
    world.serveAll(holding([1, 2, 3], 10));
    const { cursor } = world.body(first);
    assert.equal(typeof cursor, "string");
    const other = world.ask("foreshard.query.line.scan", { limit: 1, reverse: true, cursor });
    assert.equal(world.fault(other).code, "BAD_CURSOR");
  });
});

describe("router: watches", () => {
  const change = (lsn: number) => ({ lsn, position: rowAt(lsn).position, version: lsn, document });

  function watching(): ScriptedWorld {
    const world = new ScriptedWorld().begin();
    world.table({ name: "line", partitioning: "range", key, splitAt: [0] });
    return world;
  }

  it("begins from now: the first answer has no changes and a cursor", () => {
    const world = watching();
    const id = world.ask("foreshard.query.line.watch", { waitMs: 0 });
    world.serveAll((op) => {
      assert.ok(op.op === "changes");
      assert.equal(op.afterLsn, -1);
      return { op: "changes", changes: [], lastLsn: 7, lastSeq: 70 };
    });
    assert.deepEqual(world.body(id).changes, []);
    assert.equal(typeof world.body(id).cursor, "string");
  });

  it("from now: changes that do not fit into the first answer are asked for with the next one", () => {
    const world = watching();
    const id = world.ask("foreshard.query.line.watch", { waitMs: 0, limit: 1 });
    world.serveAll(() => ({ op: "changes", changes: [change(8)], lastLsn: 8, lastSeq: 80 }));
    assert.equal((world.body(id).changes as unknown[]).length, 1, "one fragment's change is left");
    world.ask("foreshard.query.line.watch", { cursor: world.body(id).cursor, waitMs: 0 });
    const marks: number[] = [];
    world.serveAll((op) => {
      assert.ok(op.op === "changes");
      marks.push(op.afterLsn);
      return { op: "changes", changes: [], lastLsn: 8, lastSeq: 80 };
    });
    assert.deepEqual(marks.sort(), [7, 8]);
  });

  it("refuses a cursor that was made by a newer view: fragments that are merged there would be read again", () => {
    const newer = watching();
    newer.table({ name: "more" });
    const id = newer.ask("foreshard.query.line.watch", { waitMs: 0 });
    newer.serveAll(() => ({ op: "changes", changes: [], lastLsn: 7, lastSeq: 70 }));
    const { cursor } = newer.body(id);
    const older = watching();
    const refused = older.ask("foreshard.query.line.watch", { cursor, waitMs: 0 });
    assert.equal(older.fault(refused).code, "UNAVAILABLE");
    older.table({ name: "more" });
    const again = older.ask("foreshard.query.line.watch", { cursor, waitMs: 0 });
    older.serveAll(() => ({ op: "changes", changes: [], lastLsn: 7, lastSeq: 70 }));
    assert.ok("cursor" in older.body(again));
  });

  it("waits for the first change of any fragment, and goes on after it", () => {
    const world = watching();
    const first = world.ask("foreshard.query.line.watch", { waitMs: 0 });
    world.serveAll(() => ({ op: "changes", changes: [], lastLsn: 7, lastSeq: 70 }));
    const { cursor } = world.body(first);
    const id = world.ask("foreshard.query.line.watch", { cursor, waitMs: 5000 });
    for (const ask of world.asks) world.serve(ask, () => ({ op: "changes", changes: [], lastLsn: 7, lastSeq: 70 }));
    assert.ok(!world.answered(id));
    assert.equal(world.asks.length, 2, "one wait for each fragment");
    const [ask] = world.asks;
    assert.ok(ask !== undefined);
    world.serve(ask, (op) => {
      assert.ok(op.op === "changes" && op.waitMs > 0);
      return { op: "changes", changes: [change(8)], lastLsn: 8, lastSeq: 80 };
    });
    assert.deepEqual(
      (world.body(id).changes as { key: number }[]).map((one) => one.key),
      [8],
    );
    world.asks = [];
    world.ask("foreshard.query.line.watch", { cursor: world.body(id).cursor, waitMs: 0 });
    const marks: number[] = [];
    world.serveAll((op) => {
      assert.ok(op.op === "changes");
      marks.push(op.afterLsn);
      return { op: "changes", changes: [], lastLsn: op.afterLsn, lastSeq: op.afterSeq };
    });
    assert.deepEqual(marks.sort(), [7, 8]);
  });

  it("answers with nothing and a cursor when the wait is over", () => {
    const world = watching();
    const first = world.ask("foreshard.query.line.watch", { waitMs: 0 });
    world.serveAll(() => ({ op: "changes", changes: [], lastLsn: 7, lastSeq: 70 }));
    const id = world.ask("foreshard.query.line.watch", { cursor: world.body(first).cursor, waitMs: 1500 });
    let waits = 0;
    for (let round = 0; round < 50 && !world.answered(id); round++) {
      for (const ask of world.asks)
        world.serve(ask, (op) => {
          assert.ok(op.op === "changes");
          waits = Math.max(waits, op.waitMs);
          return { op: "changes", changes: [], lastLsn: 7, lastSeq: 70 };
        });
      world.pass(200);
    }
    assert.ok(waits > 0 && waits <= 1000);
    assert.deepEqual(world.body(id).changes, []);
  });
});

describe("router at the edge", () => {
  it("learns locations from a router, asks nodes directly, and looks again when a node knows more", () => {
    const inside = new ScriptedWorld().begin();
    inside.table({ name: "users", fragments: 4 });
    const edge = new ScriptedWorld({ reach: "edge", partitions: 0, id: "client-1" });
    const pass = (): void => {
      const ask = edge.onlyAsk;
      assert.equal(ask.subject, "foreshard.query._cluster.view");
      const id = inside.ask(ask.subject, ask.body);
      edge.answer(ask, { kind: "answer", body: inside.body(id) });
    };
    pass();
    const put = edge.ask("foreshard.query.users.put", { key: "ann", doc: {} });
    const ask = edge.onlyAsk;
    assert.match(ask.subject, /^foreshard\.query\.users\.write\.n[123]$/);
    edge.serve(ask, () => ({ op: "fault", fault: fault("NOT_PRIMARY", "moved") }));
    pass();
    edge.pass(50);
    edge.serve(edge.onlyAsk, () => ({ op: "write", versions: [4] }));
    assert.deepEqual(edge.body(put), { version: 4 });
    const tables = edge.ask("foreshard.query._cluster.tables", {});
    assert.equal(edge.onlyAsk.subject, "foreshard.query._cluster.tables");
    edge.answer(edge.onlyAsk, { kind: "answer", body: { tables: [] } });
    assert.deepEqual(edge.body(tables), { tables: [] });
  });

  it("denies a table only after a look that began after the question", () => {
    const inside = new ScriptedWorld().begin();
    const edge = new ScriptedWorld({ reach: "edge", partitions: 0, id: "client-1" });
    const pass = (): void => {
      const [ask] = edge.asks.filter(({ subject }) => subject.endsWith(".view"));
      assert.ok(ask !== undefined, "it looks at the view");
      const id = inside.ask(ask.subject, ask.body);
      edge.answer(ask, { kind: "answer", body: inside.body(id) });
    };
    pass();
    const fresh = edge.ask("foreshard.query.users.get", { key: "ann" });
    const wrong = edge.ask("foreshard.query.nope.get", { key: "ann" });
    edge.pass(1000);
    assert.ok(!edge.answered(fresh) && !edge.answered(wrong));
    inside.table({ name: "users" });
    pass();
    const [get] = edge.asks.filter(({ subject }) => subject.includes(".read."));
    assert.ok(get !== undefined);
    edge.serve(get, () => ({ op: "get", row: undefined }));
    assert.deepEqual(edge.body(fresh), { row: null });
    assert.ok(!edge.answered(wrong));
    pass();
    edge.pass(500);
    assert.equal(edge.fault(wrong).code, "UNKNOWN_TABLE");
  });
});
