// Callers. Owns the caller processes of one system: started, told what to do, their outcomes put together, ended.

import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { Farewell } from "../../live/farewell.js";
import { type Order, type Outcome, type Reply, replySchema } from "./wire.js";

const entry = fileURLToPath(new URL("./caller-entry.js", import.meta.url));
const replyLimitMs = 180_000;

export class Callers {
  private constructor(
    private readonly children: readonly ChildProcess[],
    private readonly undo: () => Promise<unknown> | unknown,
  ) {}

  /** `execArgv`: options of Node itself. */
  static start(farewell: Farewell, count: number, execArgv: string[] = []): Callers {
    const children = Array.from({ length: count }, () =>
      fork(entry, { stdio: ["ignore", "inherit", "inherit", "ipc"], execArgv }),
    );
    const undo = farewell.later(() => Promise.all(children.map(endOf)));
    return new Callers(children, undo);
  }

  /** The same to each, or what `order` makes for each. */
  async tell(order: (at: number) => Order): Promise<readonly Reply[]> {
    return Promise.all(this.children.map((child, at) => ask(child, order(at))));
  }

  async run(order: (at: number) => Extract<Order, { kind: "run" }>): Promise<readonly Outcome[]> {
    const replies = await this.tell(order);
    return replies.flatMap((reply) => (reply.kind === "ran" ? [reply.outcome] : []));
  }

  async end(): Promise<void> {
    await this.undo();
  }

  /** In order, so that they write down what Node was told to write at the end. */
  async leave(): Promise<void> {
    const ended = this.children.map((child) => once(child, "exit"));
    for (const child of this.children) child.disconnect();
    await Promise.all(ended);
  }
}

async function ask(child: ChildProcess, order: Order): Promise<Reply> {
  const reply = new Promise<Reply>((resolve, reject) => {
    const timer = setTimeout(() => settle(new Error(`a caller process did not answer ${order.kind}`)), replyLimitMs);
    const settle = (outcome: Reply | Error): void => {
      clearTimeout(timer);
      child.off("message", onMessage);
      child.off("exit", onExit);
      if (outcome instanceof Error) reject(outcome);
      else resolve(outcome);
    };
    const onMessage = (message: unknown): void => settle(replySchema.parse(message));
    const onExit = (): void => settle(new Error(`a caller process ended while it should ${order.kind}`));
    child.on("message", onMessage);
    child.on("exit", onExit);
  });
  child.send(order);
  const answered = await reply;
  if (answered.kind === "failed") throw new Error(`a caller process could not ${order.kind}: ${answered.why}`);
  return answered;
}

async function endOf(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, "exit");
  child.kill("SIGKILL");
  await ended;
}
