// Processes. Owns what a trial knows of the processes of its cluster: which there are now, what each is, what it uses, and their end by force.
// P1 only descendants of a process that the trial started are ever signalled; the table is read anew for each signal. Linux only (/proc).

import { readdir, readFile } from "node:fs/promises";

export interface ProcessLine {
  readonly pid: number;
  readonly parent: number;
  readonly args: readonly string[];
  readonly rssBytes: number;
  /** Time on a processor since its start, user and system. */
  readonly cpuMs: number;
  readonly isZombie: boolean;
}

/** A part of a cluster by its name: `n1`, `c1`, `r1`, or `nats-0` for a server. */
export interface Part {
  readonly name: string;
  readonly pid: number;
}

const pageBytes = 4096;
const tickMs = 10;

/** The process and everything below it, as they are now. */
export async function familyOf(root: number): Promise<readonly ProcessLine[]> {
  const lines = await allProcesses();
  const family = new Set([root]);
  // A child may stand before its parent in the list: look until nothing is added.
  for (let before = 0; before !== family.size; ) {
    before = family.size;
    for (const { pid, parent } of lines) if (family.has(parent)) family.add(pid);
  }
  return lines.filter(({ pid, isZombie }) => family.has(pid) && !isZombie);
}

/** The hosts that run in processes of their own, and the servers. */
export function partsOf(family: readonly ProcessLine[]): readonly Part[] {
  return family.flatMap((line) => {
    const name = nameOf(line);
    return name === undefined ? [] : [{ name, pid: line.pid }];
  });
}

/** False when it is gone already, or was never of this family. */
export async function signal(root: number, pid: number, how: NodeJS.Signals): Promise<boolean> {
  const family = await familyOf(root);
  if (!family.some((line) => line.pid === pid)) return false;
  return send(pid, how);
}

/** Everything at once, the root last so that it starts nothing again. Returns how many were ended. */
export async function killFamily(root: number): Promise<number> {
  send(root, "SIGSTOP");
  const family = await familyOf(root);
  const others = family.filter(({ pid }) => pid !== root);
  for (const { pid } of others) send(pid, "SIGKILL");
  send(root, "SIGKILL");
  return family.length;
}

function send(pid: number, how: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, how);
  } catch {
    return false;
  }
}

function nameOf({ args }: ProcessLine): string | undefined {
  const entry = args.findIndex((arg) => arg.endsWith("process-entry.js"));
  if (entry >= 0) return args[entry + 1];
  const server = /[/\\]nats[/\\](\d+)[/\\]nats-server\.conf$/.exec(args.at(-1) ?? "");
  return server === null ? undefined : `nats-${server[1]}`;
}

async function allProcesses(): Promise<readonly ProcessLine[]> {
  const names = await readdir("/proc").catch(() => {
    throw new Error("this trial reads /proc: it runs on Linux only");
  });
  const lines = await Promise.all(names.filter((name) => /^\d+$/.test(name)).map(readProcess));
  return lines.flatMap((line) => line ?? []);
}

async function readProcess(name: string): Promise<ProcessLine | undefined> {
  const [stat, command] = await Promise.all([
    readFile(`/proc/${name}/stat`, "utf8").catch(() => undefined),
    readFile(`/proc/${name}/cmdline`, "utf8").catch(() => ""),
  ]);
  if (stat === undefined) return undefined;
  // The second field is the command in parentheses and may hold blanks; what follows starts with the state, the 3rd.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const field = (number: number): number => Number(fields[number - 3]);
  return {
    pid: Number(name),
    parent: field(4),
    args: command.split("\0").filter((arg) => arg !== ""),
    rssBytes: field(24) * pageBytes,
    cpuMs: (field(14) + field(15)) * tickMs,
    isZombie: fields[0] === "Z" || fields[0] === "X",
  };
}
