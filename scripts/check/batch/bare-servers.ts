// Bare servers. Owns one or three nats-servers with nothing around them: no accounts, no supervision, so that a trial alone decides when one dies and what it finds
// on its disk when it comes back. B1 loopback only. B2 after `stop` no process is left.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { loopback } from "../../../cluster/engine/config.js";
import { freePorts } from "../../../cluster/engine/ports.js";
import { until } from "../../../cluster/engine/until.js";

const readyMs = 30_000;

interface Bare {
  readonly name: string;
  readonly port: number;
  readonly monitorPort: number;
  readonly configFile: string;
  readonly storeDir: string;
  child: ChildProcess | undefined;
}

export class BareServers {
  private constructor(
    private readonly binary: string,
    private readonly servers: readonly Bare[],
  ) {}

  /** Servers with fsync before every acknowledgement, as the product starts them. */
  static async start(binary: string, folder: string, count: 1 | 3): Promise<BareServers> {
    const ports = await freePorts(count * 3);
    const routes = Array.from({ length: count }, (_, i) => `nats-route://${loopback}:${ports[count * 2 + i]}`);
    const servers = await Promise.all(
      routes.map(async (_, i): Promise<Bare> => {
        const at = join(folder, `nats-${i}`);
        await mkdir(at, { recursive: true });
        const bare: Bare = {
          name: `nats-${i}`,
          port: ports[i] ?? 0,
          monitorPort: ports[count + i] ?? 0,
          configFile: join(at, "nats-server.conf"),
          storeDir: join(at, "jetstream"),
          child: undefined,
        };
        const cluster = { name: "batch", listen: `${loopback}:${ports[count * 2 + i]}`, routes };
        const config = {
          server_name: bare.name,
          listen: `${loopback}:${bare.port}`,
          http: `${loopback}:${bare.monitorPort}`,
          jetstream: { store_dir: bare.storeDir, sync_interval: "always" },
          ...(count === 1 ? {} : { cluster }),
        };
        await writeFile(bare.configFile, JSON.stringify(config));
        return bare;
      }),
    );
    const made = new BareServers(binary, servers);
    await Promise.all(servers.map((_, i) => made.begin(i)));
    return made;
  }

  get addresses(): string[] {
    return this.servers.map(({ port }) => `${loopback}:${port}`);
  }

  storeDir(index: number): string {
    return this.at(index).storeDir;
  }

  pid(index: number): number {
    return this.at(index).child?.pid ?? 0;
  }

  indexOf(name: string): number {
    return this.servers.findIndex((one) => one.name === name);
  }

  async begin(index: number): Promise<void> {
    const server = this.at(index);
    server.child = spawn(this.binary, ["-c", server.configFile], { stdio: "ignore" });
    const url = `http://${loopback}:${server.monitorPort}/healthz`;
    const isHealthy = () =>
      fetch(url).then(
        ({ ok }) => ok,
        () => false,
      );
    if (!(await until(isHealthy, readyMs))) throw new Error(`${server.name} is not healthy after ${readyMs} ms`);
  }

  async kill(index: number): Promise<void> {
    const { child } = this.at(index);
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, "exit");
    child.kill("SIGKILL");
    await ended;
  }

  async stop(): Promise<void> {
    await Promise.all(this.servers.map((_, i) => this.kill(i)));
  }

  private at(index: number): Bare {
    const found = this.servers[index];
    if (found === undefined) throw new Error(`there is no server ${index}`);
    return found;
  }
}
