import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ComputeOutcome, createCompute } from "../../cluster/world/compute.js";
import { type NodeStore, openStore } from "../../cluster/world/store.js";
import { type DigestTree, digestJob, digestTree } from "../../src/fragment/digest.js";
import { rowKey, rowValue } from "../../src/fragment/layout.js";
import { bookkeeping, emptyReplica } from "../../src/fragment/replica.js";
import type { StoreWrite } from "../../src/kernel/effect.js";
import { testHash } from "../hash.js";
import { must } from "../results.js";
import { SimStore } from "../sim/store.js";

const fragment = 16;
const shelf = 1;
const everything = { from: new Uint8Array(0), to: undefined };
const at = (n: number): Uint8Array => Buffer.from(`row ${String(n).padStart(6, "0")}`);
const row = (n: number, version: number): StoreWrite => ({
  key: rowKey(shelf, at(n)),
  value: rowValue(version, Buffer.from(`document ${n}.${version}`)),
});
/** The commit that takes the copy to `lsn`: one row is written anew. */
const step = (lsn: number, rows: number): StoreWrite[] => [
  row(lsn % rows, lsn),
  bookkeeping({ ...emptyReplica(fragment, shelf, everything), lsn, rows }),
];

describe("world: digests on the store", () => {
  let dir: string;
  let store: NodeStore;
  const compute = createCompute();
  const digest = (lsn: number): Promise<ComputeOutcome> =>
    new Promise((resolve) =>
      store.snapshot((snapshot) =>
        "code" in snapshot
          ? resolve({ ok: false, fault: snapshot })
          : compute.runOn(snapshot, digestJob, { fragment, lsn }, resolve),
      ),
    );
  const rootOf = (outcome: ComputeOutcome): string =>
    outcome.ok ? (outcome.output as DigestTree).root : outcome.fault.message;

  before(async () => {
    dir = await mkdtemp(join(tmpdir(), "foreshard-snapshot-"));
    store = must(await openStore(dir, () => "drawn"));
  });
  after(async () => {
    await compute.close();
    await store.close(true);
    await rm(dir, { recursive: true, force: true });
  });

  it("reads in a thread exactly what was committed before, whatever is committed meanwhile", async function () {
    this.timeout(30_000);
    const rows = 3000;
    const model = new SimStore("model");
    const commit = (writes: StoreWrite[]): void => {
      store.commit(writes, []);
      model.commit(writes, [], undefined);
    };
    commit(Array.from({ length: rows }, (_, n) => row(n, 1)));
    let lsn = 1;
    for (let round = 0; round < 8; round++) {
      for (let n = 0; n < 5; n++) commit(step(++lsn, rows));
      const expected = must(digestTree(model, { fragment, lsn }, testHash)).root;
      const answered = digest(lsn);
      // Commits go on, some in the same turn, some while the thread opens and reads.
      commit(step(++lsn, rows));
      let open = true;
      void answered.finally(() => {
        open = false;
      });
      for (let more = 0; open; more++) {
        if (more < 2000) commit(step(++lsn, rows));
        await new Promise((resolve) => setImmediate(resolve));
      }
      assert.equal(rootOf(await answered), expected, `round ${round}`);
    }
  });

  it("takes two at once, and one when nothing waits for the disk", async () => {
    await new Promise((resolve) => store.commit(step(90_000, 3000), [], resolve));
    const [one, two] = await Promise.all([digest(90_000), digest(90_000)]);
    assert.ok(one.ok && two.ok, `${rootOf(one)}; ${rootOf(two)}`);
    assert.equal(rootOf(one), rootOf(two));
  });

  it("lets commits go on when the reader never opens, and refuses a reader that comes too late", async function () {
    this.timeout(15_000);
    store.commit(step(100_000, 3000), []);
    const snapshot = await new Promise<{ dir: string; release(): void }>((resolve) =>
      store.snapshot((opened) => {
        assert.ok(!("code" in opened));
        resolve(opened);
      }),
    );
    const big = (n: number): StoreWrite => ({ key: Uint8Array.of(7, n), value: new Uint8Array(1024 * 1024) });
    let told = 0;
    for (let n = 0; n < 8; n++) store.commit([big(n)], [], () => told++);
    await new Promise((resolve) => setTimeout(resolve, 60));
    assert.equal(told, 0, "commits wait for the reader");
    // More waits than may: the reader is given up.
    for (let n = 8; n < 20; n++) store.commit([big(n)], [], () => told++);
    await new Promise((resolve) => store.commit(step(100_001, 3000), [], resolve));
    assert.equal(told, 20);
    const late = await new Promise<ComputeOutcome>((resolve) =>
      compute.runOn(snapshot, digestJob, { fragment, lsn: 100_000 }, resolve),
    );
    assert.match(rootOf(late), /does not stand whole at LSN 100000/);
  });

  it("answers every reader when the store is closed", async () => {
    const other = must(await openStore(await mkdtemp(join(dir, "other-")), () => "drawn"));
    other.commit(step(5, 3000), []);
    const answered = new Promise<string>((resolve) =>
      other.snapshot((opened) => resolve("code" in opened ? opened.code : "opened")),
    );
    await other.close(false);
    assert.match(await answered, /UNAVAILABLE|opened/);
    const after = new Promise<string>((resolve) =>
      other.snapshot((opened) => resolve("code" in opened ? opened.code : "opened")),
    );
    assert.equal(await after, "UNAVAILABLE");
  });
});
