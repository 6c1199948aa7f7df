// Server process. Owns one nats-server: configuration file, process, guard, readiness, restart after a death, end.
// P1 `start` succeeds only when the server is healthy and runs with the settings it was given. P2 a server that dies by itself is started again on the
// same ports, with growing pauses; one that keeps dying is given up and said. P3 after `stop` no process of it is left.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fail, ok, type Result } from "../../src/kernel/fault.js";
import type { Log } from "../log.js";
import { RestartBudget, restartRules } from "../restart-budget.js";
import type { NatsBinary } from "./binary.js";
import { configText, type ServerSpec } from "./config.js";
import { writePrivate } from "./credentials.js";
import { guard } from "./guard.js";
import { askHealth, askLoadTime, askSettings } from "./monitor.js";
import { endStale } from "./stale.js";
import { until } from "./until.js";

const stopMs = 8_000;
const reloadMs = 5_000;

interface Run {
  readonly child: ChildProcess;
  readonly pid: number;
  readonly ended: Promise<string>;
  readonly release: () => void;
}

export class ServerProcess {
  private run: Run | undefined;
  private stopping = false;
  private readonly budget = new RestartBudget(restartRules, Math.random);

  constructor(
    private told: ServerSpec,
    private readonly binary: NatsBinary,
    private readonly log: Log,
    private readonly gaveUp: (name: string, why: string) => void,
  ) {}

  get spec(): ServerSpec {
    return this.told;
  }

  /** 0 while it is down. */
  get pid(): number {
    return this.run?.pid ?? 0;
  }

  async start(readyMs: number): Promise<Result<void>> {
    await mkdir(this.spec.folder, { recursive: true, mode: 0o700 });
    const stale = await endStale(join(this.spec.folder, "nats-server.pid"), this.configFile);
    if (!stale.ok) return stale;
    if (stale.value) this.log("warn", "staleServerEnded", { server: this.spec.name });
    await writePrivate(this.configFile, configText(this.spec));
    return this.launch(readyMs, true);
  }

  async stop(): Promise<void> {
    this.stopping = true;
    await this.end(this.run);
  }

  /** Ends the running process kindly and starts it again on the same ports; one that does not come back at once is tried again like one that died. */
  async restart(readyMs: number): Promise<Result<void>> {
    const run = this.run;
    this.run = undefined;
    await this.end(run);
    if (this.stopping) return ok(undefined);
    const back = await this.launch(readyMs, true);
    if (!back.ok && !this.stopping) void this.revive();
    return back;
  }

  /** Writes who may connect, and has the running server read it; one that is down reads it when it starts. */
  async reseat(seats: ServerSpec["seats"]): Promise<Result<void>> {
    const loadedAt = await askLoadTime(this.spec.monitorPort);
    this.told = { ...this.told, seats };
    await writePrivate(this.configFile, configText(this.told));
    const { run } = this;
    if (run === undefined || !run.child.kill("SIGHUP")) return ok(undefined);
    const isRead = async (): Promise<boolean> => {
      const now = await askLoadTime(this.spec.monitorPort);
      return this.run !== run || (now !== undefined && now !== loadedAt);
    };
    if (await until(isRead, reloadMs)) return ok(undefined);
    return fail("ENGINE", `nats-server ${this.spec.name} did not read its users anew; see ${this.logFile}`);
  }

  private get configFile(): string {
    return join(this.spec.folder, "nats-server.conf");
  }

  private async launch(readyMs: number, first: boolean): Promise<Result<void>> {
    const logFrom = await stat(this.logFile).then(
      ({ size }) => size,
      () => 0,
    );
    const begun = this.begin();
    if (!begun.ok) return begun;
    const run = begun.value;
    this.run = run;
    const early = await this.readyOrEnded(run, readyMs);
    const wrong = early ?? (await this.mistakeInSettings());
    if (wrong === undefined) {
      this.watch(run);
      return ok(undefined);
    }
    if (this.run === run) this.run = undefined;
    await this.end(run);
    const said = await this.lastWords(logFrom);
    if (first)
      return fail("ENGINE", `nats-server ${this.spec.name} ${wrong}${said === "" ? "" : `; it said: ${said}`}`);
    return fail("ENGINE", wrong);
  }

  private begin(): Result<Run> {
    // An own process group: a Ctrl-C in the terminal must reach the supervisor first, not the store of everybody.
    const child = spawn(this.binary.path, ["-c", this.configFile], {
      stdio: ["ignore", "ignore", "pipe"],
      detached: true,
    });
    let failure = "";
    const words: string[] = [];
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      words.push(text);
      if (words.length > 50) words.shift();
    });
    const ended = new Promise<string>((resolve) => {
      child.once("error", (error) => resolve(error.message));
      child.once("exit", (code, signal) => {
        failure = signal === null ? `ended with exit code ${code}` : `was ended by ${signal}`;
      });
      child.once("close", () => resolve([failure, words.join("").trim()].filter((part) => part !== "").join(": ")));
    });
    if (child.pid === undefined) return fail("ENGINE", `${this.binary.path} could not be started`);
    return ok({ child, pid: child.pid, ended, release: guard(child.pid, this.configFile) });
  }

  private async readyOrEnded(run: Run, readyMs: number): Promise<string | undefined> {
    let ended: string | undefined;
    void run.ended.then((how) => {
      ended = how;
    });
    let health = "does not answer";
    const settled = await until(
      async () => {
        if (ended !== undefined || this.stopping) return true;
        health = await askHealth(this.spec.monitorPort);
        return health === "ok" && ended === undefined;
      },
      readyMs,
      15,
    );
    if (ended !== undefined) return `did not start: it ${ended}`;
    if (this.stopping) return "was stopped while it started";
    return settled ? undefined : `was not ready within ${Math.round(readyMs / 1000)} s: ${health}`;
  }

  private async mistakeInSettings(): Promise<string | undefined> {
    const settings = await askSettings(this.spec.monitorPort);
    if (settings === undefined) return "does not tell its settings on its monitoring port";
    if (settings.jetstream === undefined)
      return "runs without JetStream, which holds all data: use a complete nats-server";
    if (settings.jetstream.syncAlways !== (this.spec.durability === "always"))
      return "does not sync to disk as it was told: use an unchanged nats-server";
    if (settings.maxPayloadBytes < 1024 * 1024) return "takes messages of less than 1 MiB only";
    return undefined;
  }

  private watch(run: Run): void {
    void run.ended.then((how) => {
      run.release();
      if (this.run !== run || this.stopping) return;
      this.run = undefined;
      this.log("error", "natsServerDied", { server: this.spec.name, pid: run.pid, how });
      void this.revive();
    });
  }

  private async revive(): Promise<void> {
    for (;;) {
      const pauseMs = this.budget.nextMs(performance.now());
      if (pauseMs === undefined) {
        this.gaveUp(
          this.spec.name,
          `nats-server ${this.spec.name} died too often within a minute; see ${this.logFile}`,
        );
        return;
      }
      await sleep(pauseMs);
      if (this.stopping) return;
      const back = await this.launch(60_000, false);
      if (back.ok) {
        this.log("info", "natsServerRestarted", { server: this.spec.name, pid: this.pid });
        return;
      }
      if (this.stopping) return;
      this.log("error", "natsServerRestartFailed", { server: this.spec.name, why: back.fault.message });
    }
  }

  private async end(run: Run | undefined): Promise<void> {
    if (run === undefined) return;
    if (run.child.exitCode === null && run.child.signalCode === null) {
      const exited = once(run.child, "exit").then(() => true);
      run.child.kill("SIGTERM");
      const kindly = await Promise.race([exited, sleep(stopMs, false, { ref: false })]);
      if (!kindly) {
        run.child.kill("SIGKILL");
        await exited;
      }
    }
    run.release();
  }

  private get logFile(): string {
    return join(this.spec.folder, "nats-server.log");
  }

  /** The errors it logged in this run, for a person; its other words are in the log file. */
  private async lastWords(logFrom: number): Promise<string> {
    const bytes = await readFile(this.logFile).catch(() => Buffer.alloc(0));
    const fresh = bytes.length >= logFrom ? bytes.subarray(logFrom) : bytes;
    const errors = fresh
      .toString("utf8")
      .split("\n")
      .filter((line) => /\[(ERR|FTL|WRN)\]/.test(line))
      .map((line) => line.replace(/^.*?\[(ERR|FTL|WRN)\] /, ""))
      .filter((line) => !line.startsWith("Plaintext passwords"));
    return errors.slice(-3).join("; ").slice(0, 600);
  }
}
