// Memory. Owns what the processes of a cluster hold while something goes on: the most of each, by name, and the course of their sum.

import { familyOf, partsOf } from "../../live/processes.js";

export interface Reading {
  readonly atMs: number;
  /** Resident bytes by name of the process. */
  readonly bytes: ReadonlyMap<string, number>;
}

export class MemoryGauge {
  readonly readings: Reading[] = [];
  private isOn = true;
  private readonly loop: Promise<void>;

  constructor(
    private readonly pid: number,
    private readonly everyMs = 1000,
  ) {
    this.loop = this.run();
  }

  async stop(): Promise<void> {
    this.isOn = false;
    await this.loop;
  }

  /** Most of each process from one time to another, milliseconds since 1970. */
  most(fromMs: number, toMs: number): ReadonlyMap<string, number> {
    const most = new Map<string, number>();
    for (const { atMs, bytes } of this.readings)
      if (atMs >= fromMs && atMs <= toMs)
        for (const [name, held] of bytes) most.set(name, Math.max(most.get(name) ?? 0, held));
    return most;
  }

  private async run(): Promise<void> {
    while (this.isOn) {
      const family = await familyOf(this.pid).catch(() => []);
      const names = new Map(partsOf(family).map(({ pid, name }) => [pid, name]));
      const bytes = new Map<string, number>();
      for (const { pid, rssBytes } of family) {
        const name = pid === this.pid ? "supervisor" : names.get(pid);
        // The guard of a server has the server's arguments: the larger one is the server.
        if (name !== undefined) bytes.set(name, Math.max(rssBytes, bytes.get(name) ?? 0));
      }
      this.readings.push({ atMs: Date.now(), bytes });
      await new Promise((resolve) => setTimeout(resolve, this.everyMs));
    }
  }
}

export function totalOf(bytes: ReadonlyMap<string, number>): number {
  return [...bytes.values()].reduce((sum, one) => sum + one, 0);
}
