// Load. Owns the clients of a trial: a seeded mix of every operation on few known rows, each client one operation after the other, all of it in the history.
// L1 the number of operations under way is the number of clients. L2 the history is bounded by `mostOperations`; at that size the clients rest.

import { setTimeout as sleep } from "node:timers/promises";
import type { Random } from "../../src/kernel/random.js";
import { createAttempt } from "../../src/verify/attempt.js";
import type { Entry } from "../../src/verify/history.js";
import type { Plan, Workload } from "../../src/verify/workload.js";
import { carryOut } from "./carry-out.js";
import type { Door } from "./door.js";

export interface LoadOptions {
  readonly clients: number;
  /** Mean pause of a client between two operations. */
  readonly thinkMs: number;
}

const mostOperations = 400_000;
const patienceMs = 20_000;

export class Load {
  readonly history: Entry[] = [];
  private ids = 0;
  private stopped = false;
  private loops: Promise<void>[] = [];

  constructor(
    private readonly doors: readonly Pick<Door, "query">[],
    private readonly workload: Workload,
    private readonly random: Random,
    private readonly options: LoadOptions,
  ) {}

  start(): void {
    this.stopped = false;
    this.loops = Array.from({ length: this.options.clients }, (_, at) => this.loop(at + 1));
  }

  /** Each client ends after the operation it is at. */
  async stop(): Promise<void> {
    this.stopped = true;
    await Promise.all(this.loops);
    this.loops = [];
  }

  /** Strong reads of every row, one after the other; part of the history like all others. */
  async finalReads(): Promise<readonly Entry[]> {
    const entries: Entry[] = [];
    for (const plan of this.workload.finalReads()) entries.push(await this.run(0, plan));
    return entries;
  }

  private async loop(client: number): Promise<void> {
    while (!this.stopped && this.history.length < mostOperations) {
      await this.run(client, this.workload.next(client));
      await sleep(this.random.next() * 2 * this.options.thinkMs);
    }
  }

  private async run(client: number, plan: Plan): Promise<Entry> {
    const door = this.doors[client % this.doors.length];
    if (door === undefined) throw new Error("a load needs a door");
    const attempt = createAttempt(plan, { client, id: ++this.ids, patienceMs });
    const entry = await carryOut(door, attempt);
    this.history.push(entry);
    this.learn(entry);
    return entry;
  }

  private learn({ input, output }: Entry): void {
    if (output.op === "scan") for (const row of output.rows) this.workload.learn(row.key, row.version);
    else if (output.op === "versions" && input.op === "write")
      input.steps.forEach((step, at) => {
        this.workload.learn(step.key, step.act === "delete" ? 0 : (output.versions[at] ?? 0));
      });
    else if (output.op === "rows" && input.op === "get")
      for (const row of output.rows) if (row !== undefined) this.workload.learn(input.key, row.version);
  }
}
