// Caller entry. Owns one process of callers: it connects to one system, loads rows, and runs closed loops on it, or asks it at a rate, as it is told.
// In a closed loop each caller asks its next question when the last one was answered. Latency is counted from the question, of the measured time only.

import { setTimeout as pause } from "node:timers/promises";
import { seededRandom } from "../../../src/kernel/random.js";
import { foreshardCaller } from "../peers/foreshard.js";
import { answerEchoes, echoCaller, jetstreamCaller } from "../peers/nats.js";
import type { Caller, PeerAddress } from "../peers/peer.js";
import { redisCaller } from "../peers/redis.js";
import { keyDraw, keyOf } from "./keys.js";
import type { Order, Outcome, Reply } from "./wire.js";
import { type Operation, scanRows, wideRows } from "./workloads.js";

const sampleSize = 20_000;
const loaders = 64;

let caller: Caller | undefined;

function open(address: PeerAddress): Promise<Caller> {
  switch (address.kind) {
    case "foreshard":
      return foreshardCaller(address);
    case "redis":
      return redisCaller(address);
    case "jetstream":
      return jetstreamCaller(address);
    case "echo":
      return echoCaller(address);
  }
}

async function load({ from, to, valueBytes }: Extract<Order, { kind: "load" }>): Promise<void> {
  const store = connected();
  let next = from;
  const work = async (): Promise<void> => {
    while (next < to) {
      const index = next++;
      await store.insert(keyOf(index), textOf(index, valueBytes));
    }
  };
  await Promise.all(Array.from({ length: loaders }, work));
}

async function run(order: Extract<Order, { kind: "run" }>): Promise<Outcome> {
  const store = connected();
  const random = seededRandom(order.seed);
  const keys = keyDraw(order.workload.distribution, random.fork("keys"), order.rows);
  const choices = random.fork("choices");
  const picks = random.fork("samples");
  const shares = Object.entries(order.workload.mix) as [Operation, number][];
  const value = textOf(order.seed, order.valueBytes);
  const beganMs = performance.now() + order.warmMs;
  const endMs = beganMs + order.runMs;
  const sampleUs: number[] = [];
  let rows = order.rows;
  let operations = 0;
  let failed = 0;
  let firstFailure: string | undefined;
  let cpuBefore = process.cpuUsage();
  const counting = setTimeout(() => {
    cpuBefore = process.cpuUsage();
  }, order.warmMs);

  const choose = (): Operation => {
    let left = choices.next();
    for (const [operation, share] of shares) {
      left -= share;
      if (left < 0) return operation;
    }
    return shares[0]?.[0] ?? "get";
  };
  const ask = async (operation: Operation): Promise<void> => {
    if (operation === "insert") {
      const index = order.rows + (rows++ - order.rows) * order.processes + order.process;
      await store.insert(keyOf(index), value);
      return;
    }
    if (operation === "rows") return wide(store, Math.floor(keys.next(order.rows)), order.rows);
    const key = keyOf(keys.next(order.rows));
    if (operation === "put") return void (await store.put(key, value));
    if (operation === "scan") return mustBe((await store.scan(key, scanRows)) > 0, `a scan from ${key} found nothing`);
    const found = await store.get(key);
    mustBe(found?.length === order.valueBytes, `${key} has ${found?.length ?? "no"} bytes`);
    if (operation === "readModifyWrite") await store.put(key, value);
  };
  /** One question; `askedMs` is when it was due. */
  const one = async (askedMs: number): Promise<void> => {
    try {
      await ask(choose());
    } catch (error) {
      failed++;
      firstFailure ??= error instanceof Error ? error.message : String(error);
      return;
    }
    const nowMs = performance.now();
    if (askedMs < beganMs || nowMs > endMs) return;
    operations++;
    const tookUs = Math.round((nowMs - askedMs) * 1000);
    if (sampleUs.length < sampleSize) sampleUs.push(tookUs);
    else {
      const at = picks.below(operations);
      if (at < sampleSize) sampleUs[at] = tookUs;
    }
  };
  const work = async (): Promise<void> => {
    for (let nowMs = performance.now(); nowMs < endMs; nowMs = performance.now()) await one(nowMs);
  };
  /** Questions come when they are due, whatever became of those before. */
  const paced = async (perSecond: number): Promise<void> => {
    const startMs = performance.now();
    const underWay = new Set<Promise<void>>();
    for (let asked = 0, nowMs = startMs; nowMs < endMs; nowMs = performance.now()) {
      for (; asked < ((nowMs - startMs) * perSecond) / 1000; asked++) {
        const asking = one(startMs + (asked * 1000) / perSecond);
        underWay.add(asking);
        void asking.then(() => underWay.delete(asking));
      }
      await pause(1);
    }
    await Promise.all(underWay);
  };
  if (order.perSecond === undefined) await Promise.all(Array.from({ length: order.callers }, work));
  else await paced(order.perSecond);
  clearTimeout(counting);
  const spent = process.cpuUsage(cpuBefore);
  return {
    operations,
    failed,
    ...(firstFailure === undefined ? {} : { firstFailure }),
    sampleUs,
    cpuMs: (spent.user + spent.system) / 1000,
  };
}

/** Begins where enough rows follow. */
async function wide(store: Caller, drawn: number, rows: number): Promise<void> {
  const count = Math.min(wideRows, rows);
  const from = Math.min(drawn, rows - count);
  const came = await store.rows(Array.from({ length: count }, (_, at) => keyOf(from + at)));
  mustBe(came === count, `${came} of ${count} rows came`);
}

function connected(): Caller {
  if (caller === undefined) throw new Error("not connected");
  return caller;
}

function mustBe(is: boolean, what: string): void {
  if (!is) throw new Error(what);
}

/** ASCII text that does not repeat from row to row. */
function textOf(index: number, bytes: number): string {
  const mark = index.toString(36);
  return mark.padEnd(bytes, "abcdefghijklmnopqrstuvwxyz0123456789").slice(0, bytes);
}

async function carryOut(order: Order): Promise<Reply> {
  switch (order.kind) {
    case "connect":
      caller = await open(order.address);
      return { kind: "done" };
    case "echo":
      await answerEchoes(order.url, order.valueBytes);
      return { kind: "done" };
    case "load":
      await load(order);
      return { kind: "done" };
    case "run":
      return { kind: "ran", outcome: await run(order) };
  }
}

process.on("message", (order: Order) => {
  carryOut(order).then(
    (reply) => process.send?.(reply),
    (error: unknown) => process.send?.({ kind: "failed", why: error instanceof Error ? error.message : String(error) }),
  );
});
process.on("disconnect", () => process.exit(0));
