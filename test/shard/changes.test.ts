// Change feed of one shard: many watchers of one fragment, each from its own place and with its own filter.

import assert from "node:assert/strict";
import type { Op } from "../../src/protocol/exec.js";
import { decodeDocument } from "../../src/query/document.js";
import { type Node, put, servingAlone } from "./replica-world.js";

type Changes = Extract<Op, { op: "changes" }>;

function watch(node: Node, more: Partial<Changes> = {}): number {
  return node.exec({ op: "changes", afterLsn: -1, afterSeq: 0, waitMs: 1000, limit: 100, filter: undefined, ...more });
}

/** What a watcher was shown: documents in order, and up to where; undefined while it waits. */
function shown(node: Node, job: number): { docs: unknown[]; lastLsn: number } | undefined {
  const result = node.result(job);
  if (result === undefined) return undefined;
  assert.ok(result.op === "changes", JSON.stringify(result));
  const docs = result.changes.map(({ document }) => (document === undefined ? undefined : decodeDocument(document)));
  return { docs, lastLsn: result.lastLsn };
}

describe("shard: many watchers", () => {
  it("shows each of a hundred what it waits for, and a filter of one changes nothing for the others", () => {
    const { n1 } = servingAlone();
    const plain = Array.from({ length: 100 }, () => watch(n1));
    const even = watch(n1, { filter: { field: ["n"], op: "eq", value: 2 } });
    const lsn = n1.lsn ?? 0;
    n1.exec(put("a", 1), put("b", 2), put("a", 3));
    for (const job of plain) assert.deepEqual(shown(n1, job), { docs: [{ n: 2 }, { n: 3 }], lastLsn: lsn + 1 });
    assert.deepEqual(shown(n1, even), { docs: [{ n: 2 }], lastLsn: lsn + 1 });
  });

  it("shows each what comes after its own place, from the memory or from the log, and no more than its limit", () => {
    const { n1 } = servingAlone();
    const lsn = n1.lsn ?? 0;
    const count = 200;
    for (let n = 1; n <= count; n++) n1.exec(put("a", n));
    for (const after of [0, 1, 60, 150, 199]) {
      const seen = shown(n1, watch(n1, { afterLsn: lsn + after, limit: 1000 }));
      assert.deepEqual(
        seen?.docs,
        Array.from({ length: count - after }, (_, at) => ({ n: after + at + 1 })),
        `after ${after}`,
      );
    }
    const some = shown(n1, watch(n1, { afterLsn: lsn + 150, limit: 7 }));
    assert.deepEqual([some?.docs.length, some?.lastLsn], [7, lsn + 157]);
    assert.equal(shown(n1, watch(n1, { afterLsn: lsn + count })), undefined, "it waits");
  });
});
