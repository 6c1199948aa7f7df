// Top. Owns `foreshard top`: the cluster in the terminal, drawn anew every two seconds until q or Ctrl-C; one look where output is no terminal.

import type { Command } from "commander";
import type { Client } from "../../cluster/client/index.js";
import { write, writeJson } from "./output.js";
import { type CommonOptions, positive, withClient, withCommon } from "./session.js";
import { common } from "./tables.js";
import { hasColour, visible, windowOf } from "./terminal.js";
import { screenOf, type TopFigures } from "./top-screen.js";

interface TopOptions extends CommonOptions {
  readonly every?: number;
  readonly once?: boolean;
}

const defaultEveryMs = 2_000;
const screen = {
  enter: "\u001b[?1049h\u001b[?25l",
  leave: "\u001b[?25h\u001b[?1049l",
  home: "\u001b[H\u001b[J",
} as const;

export function addTopCommand(program: Command): void {
  withCommon(program.command("top"))
    .description("the cluster in the terminal: nodes, load, hottest fragments and keys, moves; q ends it")
    .option("--every <ms>", "time between two looks (default: 2000)", positive("--every"))
    .option("--once", "look once and end (as it does where output is no terminal)")
    .action(async (options: TopOptions, command: Command) => top({ ...options, ...common(command) }));
}

async function top(options: TopOptions): Promise<void> {
  await withClient(options, async (client) => {
    if (options.json === true) return writeJson(await figuresOf(client));
    if (options.once === true || process.stdout.isTTY !== true) return lookOnce(client);
    await live(client, options.every ?? defaultEveryMs);
  });
}

async function lookOnce(client: Client): Promise<void> {
  const columns = process.stdout.isTTY === true ? windowOf(process.stdout).columns : 160;
  const lines = screenOf(await figuresOf(client), { columns, rows: 60, colour: hasColour() });
  await write(`${lines.join("\n")}\n`);
}

/** Until q, Ctrl-C, or the end of the terminal. The terminal is left as it was found, whatever happens. */
async function live(client: Client, everyMs: number): Promise<void> {
  let wake: () => void = () => undefined;
  let over = false;
  const end = (): void => {
    over = true;
    wake();
  };
  const key = (bytes: Buffer): void => {
    if (["q", "Q", "\u0003", "\u001b"].includes(bytes.toString())) end();
  };
  process.once("SIGINT", end);
  process.once("SIGTERM", end);
  const { stdin } = process;
  if (stdin.isTTY) stdin.setRawMode(true);
  stdin.on("data", key);
  const redraw = (): void => wake();
  process.stdout.on("resize", redraw);
  await write(screen.enter);
  try {
    while (!over) {
      await draw(client);
      if (over) break;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, everyMs);
        wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  } finally {
    await write(screen.leave);
    process.stdout.off("resize", redraw);
    stdin.off("data", key);
    if (stdin.isTTY) stdin.setRawMode(false);
    stdin.unref();
  }
}

/** A cluster that does not answer for a while is said so; the view goes on. */
async function draw(client: Client): Promise<void> {
  const { columns, rows } = windowOf(process.stdout);
  const canvas = { columns, rows: Math.max(1, rows - 1), colour: hasColour() };
  const lines = await figuresOf(client).then(
    (figures) => screenOf(figures, canvas),
    (error: unknown) => [
      visible(`no answer: ${error instanceof Error ? error.message : String(error)}`).slice(0, columns),
    ],
  );
  await write(`${screen.home}${lines.join("\r\n")}`);
}

async function figuresOf({ cluster }: Client): Promise<TopFigures> {
  const [{ nodes, partitions }, hot, moves] = await Promise.all([cluster.nodes(), cluster.hot(), cluster.moves()]);
  return { atMs: Date.now(), nodes, partitions, hot, moves };
}
