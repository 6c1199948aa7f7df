// Move commands. Owns `foreshard move|moves|replicas|drain`: fragments on their way, by hand or because a node is being emptied.

import { type Command, Option } from "commander";
import type { Client, MoveInfo, MoveStrategy } from "../../cluster/client/index.js";
import { UsageError } from "./failure.js";
import {
  durationArgument,
  fragmentArgument,
  moveArgument,
  moveCells,
  moveHeads,
  pastCells,
  pastHeads,
} from "./move-lines.js";
import { watchMoves } from "./move-watch.js";
import { note, write, writeJson, writeTable } from "./output.js";
import { type CommonOptions, withClient, withCommon, withCommonButDeadline } from "./session.js";
import { common } from "./tables.js";

interface MoveOptions extends Omit<CommonOptions, "deadline"> {
  readonly to?: string;
  readonly from?: string;
  readonly strategy?: string;
  readonly role?: boolean;
  readonly deadline?: string;
  /** Its earlier name. */
  readonly within?: string;
  readonly why?: string;
  readonly watch?: boolean;
}

const strategies: readonly MoveStrategy[] = ["log-shipping", "copy-on-write", "leader-only"];

export function addMoveCommands(program: Command): void {
  const move = withCommonButDeadline(program.command("move").argument("[fragment]", "TABLE/NUMBER, such as users/16"))
    .description("move a fragment to another node, or only its primary role")
    .option("--to <node>", "where it goes")
    .option("--from <node>", "whose replica goes (default: the primary's)")
    .option("--strategy <name>", `${strategies.join(", ")} (default: log-shipping, or leader-only where a replica is)`)
    .option("--role", "make the destination primary although --from is not")
    .option("--deadline <time>", "when the copy should be there, such as 30s or 5m")
    .addOption(new Option("--within <time>", "the same").conflicts("deadline").hideHelp())
    .option("--why <text>", "kept with the move, for those who look later")
    .option("--watch", "stay until it has ended")
    .action(async (fragment: string | undefined, options: MoveOptions, command: Command) =>
      start(fragment, { ...options, ...command.optsWithGlobals<MoveOptions>() }),
    );
  withCommon(move.command("cancel").argument("<move>"))
    .description("end a move before its hand-over")
    .action(async (number: string, _options: CommonOptions, command: Command) =>
      finish(moveArgument(number), true, common(command)),
    );
  withCommon(move.command("rollback").argument("<move>"))
    .description("take a move back after its hand-over, until its second verification has passed")
    .action(async (number: string, _options: CommonOptions, command: Command) =>
      finish(moveArgument(number), false, common(command)),
    );
  withCommon(program.command("moves"))
    .description("moves under way: phase, rows, bytes, lag, speed, time left, who asked and why")
    .option("--watch", "go on showing them until interrupted")
    .option("--history", "those that ended")
    .action(async (options: { watch?: boolean; history?: boolean }, command: Command) =>
      moves(options, common(command)),
    );
  withCommon(program.command("replicas").argument("<fragment>").argument("<count>"))
    .description("give a fragment another number of copies than its table; 0 = as the table says")
    .action(async (fragment: string, count: string, _options: CommonOptions, command: Command) =>
      replicas(fragment, count, common(command)),
    );
  withCommon(program.command("drain").argument("<node>"))
    .description("move everything away from a node, and nothing to it")
    .option("--watch", "stay until the node holds nothing")
    .action(async (node: string, options: { watch?: boolean }, command: Command) =>
      drain(node, options.watch === true, common(command)),
    );
}

async function start(fragment: string | undefined, options: MoveOptions): Promise<void> {
  const { deadline, ...rest } = options;
  const within = deadline ?? options.within;
  if (fragment === undefined || options.to === undefined)
    throw new UsageError("say what goes where, such as: foreshard move users/16 --to n4");
  const strategy = strategies.find((known) => known === options.strategy);
  if (options.strategy !== undefined && strategy === undefined)
    throw new UsageError(`${JSON.stringify(options.strategy)} is no strategy; there are ${strategies.join(", ")}`);
  const wish = {
    ...fragmentArgument(fragment),
    to: options.to,
    ...(options.from === undefined ? {} : { from: options.from }),
    ...(strategy === undefined ? {} : { strategy }),
    ...(options.role === true ? { role: true } : {}),
    ...(within === undefined ? {} : { withinMs: durationArgument(within) }),
    ...(options.why === undefined ? {} : { why: options.why }),
  };
  await withClient(rest, async (client) => {
    const move = await client.admin.move(wish);
    if (options.watch !== true) return tellStarted(move, rest);
    await watchOne(client, move, options.json === true);
  });
}

async function tellStarted(move: number, options: CommonOptions): Promise<void> {
  await (options.json === true
    ? writeJson({ move })
    : write(`move ${move} has begun; watch it with: foreshard moves --watch\n`));
}

async function watchOne(client: Client, number: number, json: boolean): Promise<void> {
  const shown = ({ move }: MoveInfo): boolean => move === number;
  const ended = await watchMoves(client, { json, shown, over: (active) => active.length === 0 });
  // It may have ended before the watch began.
  const past = ended.at(-1) ?? (await client.cluster.moves(true)).find(shown);
  if (!json) await write(`move ${number}: ${past?.outcome ?? "ended"}${past?.end ? `, ${past.end}` : ""}\n`);
  if (past?.outcome !== "done") process.exitCode = 1;
}

async function finish(move: number, cancel: boolean, options: CommonOptions): Promise<void> {
  await withClient(options, (client) => (cancel ? client.admin.cancelMove(move) : client.admin.rollbackMove(move)));
  const done = cancel ? "cancelled" : "rollingBack";
  if (options.json === true) return writeJson({ [done]: move });
  await write(cancel ? `move ${move} was cancelled\n` : `move ${move} is being rolled back\n`);
}

async function moves(
  { watch, history }: { watch?: boolean; history?: boolean },
  options: CommonOptions,
): Promise<void> {
  const json = options.json === true;
  await withClient(options, async (client) => {
    if (watch === true) return void (await watchMoves(client, { json, shown: () => true, over: () => false }));
    const found = await client.cluster.moves(history === true);
    if (json) return writeJson({ moves: found });
    if (found.length === 0) return note(history === true ? "nothing has moved yet" : "nothing is moving");
    if (history === true) return writeTable(pastHeads, found.map(pastCells));
    await writeTable(moveHeads, found.map(moveCells));
  });
}

async function replicas(fragment: string, text: string, options: CommonOptions): Promise<void> {
  const count = Number(text);
  if (!Number.isSafeInteger(count) || count < 0)
    throw new UsageError(`the number of copies is a whole number, not ${JSON.stringify(text)}`);
  const { table, fragment: number } = fragmentArgument(fragment);
  await withClient(options, (client) => client.admin.setReplicas(table, number, count));
  if (options.json === true) return writeJson({ table, fragment: number, replicas: count });
  const wanted = count === 0 ? "as many copies as its table says" : `${count} copies`;
  await write(`${fragment} shall have ${wanted}; watch them with: foreshard fragments ${table}\n`);
}

async function drain(node: string, watch: boolean, options: CommonOptions): Promise<void> {
  const json = options.json === true;
  await withClient(options, async (client) => {
    await client.admin.drain(node);
    if (!watch)
      return json
        ? writeJson({ done: "drain", node })
        : write(`drain ${node}: accepted; watch it with: foreshard moves --watch\n`);
    const empty = async (active: readonly MoveInfo[]): Promise<boolean> =>
      active.length === 0 && (await held(client, node)) === 0;
    const ended = await watchMoves(client, { json, shown: ({ from }) => from === node, over: empty });
    if (!json) await write(`${node} holds nothing any more; ${ended.length} moves\n`);
  });
}

async function held(client: Client, node: string): Promise<number> {
  const { nodes } = await client.cluster.nodes();
  return nodes.find(({ id }) => id === node)?.replicas ?? 0;
}
