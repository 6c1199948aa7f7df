// Watch. Owns what a move costs the nodes' processes: how long an event loop was held up at most, and how far memory of its own grew.
// The loop's delay is what the node itself tells in its load samples. Memory is RssAnon: pages of LMDB's file are the system's cache, not the process' own.

import { readFile } from "node:fs/promises";
import { decodeSample } from "../../../src/load/sample.js";
import { subjects } from "../../../src/protocol/subjects.js";
import { connectCore } from "../../live/engine-room.js";
import type { Farewell } from "../../live/farewell.js";
import type { TrialCluster } from "../../live/trial-cluster.js";

export interface Cost {
  readonly loopMaxMs: number;
  readonly grownBytes: number;
}

const everyMs = 100;

export class Watch {
  private readonly loopMaxMs = new Map<string, number>();
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
        watch.loopMaxMs.set(node, Math.max(watch.loopMaxMs.get(node) ?? 0, load.loopDelayMaxMs));
      },
    });
    const timer = setInterval(() => void watch.look(), everyMs);
    farewell.later(() => clearInterval(timer));
    return watch;
  }

  /** From now on. */
  async begin(): Promise<void> {
    this.loopMaxMs.clear();
    this.mostBytes.clear();
    this.firstBytes.clear();
    await this.look();
  }

  cost(node: string): Cost {
    const grownBytes = (this.mostBytes.get(node) ?? 0) - (this.firstBytes.get(node) ?? 0);
    return { loopMaxMs: this.loopMaxMs.get(node) ?? Number.NaN, grownBytes };
  }

  private async look(): Promise<void> {
    for (const { name, pid } of await this.cluster.parts().catch(() => [])) {
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
