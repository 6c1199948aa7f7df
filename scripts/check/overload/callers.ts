// Callers. Owns the processes of clients of an overload: started, told a rate, their seconds put together by wall time, asked at the end what the rows hold.

import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { Farewell } from "../../live/farewell.js";
import { addUp, type Second } from "./second.js";

export type Order =
  | {
      readonly kind: "begin";
      readonly servers: string[];
      readonly user: string;
      readonly pass: string;
      readonly table: string;
      readonly process: number;
      readonly rows: number;
      readonly text: string;
      /** Every how many questions one is a write. */
      readonly writeEvery: number;
      readonly deadlineMs: number;
    }
  | { readonly kind: "rate"; readonly perSecond: number }
  | { readonly kind: "readBack" };

export interface ReadBack {
  readonly rows: number;
  /** Hold less than was acknowledged, or more than was ever asked. */
  readonly lost: number;
  readonly unread: number;
  /** Writes. */
  readonly acknowledged: number;
}

export type Told =
  | { readonly kind: "begun" }
  | { readonly kind: "second"; readonly second: Second }
  | ({ readonly kind: "readBack" } & ReadBack)
  | { readonly kind: "failed"; readonly why: string };

const entry = fileURLToPath(new URL("./caller-entry.js", import.meta.url));

export class OpenCallers {
  /** By whole second since 1970, of each process. */
  private readonly heard = new Map<number, Second[]>();

  private constructor(private readonly children: readonly ChildProcess[]) {
    for (const child of children)
      child.on("message", (told: Told) => {
        if (told.kind !== "second") return;
        const others = this.heard.get(told.second.at) ?? [];
        this.heard.set(told.second.at, [...others, told.second]);
      });
  }

  static async start(
    farewell: Farewell,
    count: number,
    wish: Omit<Extract<Order, { kind: "begin" }>, "kind" | "process">,
  ): Promise<OpenCallers> {
    const children = Array.from({ length: count }, () =>
      fork(entry, { stdio: ["ignore", "inherit", "inherit", "ipc"] }),
    );
    farewell.later(() => Promise.all(children.map(endOf)));
    const callers = new OpenCallers(children);
    await callers.tell("begun", (process) => ({ kind: "begin", process, ...wish }));
    return callers;
  }

  setRate(perSecond: number): void {
    for (const child of this.children)
      child.send({ kind: "rate", perSecond: perSecond / this.children.length } satisfies Order);
  }

  async readBack(): Promise<ReadBack> {
    const all = await this.tell("readBack", () => ({ kind: "readBack" }));
    const sum = { rows: 0, lost: 0, unread: 0, acknowledged: 0 };
    for (const told of all)
      if (told.kind === "readBack") for (const key of Object.keys(sum) as (keyof ReadBack)[]) sum[key] += told[key];
    return sum;
  }

  /** What was asked from one time to another, both milliseconds since 1970, second by second; only whole seconds count. */
  between(fromMs: number, toMs: number): readonly Second[] {
    const from = Math.ceil(fromMs / 1000);
    const to = Math.floor(toMs / 1000);
    return Array.from({ length: Math.max(0, to - from) }, (_, i) => {
      const heard = this.heard.get(from + i) ?? [];
      return { ...addUp(heard), at: from + i };
    });
  }

  private tell(kind: Told["kind"], order: (process: number) => Order): Promise<readonly Told[]> {
    return Promise.all(
      this.children.map(
        (child, i) =>
          new Promise<Told>((resolve, reject) => {
            const onMessage = (told: Told): void => {
              if (told.kind !== kind && told.kind !== "failed") return;
              child.off("message", onMessage);
              if (told.kind === "failed") reject(new Error(`a process of clients failed: ${told.why}`));
              else resolve(told);
            };
            child.on("message", onMessage);
            child.once("exit", () => reject(new Error("a process of clients ended")));
            child.send(order(i));
          }),
      ),
    );
  }
}

async function endOf(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, "exit");
  child.kill("SIGKILL");
  await ended;
}
