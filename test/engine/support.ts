// Support of the engine's tests: a temporary folder, an engine in it, connections as each user; all ended by `close`.

import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect, type NatsConnection } from "nats";
import { type Engine, type EngineOptions, startNatsServer } from "../../cluster/engine/nats-server.js";
import { silentLog } from "../../cluster/log.js";
import type { Fault, Result } from "../../src/kernel/fault.js";

export class Bench {
  private readonly closers: (() => Promise<unknown>)[] = [];

  async folder(): Promise<string> {
    const made = await mkdtemp(join(tmpdir(), "foreshard-test-"));
    this.closers.push(() => rm(made, { recursive: true, force: true }));
    return made;
  }

  /** Runs after what was begun later has ended, and before the folders that were made earlier go. */
  last(close: () => Promise<unknown>): void {
    this.closers.push(close);
  }

  async engine(more: Partial<EngineOptions> = {}, dataDir?: string): Promise<Engine> {
    const engine = unwrap(await startNatsServer(dataDir ?? (await this.folder()), silentLog, more));
    this.closers.push(() => engine.stop());
    return engine;
  }

  async connection(engine: Engine, as: "core" | "client" | { user: string; pass: string }): Promise<NatsConnection> {
    const who = typeof as === "string" ? engine.credentials[as] : { ...as, inboxPrefix: `_INBOX_${as.user}` };
    const made = await connect({
      servers: [...engine.coreServers],
      ...who,
      maxReconnectAttempts: -1,
      reconnectTimeWait: 100,
    });
    this.closers.push(() => made.close());
    return made;
  }

  /** A file that can be run and does what `lines` of shell say. */
  async script(lines: string): Promise<string> {
    const path = join(await this.folder(), "nats-server");
    await writeFile(path, `#!/bin/sh\n${lines}\n`);
    await chmod(path, 0o755);
    return path;
  }

  async close(): Promise<void> {
    for (const close of this.closers.splice(0).reverse()) await close();
  }
}

export function unwrap<T>(result: Result<T>): T {
  if (result.ok) return result.value;
  throw new Error(`${result.fault.code}: ${result.fault.message}`);
}

export function faultOf(result: Result<unknown>): Fault {
  if (!result.ok) return result.fault;
  throw new Error("this should have been refused");
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
