// Machine. Owns what runs on one machine of the trial: a nats-server and the hosts of the cluster, started with the files that `foreshard machines` writes.
// M1 everything it started is gone after `kill`. M2 its folder is its only disk: without it a machine begins as a new one.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { openSync } from "node:fs";
import { copyFile, mkdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { until } from "../../cluster/engine/until.js";
import { killFamily } from "../live/processes.js";
import type { Lane } from "./lanes.js";

export interface MachineWish {
  readonly lane: Lane;
  /** Holds `nats.conf` and `creds.json`. */
  readonly files: string;
  /** As `nats.conf` names it. */
  readonly folder: string;
  readonly natsUrls: string;
  readonly natsServer: string;
}

const readyMs = 120_000;
const startScript = fileURLToPath(new URL("../start.js", import.meta.url));

export class Machine {
  private children: ChildProcess[] = [];

  constructor(private readonly wish: MachineWish) {}

  get name(): string {
    return this.wish.lane.name;
  }
  get lane(): Lane {
    return this.wish.lane;
  }

  startServer(): Promise<void> {
    const { natsServer, files } = this.wish;
    return this.spawn("nats-server", natsServer, ["-c", join(files, "nats.conf")]);
  }

  async startHosts(): Promise<void> {
    const { folder, natsUrls, lane } = this.wish;
    const words = {
      nats: natsUrls,
      creds: join(folder, "creds.json"),
      machine: lane.name,
      nodes: "1",
      control: "1",
      isolation: "processes",
      page: "off",
      "data-dir": join(folder, "data"),
      "ready-file": this.readyFile,
    };
    await mkdir(folder, { recursive: true });
    await copyFile(join(this.wish.files, "creds.json"), words.creds);
    await rm(this.readyFile, { force: true });
    await this.spawn("hosts", process.execPath, [
      startScript,
      ...Object.entries(words).flatMap(([name, value]) => [`--${name}`, value]),
    ]);
  }

  /** Settles once its hosts serve; throws with their last words when they do not. */
  async served(): Promise<void> {
    const isReady = async () => (await readFile(this.readyFile, "utf8").catch(() => "")) !== "" || this.hasEnded();
    if ((await until(isReady, readyMs, 100)) && !this.hasEnded()) return;
    throw new Error(`${this.name} does not serve:\n${await this.lastWords()}`);
  }

  /** As a power cut would: everything at once. */
  async kill(): Promise<void> {
    for (const child of this.children.splice(0)) {
      if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) continue;
      const ended = once(child, "exit");
      await killFamily(child.pid);
      await ended;
    }
  }

  /** Its disk is gone. */
  async wipe(): Promise<void> {
    await rm(this.wish.folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  }

  private get readyFile(): string {
    return join(this.wish.files, "ready.json");
  }

  private get logFile(): string {
    return join(this.wish.files, "output.log");
  }

  private hasEnded(): boolean {
    return this.children.some(({ exitCode, signalCode }) => exitCode !== null || signalCode !== null);
  }

  private async lastWords(): Promise<string> {
    const text = await readFile(this.logFile, "utf8").catch(() => "");
    return text.split("\n").slice(-12).join("\n");
  }

  private async spawn(what: string, program: string, words: readonly string[]): Promise<void> {
    await mkdir(join(this.wish.folder, "nats"), { recursive: true });
    const log = openSync(this.logFile, "a");
    const child = spawn("ip", ["netns", "exec", this.lane.space, program, ...words], {
      stdio: ["ignore", log, log],
      detached: true,
    });
    await Promise.race([once(child, "spawn"), once(child, "error").then(([error]) => Promise.reject(error))]);
    if (child.pid === undefined) throw new Error(`${what} of ${this.name} cannot be started`);
    this.children.push(child);
  }
}
