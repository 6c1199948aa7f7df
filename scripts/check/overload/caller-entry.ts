// Caller entry. Owns one process of clients that ask at a given rate, whatever becomes of their questions: raw NATS requests, reads and writes mixed. No question is
// tried again, and none waits for another, but for writes of one row, so that it is known afterwards what each row must hold.

import { pack, unpack } from "../../../src/protocol/codec.js";
import { subjects } from "../../../src/protocol/subjects.js";
import type { Order, Told } from "./callers.js";
import { emptySecond, noteOk, type Second } from "./second.js";
import { Wire } from "./wire.js";

const tickMs = 5;
/** Beyond the deadline: then nobody answers any more. */
const patienceMs = 4000;

interface Row {
  readonly key: string;
  readonly read: Uint8Array;
  /** The numbers of the write that was asked last, and of the one that was acknowledged last. */
  asked: number;
  acknowledged: number;
  isBusy: boolean;
}

type Begin = Extract<Order, { kind: "begin" }>;

function tell(told: Told): void {
  process.send?.(told);
}

class Caller {
  private readonly rows: readonly Row[];
  private readonly getSubject: string;
  private readonly putSubject: string;
  /** Counts belong to the second in which the question was asked; a second is told once nothing of it can be under way. */
  private readonly seconds = new Map<number, Second>();
  private rate = 0;
  private due = 0;
  private pulsedMs = performance.now();
  private turn = 0;
  /** Writes that were acknowledged. */
  private stored = 0;

  private constructor(
    private readonly wish: Begin,
    private readonly wire: Wire,
  ) {
    const { process, rows, table, deadlineMs } = wish;
    this.rows = Array.from({ length: rows }, (_, i) => {
      const key = `${process}/${i}`;
      return { key, read: pack({ key, deadlineMs }), asked: 0, acknowledged: 0, isBusy: false };
    });
    this.getSubject = subjects.query(table, "get");
    this.putSubject = subjects.query(table, "put");
  }

  /** Once every row is there. */
  static async begin(wish: Begin): Promise<Caller> {
    const wire = await Wire.open(wish.servers, wish.user, wish.pass, wish.deadlineMs + patienceMs);
    const caller = new Caller(wish, wire);
    for (let at = 0; at < caller.rows.length; at += 64)
      await Promise.all(caller.rows.slice(at, at + 64).map((row) => caller.plant(row)));
    setInterval(() => caller.pulse(), tickMs);
    setInterval(() => caller.say(), 1000);
    return caller;
  }

  setRate(perSecond: number): void {
    this.rate = perSecond;
    this.due = 0;
  }

  /** Reads every row back: which hold less than was acknowledged, or what nobody wrote. */
  async readBack(): Promise<void> {
    this.setRate(0);
    while (this.wire.underWay > 0) await new Promise((resolve) => setTimeout(resolve, 50));
    this.say();
    const sum = { rows: this.rows.length, lost: 0, unread: 0, acknowledged: this.stored };
    for (const row of this.rows) {
      const held = await this.heldOf(row);
      if (held === undefined) sum.unread++;
      else if (held < row.acknowledged || held > row.asked) sum.lost++;
    }
    tell({ kind: "readBack", ...sum });
  }

  private async plant(row: Row): Promise<void> {
    for (let tries = 0; row.acknowledged === 0; tries++) {
      if (tries > 100) throw new Error(`row ${row.key} cannot be written`);
      await new Promise<void>((resolve) => this.write(row, emptySecond(0), resolve));
    }
  }

  /** What was not asked in time, because this process was not on a processor, is made up for, a second's worth at most. */
  private pulse(): void {
    const nowMs = performance.now();
    const sinceMs = nowMs - this.pulsedMs;
    this.pulsedMs = nowMs;
    this.due = Math.min(this.due + (this.rate * sinceMs) / 1000, this.rate);
    if (this.due < 1) return;
    const second = this.now();
    for (; this.due >= 1; this.due--) this.one(second);
  }

  private now(): Second {
    const at = Math.floor(Date.now() / 1000);
    const second = this.seconds.get(at) ?? emptySecond(at);
    this.seconds.set(at, second);
    return second;
  }

  private one(second: Second): void {
    const row = this.rows[Math.floor(Math.random() * this.rows.length)];
    if (row === undefined) return;
    second.offered++;
    this.turn++;
    if (this.turn % this.wish.writeEvery === 0 && !row.isBusy) this.write(row, second);
    else this.ask(this.getSubject, row.read, second);
  }

  private write(row: Row, second: Second, done: () => void = () => undefined): void {
    const { text, deadlineMs } = this.wish;
    row.isBusy = true;
    const n = ++row.asked;
    this.ask(this.putSubject, pack({ key: row.key, doc: { n, text }, deadlineMs }), second, (isStored) => {
      if (isStored) {
        row.acknowledged = n;
        this.stored++;
      }
      row.isBusy = false;
      done();
    });
  }

  /** `done`: whether it was answered without a fault. */
  private ask(subject: string, body: Uint8Array, second: Second, done?: (isOk: boolean) => void): void {
    const { deadlineMs } = this.wish;
    this.wire.ask(subject, body, {
      answered(bytes, tookMs) {
        const code = codeOf(bytes);
        if (code !== undefined) count(second, code);
        else if (tookMs > deadlineMs) second.late++;
        else noteOk(second, tookMs, done !== undefined);
        done?.(code === undefined);
      },
      silent() {
        second.silent++;
        done?.(false);
      },
    });
  }

  private say(): void {
    const lastMs = Date.now() - this.wish.deadlineMs - patienceMs - 1000;
    const nowS = Math.floor(Date.now() / 1000);
    for (const [at, second] of this.seconds)
      if ((at + 1) * 1000 < lastMs || (this.wire.underWay === 0 && at !== nowS)) {
        this.seconds.delete(at);
        tell({ kind: "second", second });
      }
  }

  private async heldOf(row: Row): Promise<number | undefined> {
    for (let tries = 0; tries < 20; tries++) {
      const bytes = await new Promise<Uint8Array | undefined>((resolve) => {
        const waiting = { answered: (answer: Uint8Array) => resolve(answer), silent: () => resolve(undefined) };
        this.wire.ask(this.getSubject, row.read, waiting);
      });
      const body = bytes === undefined ? undefined : unpack(bytes);
      if (!body?.ok || codeOf(bytes) !== undefined) continue;
      const { row: found } = body.value as { row?: { doc?: { n?: unknown } } | null };
      return Number(found?.doc?.n ?? 0);
    }
    return undefined;
  }
}

function count(second: Second, code: string): void {
  if (code === "OVERLOADED" || code === "UNAVAILABLE") second.refused++;
  else if (code === "DEADLINE_EXCEEDED" || code === "UNKNOWN_OUTCOME") second.late++;
  else second.wrong++;
}

/** The code of a fault; undefined of any other answer. */
function codeOf(bytes: Uint8Array | undefined): string | undefined {
  const answer = unpack(bytes ?? new Uint8Array());
  if (!answer.ok) return "UNDECODABLE";
  const { value } = answer;
  if (typeof value !== "object" || value === null || !("fault" in value)) return undefined;
  const { fault } = value;
  return typeof fault === "object" && fault !== null && "code" in fault ? String(fault.code) : "INTERNAL";
}

let caller: Caller | undefined;

async function obey(order: Order): Promise<void> {
  if (order.kind === "begin") {
    caller = await Caller.begin(order);
    tell({ kind: "begun" });
  } else if (order.kind === "rate") caller?.setRate(order.perSecond);
  else await caller?.readBack();
}

process.on("message", (order: Order) => {
  obey(order).catch((error: Error) => tell({ kind: "failed", why: error.message }));
});
process.on("disconnect", () => process.exit(0));
