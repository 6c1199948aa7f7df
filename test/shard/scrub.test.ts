import assert from "node:assert/strict";
import type { LogRecord } from "../../src/kernel/effect.js";
import { type FalseLog, put, servingAlone } from "./replica-world.js";

/** A primary with four records of writes behind its marker. */
function written(): ReturnType<typeof servingAlone> {
  const world = servingAlone();
  for (const key of ["a", "b", "c", "d"]) world.n1.exec(put(key, 1));
  assert.equal(world.log.records.length, 5);
  return world;
}
const kept = (log: FalseLog): LogRecord[] => log.records as LogRecord[];

describe("shard: scrubbing its log", () => {
  it("reads a sound log to its end and reports nothing", () => {
    const { n1 } = written();
    n1.trace = [];
    n1.tell({ kind: "scrubLog" });
    assert.deepEqual(n1.trace, ["read after 0", "read after 1", "read after 2", "read after 3", "read after 4"]);
    assert.deepEqual(n1.incidents, []);
  });

  it("finds a damaged record that no replica will read again, once, and asks for a checkpoint behind it", () => {
    const { log, n1 } = written();
    const bytes = kept(log)[2]?.bytes;
    assert.ok(bytes);
    bytes[30] = (bytes[30] ?? 0) ^ 1;
    n1.tell({ kind: "scrubLog" });
    n1.tell({ kind: "scrubLog" });
    assert.deepEqual(n1.incidents, ["recordCorrupt healed"]);
    n1.exec(put("e", 1));
    assert.deepEqual(n1.sees("c"), { n: 1 });
    assert.deepEqual(log.records.length, 7, "the write, and the checkpoint after it");
  });

  it("finds a record that is missing in the middle", () => {
    const { log, n1 } = written();
    kept(log).splice(2, 1);
    n1.tell({ kind: "scrubLog" });
    assert.deepEqual(n1.incidents, ["logGap healed"]);
  });

  it("finds a log that lost its end, and heals it from the replica", () => {
    const { log, n1 } = written();
    log.lose(2);
    n1.tell({ kind: "scrubLog" });
    n1.pass(1000);
    assert.deepEqual(n1.incidents, ["logRegressed healed"]);
    assert.deepEqual(n1.sees("d"), { n: 1 });
    assert.equal(log.story.at(-1), "lsn 6 epoch 1 rebase");
  });

  it("begins at the first record of a trimmed log", () => {
    const { log, n1 } = written();
    log.trim(4);
    n1.tell({ kind: "scrubLog" });
    assert.deepEqual(n1.incidents, []);
  });
});
