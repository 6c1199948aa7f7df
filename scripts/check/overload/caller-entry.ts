// Caller entry. Owns one process of clients that ask at a given rate, whatever becomes of their questions: raw NATS requests, reads and writes mixed. No question is
// tried again, and none waits for another, but for writes of one row, so that it is known afterwards what each row must hold.

import { connect, type NatsConnection } from "nats";
import { pack, unpack } from "../../../src/protocol/codec.js";
import { subjects } from "../../../src/protocol/subjects.js";
import type { Order, Told } from "./callers.js";
import { emptySecond, noteLatency, type Second } from "./second.js";

const tickMs = 5;
/** Beyond the deadline: then nobody answers any more. */
const patienceMs = 4000;

interface Row {
  readonly key: string;
  /** What was asked last and what was acknowledged last. */
  asked: number;
  acknowledged: number;
  isBusy: boolean;
}

let order: Extract<Order, { kind: "begin" }> | undefined;
let nats: NatsConnection | undefined;
let rows: Row[] = [];
let rate = 0;
let due = 0;
let turn = 0;
let current: Second = emptySecond(Math.floor(Date.now() / 1000));
let underWay = 0;

function tell(told: Told): void {
  process.send?.(told);
}

/** Counts belong to the second in which the question was asked; a second is told once nothing of it can be under way. */
const open = new Map<number, Second>();

function now(): Second {
  const at = Math.floor(Date.now() / 1000);
  if (current.at === at) return current;
  current = open.get(at) ?? emptySecond(at);
  open.set(at, current);
  return current;
}

async function begin(wish: Extract<Order, { kind: "begin" }>): Promise<void> {
  order = wish;
  nats = await connect({ servers: wish.servers, user: wish.user, pass: wish.pass, maxReconnectAttempts: -1 });
  rows = Array.from({ length: wish.rows }, (_, i) => ({
    key: `${wish.process}/${i}`,
    asked: 0,
    acknowledged: 0,
    isBusy: false,
  }));
  for (let at = 0; at < rows.length; at += 64) await Promise.all(rows.slice(at, at + 64).map((row) => plant(row)));
  setInterval(pulse, tickMs);
  setInterval(say, 1000);
  tell({ kind: "begun" });
}

async function plant(row: Row): Promise<void> {
  for (let tries = 0; row.acknowledged === 0; tries++) {
    if (tries > 100) throw new Error(`row ${row.key} cannot be written`);
    await write(row, emptySecond(0));
  }
}

function pulse(): void {
  due = Math.min(due + (rate * tickMs) / 1000, rate / 4);
  for (; due >= 1; due--) void one();
}

async function one(): Promise<void> {
  const second = now();
  second.offered++;
  turn++;
  const row = rows[Math.floor(Math.random() * rows.length)];
  if (row === undefined || order === undefined) return;
  underWay++;
  if (turn % order.writeEvery === 0 && !row.isBusy) await write(row, second);
  else await ask("get", { key: row.key, deadlineMs: order.deadlineMs }, second);
  underWay--;
}

async function write(row: Row, second: Second): Promise<void> {
  if (order === undefined) return;
  row.isBusy = true;
  const n = ++row.asked;
  const body = { key: row.key, doc: { n, text: order.text }, deadlineMs: order.deadlineMs };
  if (await ask("put", body, second)) row.acknowledged = n;
  row.isBusy = false;
}

/** True when it was answered without a fault. */
async function ask(
  op: string,
  body: { key: string; doc?: object; deadlineMs: number },
  second: Second,
): Promise<boolean> {
  if (nats === undefined || order === undefined) return false;
  const begunMs = performance.now();
  try {
    const timeout = body.deadlineMs + patienceMs;
    const msg = await nats.request(subjects.query(order.table, op), pack(body), { timeout });
    const tookMs = performance.now() - begunMs;
    const answer = unpack(msg.data);
    const code = answer.ok ? codeOf(answer.value) : "UNDECODABLE";
    if (code !== undefined) count(second, code);
    else if (tookMs > body.deadlineMs) second.late++;
    else {
      second.ok++;
      noteLatency(second, tookMs);
    }
    return code === undefined;
  } catch {
    second.silent++;
    return false;
  }
}

function count(second: Second, code: string): void {
  if (code === "OVERLOADED" || code === "UNAVAILABLE") second.refused++;
  else if (code === "DEADLINE_EXCEEDED" || code === "UNKNOWN_OUTCOME") second.late++;
  else second.wrong++;
}

function codeOf(body: unknown): string | undefined {
  if (typeof body !== "object" || body === null || !("fault" in body)) return undefined;
  const { fault } = body;
  return typeof fault === "object" && fault !== null && "code" in fault ? String(fault.code) : "INTERNAL";
}

function say(): void {
  const lastMs = Date.now() - (order?.deadlineMs ?? 0) - patienceMs - 1000;
  for (const [at, second] of open)
    if ((at + 1) * 1000 < lastMs || (underWay === 0 && at !== current.at)) {
      open.delete(at);
      tell({ kind: "second", second });
    }
}

/** Reads every row back: which hold less than was acknowledged, or what nobody wrote. */
async function readBack(): Promise<void> {
  rate = 0;
  due = 0;
  while (underWay > 0) await new Promise((resolve) => setTimeout(resolve, 50));
  let lost = 0;
  let unread = 0;
  for (const row of rows) {
    const held = await holds(row.key);
    if (held === undefined) unread++;
    else if (held < row.acknowledged || held > row.asked) lost++;
  }
  say();
  const acknowledged = rows.reduce((sum, row) => sum + row.acknowledged, 0);
  tell({ kind: "readBack", rows: rows.length, lost, unread, acknowledged });
}

async function holds(key: string): Promise<number | undefined> {
  for (let tries = 0; tries < 20; tries++) {
    const msg = await nats
      ?.request(subjects.query(order?.table ?? "", "get"), pack({ key, deadlineMs: 2000 }), { timeout: 3000 })
      .catch(() => undefined);
    const answer = msg === undefined ? undefined : unpack(msg.data);
    if (answer?.ok && codeOf(answer.value) === undefined) {
      const body = answer.value as { row?: { doc?: { n?: unknown } } | null };
      return Number(body.row?.doc?.n ?? 0);
    }
  }
  return undefined;
}

process.on("message", (message: Order) => {
  const failed = (error: Error): void => tell({ kind: "failed", why: error.message });
  if (message.kind === "begin") begin(message).catch(failed);
  else if (message.kind === "rate") rate = message.perSecond;
  else readBack().catch(failed);
});
process.on("disconnect", () => process.exit(0));
