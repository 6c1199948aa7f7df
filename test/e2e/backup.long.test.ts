// Backup and restore, live: a full and an incremental backup of tables that are written to and split meanwhile, restored into another cluster, whose rows and digests
// are those of the first; and what is damaged, foreign or in the way is refused before anything is written.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { cp, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { type Client, FaultError } from "../../cluster/client/index.js";
import { contentsOf, keyId, partsOf } from "../../scripts/backup/contents.js";
import { readChain } from "../../scripts/backup/manifest.js";
import type { BackupRecord } from "../../scripts/backup/record-file.js";
import { checkBackup, restoreBackup } from "../../scripts/backup/restore.js";
import { type BackupWish, takeBackup } from "../../scripts/backup/take.js";
import { type Fields, Siege } from "./siege.js";

const run = promisify(execFile);
const cli = fileURLToPath(new URL("../../scripts/foreshard.js", import.meta.url));
const quietRows = 1500;
const writers = 4;
/** More than a busy machine needs: a write that is given up is not what is tried here. */
const deadlineMs = 30_000;

/** What a writer was told of one key, in the order of its writes. */
interface Write {
  readonly n: number;
  readonly askedMs: number;
  doneMs: number;
}

/** Pairs of rows, written together and sometimes deleted together: one partition key, one batch. */
class Load {
  readonly writes = new Map<string, Write[]>();
  private going = true;
  private readonly loops: readonly Promise<void>[];

  constructor(client: Client) {
    this.loops = Array.from({ length: writers }, (_, writer) => this.loop(client, writer));
  }
  private async loop(client: Client, writer: number): Promise<void> {
    for (let n = 1; this.going; n++) {
      const pair = `${writer}/${n % 25}`;
      const write: Write = { n, askedMs: Date.now(), doneMs: Number.POSITIVE_INFINITY };
      this.writes.set(pair, [...(this.writes.get(pair) ?? []), write]);
      const keys = [1, 2].map((half) => [pair, half]);
      await client.table("pairs").batch(
        keys.map((key) => (n % 7 === 0 ? { op: "delete", key } : { op: "put", key, doc: { n } })),
        { deadlineMs },
      );
      write.doneMs = Date.now();
      await pause(1);
    }
  }
  async stop(): Promise<void> {
    this.going = false;
    await Promise.all(this.loops);
  }
}

describe("backup and restore, live", () => {
  const siege = new Siege();
  const fresh = new Siege();
  let folder: string;
  before(async function () {
    this.timeout(120_000);
    folder = await siege.folder();
    await siege.begin({ nodes: 2, forecasters: 0 });
  });
  after(async () => {
    await fresh.close();
    await siege.close();
  });

  const of = (name: string): string => join(folder, name);
  const wish = (name: string, since?: string): BackupWish => ({
    folder: of(name),
    tables: undefined,
    since,
    rateBytes: 1024 * 1024 * 1024,
    told: () => undefined,
  });
  async function foreshard(at: Siege, ...args: string[]): Promise<Fields> {
    const { stdout } = await run(process.execPath, [cli, ...args, "--json", "--data-dir", at.cluster.dataDir]);
    return JSON.parse(stdout);
  }
  async function held(backup: string, table: string): Promise<ReadonlyMap<string, BackupRecord>> {
    const rows = new Map<string, BackupRecord>();
    for await (const block of contentsOf(partsOf(await readChain(backup), table)))
      for (const row of block) rows.set(keyId(row.key), row);
    return rows;
  }
  async function rowsOf({ client }: Siege, table: string): Promise<unknown[]> {
    const rows: unknown[] = [];
    for await (const { key, doc } of client.table(table).scan()) rows.push([key, doc]);
    return rows;
  }

  it("makes a full backup under writes and a split: each row is one that stood there during the cut, each batch is whole", async function () {
    this.timeout(120_000);
    const { client } = siege;
    const key = { partition: "string", sort: "number" } as const;
    await client.admin.createTable({ name: "pairs", partitioning: "range", key, splitAt: ["2"] });
    await client.admin.createTable({ name: "days", partitioning: "range", key: "date", splitAt: [day(500)] });
    const days = client.table<object>("days");
    await Promise.all(
      Array.from({ length: quietRows }, (_, n) =>
        days.put(day(n), { n, at: day(n), bytes: Buffer.of(n & 255, 7) }, { deadlineMs }),
      ),
    );
    const load = new Load(client);
    const [first] = await client.cluster.fragments("pairs");
    assert.ok(first !== undefined);
    const made = foreshard(siege, "backup", "--out", of("full"), "--rate", "1");
    const split = client.admin.split({ table: "pairs", fragment: first.id, at: "1", deadlineMs });
    await Promise.all([made, split]).finally(() => load.stop());

    const [backup] = await readChain(of("full"));
    assert.ok(backup !== undefined);
    const { fromMs, toMs } = backup.manifest.cut;
    const pairs = await held(of("full"), "pairs");
    let judged = 0;
    for (const [pair, writes] of load.writes) {
      const [one, two] = [1, 2].map((half) => pairs.get(keyId([pair, half]))?.doc ?? null);
      assert.deepEqual(one, two, `the batch of ${pair} is whole`);
      const settled = writes.findLastIndex(({ doneMs }) => doneMs < fromMs);
      const possible = writes.filter(({ askedMs }, at) => at >= settled && askedMs <= toMs);
      const docs = possible.map(({ n }) => (n % 7 === 0 ? null : { n }));
      if (settled < 0) docs.push(null);
      assert.ok(
        docs.some((doc) => JSON.stringify(doc) === JSON.stringify(one)),
        `${pair} is ${JSON.stringify(one)} instead of one of ${JSON.stringify(docs)}`,
      );
      if (settled >= 0) judged++;
    }
    assert.ok(judged > 50, `${judged} pairs had been written before the cut`);
    assert.equal((await held(of("full"), "days")).size, quietRows);
  });

  it("goes on with an incremental one, which holds only what changed", async function () {
    this.timeout(120_000);
    const days = siege.client.table<object>("days");
    await days.put(day(1), { n: "changed" });
    await days.delete(day(2));
    await days.put(day(quietRows), { n: "new" });
    await takeBackup(siege.client, wish("later", of("full")));
    const [, later] = await readChain(of("later"));
    const entry = later?.manifest.tables.find(({ name }) => name === "days");
    assert.equal(entry?.rows, quietRows);
    assert.deepEqual(
      entry?.files.map(({ records }) => records),
      [3],
    );
  });

  it("restores both into another cluster, where rows and digests are the same; and nothing over a table that is there", async function () {
    this.timeout(120_000);
    await fresh.begin({ nodes: 1, forecasters: 0 });
    const { tables } = await foreshard(fresh, "restore", "--from", of("later"), "--as", "kept=kept2");
    assert.ok(Array.isArray(tables));
    assert.deepEqual(tables.map(({ as }: Fields) => as).sort(), ["days", "kept2", "pairs"]);
    for (const table of ["days", "pairs"])
      assert.deepEqual(await rowsOf(fresh, table), await rowsOf(siege, table), table);
    const { table } = await fresh.client.cluster.table("days");
    assert.deepEqual({ ...table, serving: 0 }, { ...(await siege.client.cluster.table("days")).table, serving: 0 });
    const again = (names: readonly (readonly [string, string])[]): Promise<unknown> =>
      restoreBackup(fresh.client, { ...wish("later"), tables: ["days", "pairs"], names: new Map(names) });
    await assert.rejects(again([]), /there is a table days already: restore under another name/);
    await assert.rejects(again([["typo", "x"]]), /no table typo is restored/);
    await assert.rejects(again([["days", "pairs"]]), /two tables would be restored as pairs/);
  });

  it("refuses a damaged file, a file that is missing, another format, a folder without a manifest and one that is not empty", async function () {
    this.timeout(120_000);
    const [backup] = await readChain(of("full"));
    const file = backup?.manifest.tables.find(({ name }) => name === "days")?.files[0]?.name ?? "";
    const checked = await checkBackup(of("full"), undefined);
    assert.equal(checked.length, 3, "untouched, it is refused nothing");
    async function refused(
      change: (copy: string) => Promise<unknown>,
      words: RegExp,
      code = "UNDECODABLE",
    ): Promise<void> {
      const copy = of(`copy${copies++}`);
      await cp(of("full"), copy, { recursive: true });
      await change(copy);
      await assert.rejects(checkBackup(copy, undefined), (error) => {
        assert.ok(error instanceof FaultError, String(error));
        assert.equal(error.code, code);
        assert.match(error.message, words);
        return true;
      });
    }
    let copies = 0;
    const flip = async (path: string): Promise<void> => {
      const bytes = await readFile(path);
      bytes.writeUInt8(bytes.readUInt8(bytes.length - 20) ^ 1, bytes.length - 20);
      await writeFile(path, bytes);
    };
    const edited = (copy: string, from: string, to: string): Promise<void> =>
      readFile(join(copy, "manifest.json"), "utf8").then((text) =>
        writeFile(join(copy, "manifest.json"), text.replace(from, to)),
      );
    await refused((copy) => flip(join(copy, file)), /days\.rows\.00001\.bin is damaged: (its SHA-256|a block)/);
    await refused((copy) => writeFile(join(copy, file), ""), /it has 0 bytes instead of \d+/);
    await refused(
      (copy) => edited(copy, `"rows": ${quietRows}`, `"rows": 1`),
      /manifest\.json is damaged: its checksum/,
    );
    await refused(
      (copy) => edited(copy, `"format": 1`, `"format": 2`),
      /has format 2; this version reads format 1/,
      "NOT_POSSIBLE",
    );
    await refused(async (copy) => edited(copy, "", "not JSON "), /manifest\.json is damaged/);
    await assert.rejects(checkBackup(folder, undefined), /is no backup: there is no manifest\.json/);
    await assert.rejects(takeBackup(siege.client, wish("full")), /full is not empty: name a new folder/);
  });
});

function day(n: number): Date {
  return new Date(Date.UTC(2020, 0, 1) + n * 86_400_000);
}
