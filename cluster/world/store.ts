// Store. Owns a node's LMDB environment: one database, binary keys, one writer (this thread).
// D1 a commit is visible to reads at once (overlay) and reaches the disk later, whole and in order: one transaction holds whole commits only.
// D2 `done` is called when the commit survives power loss, or with the fault that says it does not.
// D3 after one failed transaction the store is closed to commits: what is on disk is a prefix of what was committed.
// D4 a transaction is put together before it begins: nothing throws inside one (lmdb would commit the half).
// D5 large clears are spread over several transactions behind a redo record, so that a crash leaves all of the commit or none of it.
// D6 every value but the store's own carries a seal; one that does not fit ends the node at once (see damage.ts).
// D7 a snapshot is everything committed before it was asked for and nothing after: later commits wait for `release`, at most `holdMs`; the overlay serves them meanwhile.
// Keys that begin with 0x01 are the store's own.

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { type Store, type StoreEntry, type Visit, visitEach } from "../../src/fragment/store.js";
import type { Bytes } from "../../src/kernel/bytes.js";
import type { StoreClear, StoreWrite } from "../../src/kernel/effect.js";
import { type Fault, fail, fault, ok, type Result } from "../../src/kernel/fault.js";
import { checkMark } from "./damage.js";
import { type Database, type Disk, openDisk } from "./disk.js";
import { freeSpaceOf } from "./free-space.js";
import { checkLmdbFile } from "./lmdb-file.js";
import { type DiskEntry, type KeyRange, keyBytes, keyText, Layer, lookUp, merge, untouched } from "./overlay.js";
import { seal } from "./seal.js";
import { bookkeeping, packRedo, readIdentity, unpackRedo } from "./store-identity.js";

export interface NodeStore {
  readonly store: Store;
  /** Drawn at the first open; a copy of the folder has the same. */
  readonly storeId: string;
  /** Grows by one, durably, at each open: an older copy shows by it. */
  readonly bootCount: number;
  /** `soon`: somebody waits for `done`, so it is not to wait for company. */
  commit(
    writes: readonly StoreWrite[],
    clears: readonly StoreClear[],
    done?: (fault?: Fault) => void,
    soon?: boolean,
  ): void;
  /** Calls `open` when all commits so far are on disk and none that comes later is; that lasts until `open`'s reader calls `release`, or `holdMs` have passed. */
  snapshot(open: (snapshot: Snapshot | Fault) => void): void;
  /** Bytes accepted and not yet on disk. */
  waitingBytes(): number;
  figures(): StoreFigures;
  /** True while so much waits that nothing new should be taken in. */
  pressed(): boolean;
  /** Called once, when a transaction failed or what was read is not what was written. */
  onFailure(listener: (fault: Fault) => void): void;
  /** Closes, after writing what waits (within a limit); without `flush` what waits is lost, as in a crash. */
  close(flush: boolean): Promise<void>;
}

/** Of the LMDB file, for people. */
export interface StoreFigures {
  /** Pages that hold something, and the file with its free ones. */
  readonly usedBytes: number;
  readonly fileBytes: number;
  readonly freePages: number;
  readonly entries: number;
  /** Slots of read transactions in use. */
  readonly readers: number;
}

/** A moment of the store that another thread may open in `dir`. */
export interface Snapshot {
  readonly dir: string;
  /** The reader has its transaction, or gave up: commits go on. */
  release(): void;
}

/**
 * What a commit waits for company at most: a transaction costs a sync, and a page for nearly every row in it, so fewer and larger ones cost less. Nothing waits for
 * it: the log is what makes a write durable. `fullBytes` are worth a transaction at once, and so is a snapshot.
 */
const commitEveryMs = 200;
const fullBytes = 1024 * 1024;
const soonMs = 10;
/** Entries of one transaction, so that putting it together does not hold the event loop. */
const layerEntries = 1500;
const layerBytes = 4 * 1024 * 1024;
const pressedBytes = 32 * 1024 * 1024;
const clearSlice = 1500;
/** How long, and until how much waits, commits may be held back for a reader (a new thread needs a second on a busy machine): one that comes later sees by the LSN that it did. */
const holdMs = 5_000;
const heldBytes = pressedBytes / 2;
const closeLimitMs = 10_000;
const reasonLimitMs = 1_000;

/** Opens the environment in `dir`, finishes what a crash interrupted, and counts the boot. `drawId` gives a random id for a new store. */
export async function openStore(dir: string, drawId: () => string): Promise<Result<NodeStore>> {
  try {
    mkdirSync(dir, { recursive: true });
    const checked = checkLmdbFile(join(dir, "data.mdb"));
    if (!checked.ok) return checked;
    const unmarked = checkMark(dir);
    if (!unmarked.ok) return unmarked;
    return await prepare(openDisk(dir), dir, drawId);
  } catch (error) {
    return fail("DATA_DIR", `the store in ${dir} cannot be opened: ${wordsOf(error)}`);
  }
}

async function prepare(disk: Disk, dir: string, drawId: () => string): Promise<Result<NodeStore>> {
  const { db } = disk;
  const identity = readIdentity((key) => db.get(key), dir, drawId);
  if (!identity.ok) {
    await db.close();
    return identity;
  }
  await finishRedo(db);
  await write(db, () => {
    for (const [key, value] of identity.value.entries) db.put(key, value);
  });
  const opened = run(disk, dir, identity.value.storeId, identity.value.bootCount);
  return ok({ ...opened, store: { ...opened.store, freeBytes: freeSpaceOf(dir) } });
}

function run(disk: Disk, dir: string, storeId: string, bootCount: number): NodeStore {
  const { db } = disk;
  /** Old to new; the last takes new commits, the first is on its way to the disk while `writing`. */
  const layers: Layer[] = [new Layer()];
  const waiting = new Map<Layer, ((fault?: Fault) => void)[]>();
  const listeners: ((fault: Fault) => void)[] = [];
  /** Snapshots that wait for their layer, which takes no more commits. */
  const snapshots = new Map<Layer, ((snapshot: Snapshot | Fault) => void)[]>();
  /** Readers that have not opened yet; while there are any nothing is written. */
  const holds = new Set<() => void>();
  const released: (() => void)[] = [];
  let writing: Promise<void> = Promise.resolve();
  let busy = false;
  let timer: NodeJS.Timeout | undefined;
  let isSoon = false;
  /** Somebody waits for what came since the last transaction began. */
  let isAwaited = false;
  let failure: Fault | undefined;
  let closing = false;
  let abandoned = false;

  function waitingBytes(): number {
    return layers.reduce((sum, layer) => sum + layer.bytes, 0);
  }
  function newest(): Layer {
    const last = layers[layers.length - 1];
    const open = last !== undefined && !snapshots.has(last);
    if (open && last.writes.size < layerEntries && last.bytes < layerBytes) return last;
    const layer = new Layer();
    layers.push(layer);
    return layer;
  }
  function lastFilled(): Layer | undefined {
    return [...layers].reverse().find((layer) => !layer.empty);
  }
  /** `soon`: somebody waits for it, or it is large already. */
  function schedule(soon: boolean): void {
    if (busy || failure !== undefined || (timer !== undefined && (isSoon || !soon))) return;
    clearTimeout(timer);
    isSoon = soon;
    timer = setTimeout(begin, soon ? soonMs : commitEveryMs);
  }
  function isFull(): boolean {
    const [first] = layers;
    return (
      layers.length > 1 || (first !== undefined && (first.bytes > fullBytes || first.writes.size > layerEntries / 2))
    );
  }
  function begin(): void {
    timer = undefined;
    isAwaited = false;
    if (busy) return;
    busy = true;
    writing = drain();
  }
  /** Writes the layers that were there when it began; when closing, every layer. */
  async function drain(): Promise<void> {
    try {
      await unheld();
      const last = layers[layers.length - 1];
      for (let layer = layers[0]; layer !== undefined && !layer.empty; layer = layers[0]) {
        if (layers.length === 1) layers.push(new Layer());
        await writeLayer(db, layer);
        db.resetReadTxn();
        layers.shift();
        settle(layer, undefined);
        await openSnapshots(layer);
        if (abandoned || (layer === last && !closing)) break;
      }
    } catch (error) {
      breakDown(error);
    }
    busy = false;
    if (layers[0]?.empty === false && !closing) schedule(isFull() || isAwaited || snapshots.size > 0);
  }
  /** The layer is on disk: whoever asked for this moment may look, and what comes later waits for them. */
  async function openSnapshots(layer: Layer): Promise<void> {
    const opens = snapshots.get(layer);
    if (opens === undefined) return;
    snapshots.delete(layer);
    for (const open of opens) hold(open);
    await unheld();
  }
  function hold(open: (snapshot: Snapshot | Fault) => void): void {
    const release = (): void => {
      clearTimeout(limit);
      if (holds.delete(release) && holds.size === 0) for (const go of released.splice(0)) go();
    };
    const limit = setTimeout(release, holdMs);
    holds.add(release);
    open({ dir, release });
  }
  async function unheld(): Promise<void> {
    while (holds.size > 0 && !closing) await new Promise<void>((resolve) => released.push(resolve));
  }
  function settle(layer: Layer, why: Fault | undefined): void {
    const dones = waiting.get(layer) ?? [];
    waiting.delete(layer);
    for (const done of dones) done(why);
  }
  function breakDown(error: unknown): void {
    giveUp(
      fault(
        "DATA_DIR",
        `the store could not write to disk (${wordsOf(error)}); the node stops until there is room and the disk is sound`,
      ),
    );
  }
  function giveUp(why: Fault): void {
    if (failure !== undefined) return;
    failure = why;
    for (const layer of layers) settle(layer, why);
    for (const opens of snapshots.values()) for (const open of opens) open(why);
    snapshots.clear();
    for (const listener of listeners) listener(why);
  }

  disk.onDamage = giveUp;
  return {
    store: {
      get: (key) => getIn(disk, layers, key),
      range: (from, to, reverse) => rangeIn(disk, layers, from, to, reverse),
      walk: (from, to, visit) => walkIn(disk, layers, { from, to }, visit),
    },
    storeId,
    bootCount,
    commit(writes, clears, done, soon = false) {
      if (failure !== undefined || closing) {
        const why = failure ?? fault("UNAVAILABLE", "the store is being closed");
        if (done !== undefined) setImmediate(done, why);
        return;
      }
      // Nothing new is on the disk when all that came before is: an empty layer is never written, and who waited for it would wait until somebody else writes.
      const isEmpty = writes.length === 0 && clears.length === 0;
      const layer = isEmpty ? lastFilled() : newest();
      if (layer === undefined) {
        if (done !== undefined) setImmediate(done, undefined);
        return;
      }
      if (!isEmpty) layer.add(writes, clears);
      if (done !== undefined) {
        const dones = waiting.get(layer);
        if (dones === undefined) waiting.set(layer, [done]);
        else dones.push(done);
      }
      if (holds.size > 0 && waitingBytes() > heldBytes) for (const release of [...holds]) release();
      isAwaited ||= soon;
      schedule(soon || isFull());
    },
    snapshot(open) {
      if (failure !== undefined || closing)
        return void setImmediate(open, failure ?? fault("UNAVAILABLE", "the store is being closed"));
      const last = lastFilled();
      if (last === undefined) return hold(open);
      const opens = snapshots.get(last);
      if (opens === undefined) snapshots.set(last, [open]);
      else opens.push(open);
      schedule(true);
    },
    waitingBytes,
    figures: () => figuresOf(db),
    pressed: () => waitingBytes() > pressedBytes,
    onFailure(listener) {
      listeners.push(listener);
    },
    async close(flush) {
      closing = true;
      for (const release of [...holds]) release();
      for (const opens of snapshots.values())
        for (const open of opens) open(fault("UNAVAILABLE", "the store is being closed"));
      snapshots.clear();
      abandoned = !flush;
      clearTimeout(timer);
      const limit = deadline(closeLimitMs);
      await Promise.race([writing, limit.reached]);
      if (flush && failure === undefined) begin();
      await Promise.race([writing, limit.reached]);
      limit.cancel();
      await db.close();
    },
  };
}

// Reading.

const lmdbStats = z.object({
  pageSize: z.number(),
  entryCount: z.number(),
  lastPageNumber: z.number(),
  numReaders: z.number(),
  root: z.object({ treeBranchPageCount: z.number(), treeLeafPageCount: z.number(), overflowPages: z.number() }),
});

function figuresOf(db: Database): StoreFigures {
  const found = lmdbStats.safeParse(db.getStats());
  if (!found.success) return { usedBytes: 0, fileBytes: 0, freePages: 0, entries: 0, readers: 0 };
  const { pageSize, entryCount, lastPageNumber, numReaders, root } = found.data;
  const pages = root.treeBranchPageCount + root.treeLeafPageCount + root.overflowPages;
  return {
    usedBytes: pages * pageSize,
    fileBytes: (lastPageNumber + 1) * pageSize,
    freePages: Math.max(0, lastPageNumber + 1 - pages),
    entries: entryCount,
    readers: numReaders,
  };
}

function getIn(disk: Disk, layers: readonly Layer[], key: Bytes): Bytes | undefined {
  // Where nothing waits to be written the key is not needed as text.
  const held = layers.every(isEmpty) ? undefined : lookUp(layers, keyText(key));
  return held === undefined ? disk.get(key) : held.value;
}

function rangeIn(disk: Disk, layers: readonly Layer[], from: Bytes, to: Bytes, reverse: boolean): Iterable<StoreEntry> {
  const range: KeyRange = { from: keyText(from), to: keyText(to) };
  if (range.from >= range.to) return [];
  const bounds = reverse
    ? { start: bufferOf(to), exclusiveStart: true, end: bufferOf(from), inclusiveEnd: true, reverse: true }
    : { start: bufferOf(from), end: bufferOf(to) };
  const entries = disk.range(bounds);
  if (untouched(layers, range)) return entries;
  return merge(layers, withText(entries), range, reverse);
}

function walkIn(
  disk: Disk,
  layers: readonly Layer[],
  { from, to }: { readonly from: Bytes; readonly to: Bytes },
  visit: Visit,
): void {
  const range: KeyRange = { from: keyText(from), to: keyText(to) };
  if (range.from >= range.to) return;
  if (untouched(layers, range)) disk.walk({ start: bufferOf(from), end: bufferOf(to) }, visit);
  else visitEach(rangeIn(disk, layers, from, to, false), visit);
}

function* withText(entries: Iterable<StoreEntry>): Generator<DiskEntry> {
  for (const { key, value } of entries) yield { text: keyText(key), key, value };
}

function isEmpty(layer: Layer): boolean {
  return layer.empty;
}

function bufferOf(bytes: Bytes): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

// Writing.

async function writeLayer(db: Database, layer: Layer): Promise<void> {
  const doomed = layer.clears.length === 0 ? [] : keysIn(db, layer.clears, clearSlice + 1);
  if (doomed.length <= clearSlice) return writeAtOnce(db, doomed, layer);
  await write(db, () => void db.put(bookkeeping.redo, packRedo(layer)));
  await finishClears(db, layer);
}

/** The slices of a large clear, then everything else of its commits together with the end of the redo record. */
async function finishClears(db: Database, layer: Layer): Promise<void> {
  for (;;) {
    const doomed = keysIn(db, layer.clears, clearSlice);
    if (doomed.length < clearSlice) return writeAtOnce(db, [...doomed, bookkeeping.redo], layer);
    await write(db, () => {
      for (const key of doomed) db.remove(key);
    });
  }
}

async function finishRedo(db: Database): Promise<void> {
  const redo = db.get(bookkeeping.redo);
  if (redo !== undefined) await finishClears(db, unpackRedo(redo));
}

function writeAtOnce(db: Database, doomed: readonly Buffer[], layer: Layer): Promise<void> {
  return write(db, () => {
    for (const key of doomed) db.remove(key);
    for (const { key: bytes, value } of layer.writes.values()) {
      // LMDB only copies the bytes of a key, whatever kind of array they are in.
      const key = bytes as Buffer;
      if (value === undefined) db.remove(key);
      else db.put(key, seal(key, value));
    }
  });
}

function keysIn(db: Database, ranges: readonly KeyRange[], most: number): Buffer[] {
  db.resetReadTxn();
  const found: Buffer[] = [];
  for (const { from, to } of ranges) {
    if (found.length >= most) break;
    const keys = db.getKeys({ start: keyBytes(from), end: keyBytes(to), limit: most - found.length });
    for (const key of keys) found.push(key);
  }
  return found;
}

/** One transaction, settled after its sync. `act` only queues puts and removes: it must not throw. */
async function write(db: Database, act: () => void): Promise<void> {
  try {
    await db.batch(act);
  } catch (error) {
    throw await reasonOf(error);
  }
}

/** The error of a failed batch holds another promise, which rejects with the reason: unheard, it would end the process. */
async function reasonOf(error: unknown): Promise<unknown> {
  if (!(error instanceof Error) || !("commitError" in error)) return error;
  const limit = deadline(reasonLimitMs);
  const why = await Promise.race([
    Promise.resolve(error.commitError).then(
      () => error,
      (reason: unknown) => reason,
    ),
    limit.reached.then(() => error),
  ]);
  limit.cancel();
  return why;
}

function deadline(ms: number): { readonly reached: Promise<void>; cancel(): void } {
  let timer: NodeJS.Timeout | undefined;
  const reached = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  return { reached, cancel: () => clearTimeout(timer) };
}

function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
