// Watch. Owns what a move costs the nodes' processes: how long an event loop was held up at most, and how far memory of its own grew.
// The loop's delay is what the node itself tells in its load samples; beside it stands how long the node's thread was ready in that interval and got no core,
// as the system tells: that part is other processes', and a hold-up that is no longer than it need not be the copy's. Memory is RssAnon: pages of LMDB's file are the system's cache, not the process' own.

import { readFile } from "node:fs/promises";
import { decodeSample } from "../../../src/load/sample.js";
import { subjects } from "../../../src/protocol/subjects.js";
import { connectCore } from "../../live/engine-room.js";
import type { Farewell } from "../../live/farewell.js";
import type { TrialCluster } from "../../live/trial-cluster.js";

export interface Cost {
  readonly loopMaxMs: number;
  /** How long its thread waited for a core, in the interval of the longest hold-up. */
  readonly coreWaitMs: number;
  readonly grownBytes: number;
}

const everyMs = 100;

export class Watch {
  private readonly loopMax = new Map<string, { readonly ms: number; readonly coreWaitMs: number }>();
  private readonly pids = new Map<string, number>();
  private readonly waitedMs = new Map<string, number>();
  private readonly firstBytes = new Map<string, number>();
  private readonly mostBytes = new Map<string, number>();

  private constructor(private readonly cluster: TrialCluster) {}

  static async open(farewell: Farewell, cluster: TrialCluster): Promise<Watch> {
    const watch = new Watch(cluster);
    const nats = await connectCore(cluster);
    farewell.later(() => nats.close());
    nats.subscribe(subjects.loads, {
      callback: (_error, { data }) => {
        const sample = decodeSample(data);
        if (!sample.ok) return;
        const { node, load } = sample.value;
        void watch.heldUp(node, load.loopDelayMaxMs);
      },
    });
    const timer = setInterval(() => void watch.look(), everyMs);
    farewell.later(() => clearInterval(timer));
    return watch;
  }

  /** From now on. */
  async begin(): Promise<void> {
    this.loopMax.clear();
    this.mostBytes.clear();
    this.firstBytes.clear();
    await this.look();
  }

  cost(node: string): Cost {
    const grownBytes = (this.mostBytes.get(node) ?? 0) - (this.firstBytes.get(node) ?? 0);
    const { ms, coreWaitMs } = this.loopMax.get(node) ?? { ms: Number.NaN, coreWaitMs: Number.NaN };
    return { loopMaxMs: ms, coreWaitMs, grownBytes };
  }

  private async heldUp(node: string, ms: number): Promise<void> {
    const nowMs = await coreWaitMs(this.pids.get(node));
    const coreWait = nowMs - (this.waitedMs.get(node) ?? nowMs);
    this.waitedMs.set(node, nowMs);
    if (ms > (this.loopMax.get(node)?.ms ?? -1)) this.loopMax.set(node, { ms, coreWaitMs: coreWait });
  }

  private async look(): Promise<void> {
    for (const { name, pid } of await this.cluster.parts().catch(() => [])) {
      this.pids.set(name, pid);
      const bytes = await anonBytes(pid);
      if (!this.firstBytes.has(name)) this.firstBytes.set(name, bytes);
      this.mostBytes.set(name, Math.max(this.mostBytes.get(name) ?? 0, bytes));
    }
  }
}

async function anonBytes(pid: number): Promise<number> {
  const text = await readFile(`/proc/${pid}/status`, "utf8").catch(() => "");
  return Number(/^RssAnon:\s+(\d+) kB$/m.exec(text)?.[1] ?? 0) * 1024;
}

/** Of a process' first thread, since it began: ready to run, and no core free. */
async function coreWaitMs(pid: number | undefined): Promise<number> {
  const text = await readFile(`/proc/${pid}/schedstat`, "utf8").catch(() => "");
  return Number(text.split(" ")[1] ?? 0) / 1e6;
}
