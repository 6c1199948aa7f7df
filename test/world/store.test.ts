import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtemp, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { open } from "lmdb";
import { Layer } from "../../cluster/world/overlay.js";
import { seal, unseal, unsealEntry } from "../../cluster/world/seal.js";
import { type NodeStore, openStore } from "../../cluster/world/store.js";
import { bookkeeping, packRedo } from "../../cluster/world/store-identity.js";
import { walk } from "../../src/fragment/store.js";
import type { Fault } from "../../src/kernel/fault.js";

const folders: string[] = [];
async function folder(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), "foreshard-store-"));
  folders.push(dir);
  return dir;
}
async function opened(dir: string): Promise<NodeStore> {
  const result = await openStore(dir, () => "drawn");
  if (!result.ok) assert.fail(result.fault.message);
  return result.value;
}
function flushed(store: NodeStore): Promise<Fault | undefined> {
  return new Promise((resolve) => store.commit([], [{ from: key(255, 1), to: key(255, 2) }], resolve));
}
/** A small disk at `dir`; false where the test may not make one. */
function mount(dir: string, sizeMiB: number): boolean {
  return spawnSync("mount", ["-t", "tmpfs", "-o", `size=${sizeMiB}m`, "tmpfs", dir]).status === 0;
}
const key = (...bytes: number[]): Uint8Array => Uint8Array.from([2, ...bytes]);
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const everything = (store: NodeStore, reverse = false): [string, string][] =>
  [...store.store.range(Uint8Array.of(2), Uint8Array.of(3), reverse)].map((entry) => [
    hex(entry.key),
    hex(entry.value),
  ]);

describe("store on LMDB", () => {
  after(() => Promise.all(folders.map((dir) => rm(dir, { recursive: true, force: true }))));

  it("shows a commit at once, keeps it over a reopen, counts boots and keeps its id", async () => {
    const dir = await folder();
    const first = await opened(dir);
    assert.equal(first.bootCount, 1);
    assert.equal(first.storeId, "drawn");
    first.commit([{ key: key(1), value: Uint8Array.of(7) }], []);
    assert.deepEqual([...(first.store.get(key(1)) ?? [])], [7]);
    await first.close(true);
    const second = await opened(dir);
    assert.equal(second.bootCount, 2);
    assert.deepEqual([...(second.store.get(key(1)) ?? [])], [7]);
    await second.close(true);
  });

  it("tells of a commit of nothing when all before it is on disk, though nobody writes after it", async () => {
    const store = await opened(await folder());
    const nothing = (): Promise<Fault | undefined> => new Promise((resolve) => store.commit([], [], resolve));
    assert.equal(await nothing(), undefined);
    const told: string[] = [];
    const written = new Promise<void>((resolve) => {
      store.commit([{ key: key(1), value: new Uint8Array(3 * 1024 * 1024) }], [], () => {
        told.push("row");
        resolve();
      });
    });
    // Once at the same moment, and once while the row is on its way to the disk.
    const atOnce = nothing().then(() => told.push("nothing"));
    await new Promise((resolve) => setTimeout(resolve, 3));
    const onTheWay = nothing().then(() => told.push("nothing"));
    await Promise.all([written, atOnce, onTheWay]);
    assert.deepEqual(told, ["row", "nothing", "nothing"]);
    await store.close(true);
  });

  it("tells when a commit is on disk, in order", async () => {
    const store = await opened(await folder());
    const told: number[] = [];
    for (let n = 0; n < 50; n++) store.commit([{ key: key(n), value: Uint8Array.of(n) }], [], () => told.push(n));
    assert.equal(told.length, 0);
    assert.equal(await flushed(store), undefined);
    assert.deepEqual(
      told,
      Array.from({ length: 50 }, (_, n) => n),
    );
    assert.equal(store.waitingBytes(), 0);
    await store.close(true);
  });

  it("clears a range too large for one transaction whole, with the writes of the same commit", async () => {
    const dir = await folder();
    const store = await opened(dir);
    const rows = Array.from({ length: 5000 }, (_, n) => ({ key: key(1, n >> 8, n & 255), value: Uint8Array.of(1) }));
    store.commit(rows, []);
    await flushed(store);
    store.commit([{ key: key(1, 3), value: Uint8Array.of(9) }], [{ from: key(1), to: key(2) }]);
    assert.deepEqual(everything(store), [[hex(key(1, 3)), "09"]]);
    await flushed(store);
    assert.deepEqual(everything(store), [[hex(key(1, 3)), "09"]]);
    await store.close(true);
    const again = await opened(dir);
    assert.deepEqual(everything(again), [[hex(key(1, 3)), "09"]]);
    await again.close(true);
  });

  it("finishes at open a large clear that a crash cut short: all of its commit, or none", async () => {
    const dir = await folder();
    const db = open<Buffer, Buffer>({ path: dir, keyEncoding: "binary", encoding: "binary" });
    const layer = new Layer();
    layer.add([{ key: key(9), value: Uint8Array.of(5) }], [{ from: key(1), to: key(2) }]);
    await db.batch(() => {
      // What a crash leaves: the redo record, and of the cleared range the rows that no slice had reached.
      const put = (name: Uint8Array, value: number) => db.put(Buffer.from(name), seal(name, Uint8Array.of(value)));
      for (let n = 0; n < 4000; n++) put(key(1, n >> 8, n & 255), 1);
      put(key(8), 4);
      db.put(bookkeeping.redo, packRedo(layer));
    });
    await db.close();
    for (let opens = 0; opens < 2; opens++) {
      const store = await opened(dir);
      assert.deepEqual(everything(store), [
        [hex(key(8)), "04"],
        [hex(key(9)), "05"],
      ]);
      assert.equal(store.store.get(bookkeeping.redo), undefined);
      await store.close(true);
    }
  });

  it("equals a plain map under random commits, clears, flushes and ranges in both directions", async function () {
    this.timeout(30_000);
    const keys = fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 1, maxLength: 3 });
    const write = fc.tuple(keys, fc.option(fc.integer({ min: 0, max: 255 }), { nil: undefined }));
    const clear = fc.tuple(keys, keys);
    const step = fc.oneof(
      {
        weight: 6,
        arbitrary: fc.record({ writes: fc.array(write, { maxLength: 6 }), clears: fc.array(clear, { maxLength: 1 }) }),
      },
      { weight: 1, arbitrary: fc.constant("flush" as const) },
      { weight: 1, arbitrary: fc.constant("turn" as const) },
      { weight: 2, arbitrary: clear },
    );
    const store = await opened(await folder());
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40 }), async (steps) => {
        store.commit([], [{ from: Uint8Array.of(2), to: Uint8Array.of(3) }]);
        const model = new Map<string, string>();
        const inOrder = (from: string, to: string): [string, string][] =>
          [...model].filter(([at]) => from <= at && at < to).sort(([a], [b]) => (a < b ? -1 : 1));
        for (const now of steps) {
          if (now === "flush") await flushed(store);
          else if (now === "turn") await new Promise((resolve) => setTimeout(resolve, 11));
          else if (Array.isArray(now)) {
            const [from, to] = [key(...now[0]), key(...now[1])];
            const want = inOrder(hex(from), hex(to));
            const read = (reverse: boolean): [string, string][] =>
              [...store.store.range(from, to, reverse)].map((entry) => [hex(entry.key), hex(entry.value)]);
            assert.deepEqual(read(false), want);
            assert.deepEqual(read(true), want.reverse());
          } else {
            for (const [from, to] of now.clears)
              for (const [at] of inOrder(hex(key(...from)), hex(key(...to)))) model.delete(at);
            for (const [at, value] of now.writes) {
              if (value === undefined) model.delete(hex(key(...at)));
              else model.set(hex(key(...at)), hex(Uint8Array.of(value)));
            }
            store.commit(
              now.writes.map(([at, value]) => ({
                key: key(...at),
                value: value === undefined ? undefined : Uint8Array.of(value),
              })),
              now.clears.map(([from, to]) => ({ from: key(...from), to: key(...to) })),
            );
            for (const [at] of now.writes) {
              const got = store.store.get(key(...at));
              assert.equal(got === undefined ? undefined : hex(got), model.get(hex(key(...at))));
            }
          }
        }
        const want = inOrder("02", "03");
        assert.deepEqual(everything(store), want);
        await flushed(store);
        assert.deepEqual(everything(store), want);
        assert.deepEqual(everything(store, true), want.reverse());
      }),
      { numRuns: 60 },
    );
    await store.close(true);
  });

  it("says when the disk is full, takes nothing more, and keeps what it had", async function () {
    const dir = await folder();
    if (!mount(dir, 4)) return this.skip();
    const complaints: unknown[] = [];
    const complain = (why: unknown): void => void complaints.push(why);
    process.on("unhandledRejection", complain);
    try {
      const store = await opened(dir);
      store.commit([{ key: key(1), value: Uint8Array.of(1) }], []);
      assert.equal(await flushed(store), undefined);
      let failed: Fault | undefined;
      store.onFailure((why) => {
        failed = why;
      });
      const first = new Promise<Fault | undefined>((resolve) => {
        for (let n = 0; n < 60; n++)
          store.commit([{ key: key(7, n), value: new Uint8Array(100_000) }], [], n === 59 ? resolve : undefined);
      });
      assert.equal((await first)?.code, "DATA_DIR");
      assert.equal(failed?.code, "DATA_DIR");
      assert.equal((await flushed(store))?.code, "DATA_DIR");
      await store.close(true);
      await new Promise((resolve) => setImmediate(resolve));
      assert.deepEqual(complaints, []);
      const again = await opened(dir);
      assert.deepEqual([...(again.store.get(key(1)) ?? [])], [1]);
      await again.close(true);
    } finally {
      process.off("unhandledRejection", complain);
      spawnSync("umount", [dir]);
    }
  });

  it("loses nothing that it said was on disk, and tears no commit, when it ends as in a crash", async () => {
    const dir = await folder();
    const store = await opened(dir);
    let safe = 0;
    let tell: () => void = () => undefined;
    for (let n = 1; n <= 200; n++) {
      const value = Uint8Array.of(n);
      const writes = [key(1), key(2), key(3, n)].map((at) => ({ key: at, value }));
      store.commit(writes, [], (why) => {
        if (why === undefined) safe = n;
        tell();
      });
      // The end comes in the middle of what follows.
      if (n % 40 === 0 && n < 200)
        await new Promise<void>((resolve) => {
          tell = resolve;
        });
    }
    await store.close(false);
    const again = await opened(dir);
    const last = again.store.get(key(1))?.[0] ?? 0;
    assert.ok(safe > 0 && last >= safe, `${last} on disk, ${safe} said to be`);
    assert.equal(again.store.get(key(2))?.[0], last);
    assert.equal([...again.store.range(key(3), key(4), false)].length, last);
    await again.close(true);
  });

  it("lends what a range gives, on the disk and over it, whatever else is read meanwhile, until it is told to stop", async () => {
    const store = await opened(await folder());
    const [from, to] = [key(0), key(255)];
    const sizes = [0, 1, 100, 4096, 5000, 70_000, 3, 200_000, 2];
    const filledWith = (n: number): Uint8Array => new Uint8Array(sizes[n] ?? 0).fill(n);
    store.commit(
      sizes.map((_, n) => ({ key: key(n), value: filledWith(n) })),
      [],
    );
    const walked = (most: number): [string, string][] => {
      const seen: [string, string][] = [];
      walk(store.store, from, to, (entry, keyLength) => {
        assert.deepEqual(Buffer.from(store.store.get(key(1)) ?? []), Buffer.from([1]), "another read");
        seen.push([hex(entry.subarray(0, keyLength)), hex(entry.subarray(keyLength))]);
        return seen.length < most;
      });
      return seen;
    };
    const over = everything(store);
    assert.equal(over.length, sizes.length);
    assert.deepEqual(walked(100), over);
    await flushed(store);
    assert.deepEqual(everything(store), over);
    assert.deepEqual(walked(100), over);
    assert.deepEqual(walked(4), over.slice(0, 4));
    store.commit([{ key: key(2), value: undefined }], []);
    assert.deepEqual(walked(100), everything(store));
    assert.equal(walked(100).length, sizes.length - 1);
    await store.close(true);
  });

  it("knows every changed bit of a value, and a value that lies under another key", () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 1, maxLength: 40 }),
        fc.uint8Array({ maxLength: 60 }),
        fc.nat(),
        (name, value, at) => {
          const sealed = seal(name, value);
          const inside = unseal(name, sealed);
          assert.ok(inside !== undefined && Buffer.compare(inside, value) === 0);
          const entry = Buffer.concat([name, sealed]);
          const both = unsealEntry(entry, name.length, entry.length);
          assert.ok(both !== undefined && Buffer.compare(both, Buffer.concat([name, value])) === 0);
          assert.equal(unseal(Buffer.concat([name, Uint8Array.of(0)]), sealed), undefined);
          const byte = at % sealed.length;
          sealed[byte] = (sealed[byte] ?? 0) ^ (1 << (at & 7));
          assert.equal(unseal(name, sealed), undefined);
          assert.equal(unsealEntry(Buffer.concat([name, sealed]), name.length, entry.length), undefined);
        },
      ),
    );
    assert.equal(unseal(key(1), Buffer.from([1, 2])), undefined);
  });

  it("never shows a value that is not what was written, and is not opened again after it found one", async () => {
    const dir = await folder();
    const store = await opened(dir);
    const text = Buffer.from("the words of a row");
    store.commit([{ key: key(1), value: text }], []);
    store.commit([{ key: key(2), value: Uint8Array.of(2) }], []);
    await store.close(true);
    const file = join(dir, "data.mdb");
    const bytes = await readFile(file);
    const found = bytes.indexOf(text);
    assert.ok(found > 0, "the row is not in the file");
    for (let at = found; at > 0; at = bytes.indexOf(text, at + 1)) bytes[at] = (bytes[at] ?? 0) ^ 4;
    await writeFile(file, bytes);
    const hurt = await opened(dir);
    const told: Fault[] = [];
    hurt.onFailure((why) => told.push(why));
    assert.deepEqual([...(hurt.store.get(key(2)) ?? [])], [2]);
    assert.throws(
      () => hurt.store.get(key(1)),
      /data\.mdb is damaged: the value at key 0201 .*Move the node's folder away/,
    );
    assert.throws(() => everything(hurt), /is damaged/);
    assert.throws(() => walk(hurt.store, key(0), key(9), () => true), /is damaged/);
    assert.deepEqual(
      told.map(({ code }) => code),
      ["DATA_DIR"],
    );
    assert.equal((await flushed(hurt))?.code, "DATA_DIR");
    await hurt.close(true);
    const refused = await openStore(dir, () => "drawn");
    assert.equal(refused.ok ? "opened" : refused.fault.code, "DATA_DIR");
    assert.match(refused.ok ? "" : refused.fault.message, /the value at key 0201 .*Move the node's folder away/);
  });

  it("refuses a file that is not LMDB's, and one cut short, with a fault", async () => {
    const strange = await folder();
    await writeFile(join(strange, "data.mdb"), Buffer.alloc(20_000, 7));
    const refused = await openStore(strange, () => "drawn");
    assert.equal(refused.ok ? "opened" : refused.fault.code, "DATA_DIR");

    const cut = await folder();
    const store = await opened(cut);
    for (let n = 0; n < 400; n++) store.commit([{ key: key(n >> 8, n & 255), value: new Uint8Array(4000) }], []);
    await store.close(true);
    await truncate(join(cut, "data.mdb"), 64 * 1024);
    const short = await openStore(cut, () => "drawn");
    assert.equal(short.ok ? "opened" : short.fault.code, "DATA_DIR");
  });
});
