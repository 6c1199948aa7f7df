// Inside. Owns the far side of a door, in the thread or process of the host: it starts the one host there and ends when that host fails.

import { expose } from "comlink";
import { fail, ok, type Result } from "../../src/kernel/fault.js";
import type { HostModule, HostSpecData, HostStats, RunningHost } from "./door.js";
import { endpointOf, type MessageChannelEnd } from "./endpoint.js";

/** What the door calls through comlink. Every answer is a value: classes and their fields do not cross. */
export interface InsideApi {
  start(moduleUrl: string, spec: HostSpecData): Promise<Result<void>>;
  stop(leaving: boolean): Promise<Result<void>>;
  stats(): Result<HostStats>;
  /** Ends the thread or process without order. */
  crash(): Promise<void>;
}

/** Exit codes by which the supervisor's log tells a host that failed from one that was told to crash. */
const failedCode = 70;
const crashedCode = 71;
/** A thread shares its process with others that may open the same store next: it gets this long to let go of it. */
const crashLimitMs = 500;

/** Serves one host over `end`. Returns how to end that host when the outside is gone. */
export function serveInside(end: MessageChannelEnd): () => Promise<void> {
  let host: RunningHost | undefined;

  async function fellOver(running: RunningHost): Promise<void> {
    await running.failed;
    if (host === running) process.exit(failedCode);
  }
  async function stop(leaving: boolean): Promise<void> {
    const running = host;
    host = undefined;
    await running?.stop(leaving);
  }

  const api: InsideApi = {
    async start(moduleUrl, spec) {
      if (host !== undefined) return fail("INTERNAL", "a host runs here already");
      const module: HostModule = await import(moduleUrl);
      const started = await module.startHost(spec);
      if (!started.ok) return started;
      host = started.value;
      void fellOver(started.value);
      return ok(undefined);
    },
    async stop(leaving) {
      await stop(leaving);
      return ok(undefined);
    },
    stats: () => (host === undefined ? fail("UNAVAILABLE", "the host is not up") : ok(host.stats())),
    async crash() {
      setTimeout(() => process.exit(crashedCode), crashLimitMs);
      await host?.crash().catch(() => undefined);
      process.exit(crashedCode);
    },
  };
  expose(api, endpointOf(end));
  return () => stop(false);
}
