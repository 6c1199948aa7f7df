// Trial cluster. Owns one cluster that a trial starts as a user would, in a process of its own, and everything it leaves behind.
// C1 it lives in a temporary folder and on free ports. C2 whatever was started is gone after `end`.
// C3 wires and a small disk are there only when wished for; the cluster is told of them as an operator would tell it.
// C4 who is killed is looked up at that moment: the supervisor starts again what died, under new pids.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { freePorts } from "../../cluster/engine/ports.js";
import { until } from "../../cluster/engine/until.js";
import type { Gate } from "./door.js";
import type { Farewell } from "./farewell.js";
import { familyOf, killFamily, type Part, type ProcessLine, partsOf, signal } from "./processes.js";
import { SmallDisk } from "./small-disk.js";
import { Wires } from "./wires.js";

export interface ClusterWish {
  readonly nodes: number;
  readonly natsServers: 1 | 3;
  readonly isolation: "threads" | "processes";
  readonly restart: "always" | "never";
  /** Everybody reaches the nats-servers, and they each other, through proxies. */
  readonly isWired?: boolean;
  /** The data folder, or with three servers the store of one of them, lies on a disk of its own of this size. */
  readonly diskMiB?: number;
  /** More of the command line of `npm start`. */
  readonly more?: readonly string[];
  /** Options of Node itself. */
  readonly nodeOptions?: readonly string[];
}

const readyFacts = z.object({
  natsUrl: z.string(),
  natsServers: z.array(z.object({ pid: z.number(), port: z.number() })),
  dataDir: z.string(),
  /** Only where a page was wished for. */
  pageUrl: z.string().optional(),
});

export type ReadyFacts = Readonly<z.infer<typeof readyFacts>>;

const startLimitMs = 90_000;
const stopLimitMs = 40_000;
const startScript = fileURLToPath(new URL("../start.js", import.meta.url));

export class TrialCluster {
  private child: ChildProcess | undefined;
  private facts: ReadyFacts | undefined;
  private network: Wires | undefined;
  private ownDisk: SmallDisk | string = "no disk of its own was wished for";
  /** From the start of the process until queries are served. */
  readyMs = 0;

  private constructor(
    readonly folder: string,
    /** The same at every start, so that clients find the cluster again. */
    private readonly port: number,
    private wish: ClusterWish,
  ) {}

  /** Makes the folder; nothing runs yet. */
  static async prepare(farewell: Farewell, wish: ClusterWish): Promise<TrialCluster> {
    const folder = await mkdtemp(join(tmpdir(), "foreshard-trial-"));
    const [port = 0] = await freePorts(1);
    const cluster = new TrialCluster(folder, port, wish);
    farewell.later(() => forget(folder));
    if (wish.diskMiB !== undefined) await cluster.mountDisk(farewell, wish.diskMiB);
    if (wish.isWired === true) {
      const wires = await Wires.open(join(cluster.dataDir, "nats"), wish.natsServers);
      cluster.network = wires;
      farewell.later(() => wires.close());
    }
    farewell.later(() => cluster.killAll());
    return cluster;
  }

  get dataDir(): string {
    return join(this.folder, "data");
  }

  get logFile(): string {
    return join(this.folder, "cluster.log");
  }

  /** Of the process that was started; 0 when none is. */
  get pid(): number {
    return this.child?.pid ?? 0;
  }

  get ready(): ReadyFacts {
    if (this.facts === undefined) throw new Error("the cluster is not ready");
    return this.facts;
  }

  get gate(): Gate {
    const { natsUrl, natsServers } = this.ready;
    const { hostname, username, password } = new URL(natsUrl);
    return {
      servers: natsServers.map(({ port }) => `${hostname}:${port}`),
      user: decodeURIComponent(username),
      pass: decodeURIComponent(password),
    };
  }

  get wires(): Wires {
    if (this.network === undefined) throw new Error("the cluster is not wired");
    return this.network;
  }

  /** The disk, or why there is none. */
  get disk(): SmallDisk | string {
    return this.ownDisk;
  }

  /** Starts it and waits until it serves; again with the same folder after it ended. */
  async start(change: Partial<ClusterWish> = {}): Promise<void> {
    this.wish = { ...this.wish, ...change };
    const readyFile = join(this.folder, "ready.json");
    await rm(readyFile, { force: true });
    const begunMs = performance.now();
    const { nodeOptions = [] } = this.wish;
    const child = spawn(process.execPath, [...nodeOptions, startScript, ...this.commandLine(readyFile)], {
      stdio: ["ignore", "pipe", "pipe"],
      detached: true,
    });
    const log = createWriteStream(this.logFile, { flags: "a" });
    child.stdout.pipe(log, { end: false });
    child.stderr.pipe(log, { end: false });
    child.once("exit", () => log.end());
    this.child = child;
    this.facts = await this.whenReady(child, readyFile, begunMs + startLimitMs);
    this.readyMs = performance.now() - begunMs;
  }

  /** In order, as Ctrl-C would. Returns how long it took; throws when it had to be forced. */
  async stop(): Promise<number> {
    const child = this.child;
    if (child === undefined || hasEnded(child)) return 0;
    const begunMs = performance.now();
    const exited = once(child, "exit").then(() => true);
    child.kill("SIGTERM");
    const kindly = await Promise.race([exited, sleep(stopLimitMs, false, { ref: false })]);
    if (!kindly) {
      await this.killAll();
      throw new Error(`the cluster did not stop within ${stopLimitMs / 1000} s of SIGTERM`);
    }
    return performance.now() - begunMs;
  }

  /** `kill -9` of every process at once. */
  async killAll(): Promise<number> {
    const child = this.child;
    if (child?.pid === undefined || hasEnded(child)) return 0;
    const exited = once(child, "exit");
    const killed = await killFamily(child.pid);
    await exited;
    return killed;
  }

  hasEnded(): boolean {
    return this.child === undefined || hasEnded(this.child);
  }

  family(): Promise<readonly ProcessLine[]> {
    return familyOf(this.pid);
  }

  /** Hosts and servers as they run now. Hosts are listed only with `isolation: "processes"`. */
  async parts(): Promise<readonly Part[]> {
    return partsOf(await this.family());
  }

  /** False when no such part runs right now. */
  async signal(name: string, how: NodeJS.Signals): Promise<boolean> {
    const part = (await this.parts()).find((candidate) => candidate.name === name);
    return part !== undefined && signal(this.pid, part.pid, how);
  }

  /**
   * Kills a part, if it runs, and does `work` before the supervisor, which is frozen meanwhile, starts it again.
   * Hosts in processes of their own and servers live on without the supervisor.
   */
  async whileDown(name: string, work: () => Promise<void>): Promise<void> {
    if (!(await signal(this.pid, this.pid, "SIGSTOP"))) throw new Error("the cluster has ended");
    try {
      const pids = (await this.parts()).filter((part) => part.name === name).map(({ pid }) => pid);
      for (const pid of pids) await signal(this.pid, pid, "SIGKILL");
      const isGone = async () => !(await this.family()).some(({ pid }) => pids.includes(pid));
      if (!(await until(isGone, 5_000, 5))) throw new Error(`${name} does not end`);
      await work();
    } finally {
      await signal(this.pid, this.pid, "SIGCONT");
    }
  }

  /** Does `work` while a part stands still, as a disk's snapshot would find its files. False when there is no such part. */
  async whileFrozen(name: string, work: () => Promise<void>): Promise<boolean> {
    if (!(await this.signal(name, "SIGSTOP"))) return false;
    try {
      await work();
      return true;
    } finally {
      await this.signal(name, "SIGCONT");
    }
  }

  private async mountDisk(farewell: Farewell, sizeMiB: number): Promise<void> {
    const folder = this.wish.natsServers === 1 ? this.dataDir : join(this.dataDir, "nats", "2");
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const disk = await SmallDisk.mount(folder, sizeMiB);
    this.ownDisk = disk;
    if (typeof disk !== "string") farewell.later(() => disk.unmount());
  }

  private commandLine(readyFile: string): string[] {
    const { nodes, natsServers, isolation, restart, more = [] } = this.wish;
    const options: readonly (readonly [string, string | number])[] = [
      ["nodes", nodes],
      ["nats-servers", natsServers],
      ["isolation", isolation],
      ["restart", restart],
      ["data-dir", this.dataDir],
      ["port", this.port],
      // Nobody looks at a trial.
      ["page", "off"],
      ["ready-file", readyFile],
      ...(this.network === undefined ? [] : advertised(this.network)),
    ];
    return [...options.flatMap(([name, value]) => [`--${name}`, String(value)]), ...more];
  }

  private async whenReady(child: ChildProcess, readyFile: string, limitMs: number): Promise<ReadyFacts> {
    while (performance.now() < limitMs) {
      const text = await readFile(readyFile, "utf8").catch(() => undefined);
      if (text !== undefined) return readyFacts.parse(JSON.parse(text));
      if (hasEnded(child)) throw new Error(`the cluster ended while it started:\n${await this.lastWords()}`);
      await sleep(10);
    }
    throw new Error(`the cluster was not ready within ${startLimitMs / 1000} s:\n${await this.lastWords()}`);
  }

  async lastWords(): Promise<string> {
    const text = await readFile(this.logFile, "utf8").catch(() => "");
    return text.split("\n").slice(-15).join("\n");
  }
}

function advertised({ clientAddresses, routeAddresses }: Wires): readonly (readonly [string, string])[] {
  const clients = ["nats-advertise", clientAddresses.join(",")] as const;
  return routeAddresses.length === 0 ? [clients] : [clients, ["route-advertise", routeAddresses.join(",")]];
}

/** With `FORESHARD_KEEP_TRIAL` set, the folder stays for whoever wants to read its logs. */
async function forget(folder: string): Promise<void> {
  if (process.env.FORESHARD_KEEP_TRIAL === undefined)
    await rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  else process.stderr.write(`the trial's folder is kept: ${folder}\n`);
}

function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}
