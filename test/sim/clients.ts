// Clients. Owns the simulated users: each sends one request after the other through the routers and writes down what it was told.
// U1 the history holds exactly what a client could know: true time, its own requests, the answers that reached it.

import type { Random } from "../../src/kernel/random.js";
import { subjects } from "../../src/protocol/subjects.js";
import { type Attempt, createAttempt, type TryOutcome } from "../../src/verify/attempt.js";
import type { Entry } from "../../src/verify/history.js";
import type { Plan, Workload } from "../../src/verify/workload.js";
import type { World } from "./world.js";

const tryTimeoutMs = 3000;
const grantedMs = 2500;
const patienceMs = 12_000;

export class Clients {
  readonly history: Entry[] = [];
  /** How often each fault code ended an operation. */
  readonly codes = new Map<string, number>();
  private ids = 0;
  private running = 0;
  private stopped = false;

  constructor(
    private readonly world: World,
    private readonly workload: Workload,
    private readonly random: Random,
    private readonly thinkMs: number,
  ) {}

  get busy(): number {
    return this.running;
  }

  open(count: number): void {
    for (let client = 1; client <= count; client++) {
      this.running++;
      this.world.clock.after(this.random.next() * this.thinkMs, () => this.loop(client));
    }
  }

  /** Each client ends after the operation it is at. */
  stop(): void {
    this.stopped = true;
  }

  /** Runs one plan to its end, outside of any loop. */
  run(client: number, plan: Plan, done: (entry: Entry) => void): void {
    this.go(client, createAttempt(plan, { client, id: ++this.ids, patienceMs }), (entry) => {
      this.history.push(entry);
      this.learn(entry);
      if (entry.output.op === "fault") {
        const { code } = entry.output;
        this.codes.set(code, (this.codes.get(code) ?? 0) + 1);
      }
      done(entry);
    });
  }

  private loop(client: number): void {
    if (this.stopped) {
      this.running--;
      return;
    }
    this.run(client, this.workload.next(client), () => {
      this.world.clock.after(this.random.next() * 2 * this.thinkMs, () => this.loop(client));
    });
  }

  private go(client: number, attempt: Attempt, done: (entry: Entry) => void): void {
    attempt.begin(this.nowNs());
    const body = { ...attempt.body(), deadlineMs: grantedMs };
    this.world.network.ask(`u${client}`, subjects.query(attempt.table, attempt.op), body, tryTimeoutMs, (outcome) => {
      const progress = attempt.end(tryOutcome(outcome), this.nowNs());
      if (progress.kind === "done") return done(progress.entry);
      this.world.clock.after(progress.afterMs, () => this.go(client, attempt, done));
    });
  }

  private learn(entry: Entry): void {
    const { input, output } = entry;
    if (output.op === "scan") for (const row of output.rows) this.workload.learn(row.key, row.version);
    else if (output.op === "versions" && input.op === "write")
      input.steps.forEach((step, at) => {
        this.workload.learn(step.key, step.act === "delete" ? 0 : (output.versions[at] ?? 0));
      });
    else if (output.op === "rows" && input.op === "get")
      for (const row of output.rows) if (row !== undefined) this.workload.learn(input.key, row.version);
  }

  private nowNs(): number {
    return Math.round(this.world.clock.nowMs * 1e6);
  }
}

function tryOutcome(outcome: { readonly kind: string; readonly body?: unknown }): TryOutcome {
  if (outcome.kind === "answer") return { kind: "answer", body: outcome.body };
  return outcome.kind === "nobody" ? { kind: "nobody" } : { kind: "silence" };
}
