// Threads. Owns what each thread of a process has used of a processor. Linux only (/proc).

import { readdir, readFile } from "node:fs/promises";

export interface ThreadLine {
  readonly id: number;
  /** As the system has it: Node's own threads are all called the same, in the order in which they began. */
  readonly name: string;
  readonly userMs: number;
  readonly systemMs: number;
}

const tickMs = 10;

/** The threads of process `pid` as they are now; none when it is gone. */
export async function threadsOf(pid: number): Promise<readonly ThreadLine[]> {
  const folder = `/proc/${pid}/task`;
  const ids = await readdir(folder).catch(() => []);
  const all = await Promise.all(ids.map((id) => readFile(`${folder}/${id}/stat`, "utf8").catch(() => "")));
  return all.flatMap((text) => {
    const nameEnd = text.lastIndexOf(")");
    if (nameEnd < 0) return [];
    // Fields behind the name: state is 0, user time 11, system time 12.
    const fields = text.slice(nameEnd + 2).split(" ");
    return [
      {
        id: Number.parseInt(text, 10),
        name: text.slice(text.indexOf("(") + 1, nameEnd),
        userMs: Number(fields[11]) * tickMs,
        systemMs: Number(fields[12]) * tickMs,
      },
    ];
  });
}
