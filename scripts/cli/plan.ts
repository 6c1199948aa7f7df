// Plan commands. Owns `foreshard plan|policy|explain|advise`: what the planner would do and why, how it may act, why one move was made, and how many nodes will be needed.

import type { Command } from "commander";
import type { MoveInfo, PlanAction, PlanAnswer } from "../../cluster/client/index.js";
import { UsageError } from "./failure.js";
import { bytesText, moveArgument, timeText } from "./move-lines.js";
import { note, write, writeJson, writeTable } from "./output.js";
import { policyChange, policyLines } from "./policy-fields.js";
import { type CommonOptions, withClient, withCommon } from "./session.js";
import { common } from "./tables.js";

export function addPlanCommands(program: Command): void {
  withCommon(program.command("plan"))
    .description("what the planner would do now, why, what it rejected, and the risk of each node before and after")
    .action(async (_options: CommonOptions, command: Command) => plan(common(command)));
  withCommon(program.command("explain").argument("<move>", "a move's number, from: foreshard moves --history"))
    .description("why a move was made, and whether it was worth it")
    .action(async (move: string, _options: CommonOptions, command: Command) =>
      explain(moveArgument(move), common(command)),
    );
  withCommon(program.command("advise"))
    .description("how many nodes will be needed, over the horizon of the forecasts")
    .action(async (_options: CommonOptions, command: Command) => advise(common(command)));
  const policy = withCommon(program.command("policy"))
    .description("how the planner may act: show it, or: policy set reactive | set risk=0.1 budget.concurrentMoves=8")
    .action(async (_options: CommonOptions, command: Command) => showPolicy(common(command)));
  withCommon(policy.command("show"))
    .description("the whole policy")
    .action(async (_options: CommonOptions, command: Command) => showPolicy(common(command)));
  withCommon(
    policy.command("set").argument("<change...>", "a mode (static, reactive, shadow, predictive) or field=value"),
  )
    .description("change it; takes effect at once, and stays")
    .action(async (changes: readonly string[], _options: CommonOptions, command: Command) =>
      setPolicy(changes, common(command)),
    );
}

async function plansFor(options: CommonOptions): Promise<readonly PlanAnswer[]> {
  return withClient(options, (client) => client.cluster.plan());
}

async function showPolicy(options: CommonOptions): Promise<void> {
  const [first] = await plansFor(options);
  if (first === undefined) return note("there is no leader to ask; try again");
  if (options.json === true) return writeJson({ policy: first.policy, by: first.policyBy ?? null });
  await writeTable(["FIELD", "VALUE"], policyLines(first.policy));
  if (first.policyBy !== undefined)
    await write(`set by ${first.policyBy} at ${new Date(first.policySinceMs ?? 0).toISOString()}\n`);
}

async function setPolicy(changes: readonly string[], options: CommonOptions): Promise<void> {
  const policy = policyChange(changes);
  await withClient(options, (client) => client.admin.setPolicy(policy));
  if (options.json === true) return writeJson({ changed: policy });
  await write(`changed: ${JSON.stringify(policy)}; see it with: foreshard policy\n`);
}

async function plan(options: CommonOptions): Promise<void> {
  const plans = await plansFor(options);
  if (options.json === true) return writeJson({ plans });
  for (const one of plans) await tell(one, plans.length > 1);
}

async function tell(one: PlanAnswer, named: boolean): Promise<void> {
  if (named) await write(`control partition ${one.partition}\n`);
  if (one.silence !== undefined) return write(`policy ${one.policy.mode}; no plan: ${one.silence}\n`);
  const { atMs = 0, series = 0, doubted = [], actions = [], underWay = [], rejected = [], findings = [] } = one;
  await write(`policy ${one.policy.mode}; planned at ${clock(atMs)} from ${series} series\n`);
  for (const { text } of findings) await write(`! ${text}\n`);
  await write(actions.length === 0 ? "nothing is to be done\n" : "\nTO BE DONE\n");
  for (const action of actions) await write(actionText(action, atMs, one.policy.mode === "shadow"));
  if (underWay.length > 0) await write("\nUNDER WAY\n");
  for (const { move, fragment, from, to, why } of underWay)
    await write(`  move ${move}: fragment ${fragment}, ${from} to ${to}\n    ${why}\n`);
  if (rejected.length > 0) {
    await write("\nREJECTED\n");
    const cells = rejected.map(({ what, table, fragment, from, to, why }) => [
      what,
      `${table}/${fragment}`,
      from,
      to,
      why,
    ]);
    await writeTable(["WHAT", "FRAGMENT", "FROM", "TO", "WHY"], cells);
  }
  await tellRisks(one);
  if (doubted.length > 0) await write("\nNOT BELIEVED (planned for by their present load)\n");
  for (const { fragment, group, why } of doubted) await write(`  fragment ${fragment}, group ${group}: ${why}\n`);
}

function actionText(action: PlanAction, atMs: number, shadow: boolean): string {
  const { kind, table, fragment, from, to, startMs, deadlineMs, bytes, lastsMs, isLate } = action;
  const what = {
    handOver: `hand the primary of ${table}/${fragment} from ${from} to ${to}`,
    moveReplica: `move ${table}/${fragment} from ${from} to ${to} (${action.strategy})`,
    addReplica: `one more copy of ${table}/${fragment}`,
    removeReplica: `one copy less of ${table}/${fragment}, the one on ${from}`,
    split: `split ${table}/${fragment} on ${from}`,
    merge: `join ${table}/${fragment} and ${action.right}, its half, on ${from}`,
  }[kind];
  const when = startMs <= atMs ? (shadow ? "would begin now" : "now") : `at ${clock(startMs)}`;
  const until = deadlineMs === 0 ? "" : `, to be done by ${clock(deadlineMs)}${isLate ? " (too late for that)" : ""}`;
  const price = bytes === 0 ? "nothing is copied" : `${bytesText(bytes)} in about ${timeText(lastsMs)}`;
  return `  ${what}: ${when}${until}; ${price}\n    ${action.why}\n`;
}

const bars = " ▁▂▃▄▅▆▇█";

async function tellRisks({ risks = [], stepEndsMs = [] }: PlanAnswer): Promise<void> {
  if (risks.length === 0) return;
  await write(`\nRISK of exceeding the capacity, now to ${timeText(stepEndsMs.at(-1) ?? 0)} ahead\n`);
  const line = (values: readonly number[]): string =>
    values.map((risk) => bars[risk === 0 ? 0 : Math.max(1, Math.round(risk * (bars.length - 1)))]).join("");
  await writeTable(
    ["NODE", "CAPACITY", "BEFORE", "MOST", "AFTER", "MOST"],
    risks.map(({ node, capacity, before, after }) => [
      node,
      Math.round(capacity),
      `|${line(before)}|`,
      Math.max(...before).toFixed(2),
      `|${line(after)}|`,
      Math.max(...after).toFixed(2),
    ]),
  );
}

function clock(atMs: number): string {
  return `${new Date(atMs).toISOString().slice(11, 19)}Z`;
}

async function explain(number: number, options: CommonOptions): Promise<void> {
  const found = await withClient(options, async (client) => {
    const isIt = ({ move }: MoveInfo): boolean => move === number;
    return (await client.cluster.moves(false)).find(isIt) ?? (await client.cluster.moves(true)).find(isIt);
  });
  if (found === undefined)
    throw new UsageError(`there is no move ${number}, or it is forgotten; list them with: foreshard moves --history`);
  if (options.json === true) return writeJson({ move: found });
  const { table, fragment, from, to, strategy, cause, by, why, startedMs, deadlineMs, outcome, endedMs, end, verdict } =
    found;
  await write(
    `move ${number}: ${table}/${fragment} from ${from} to ${to} by ${strategy}, ${by === "" ? cause : `${by} (${cause})`}\n`,
  );
  await write(`why: ${why === "" ? "nobody said" : why}\n`);
  const due = deadlineMs === 0 ? "no deadline" : `to be done by ${clock(deadlineMs)}`;
  await write(`began ${clock(startedMs)}, ${due}\n`);
  for (const { phase, atMs, note: said } of found.phases)
    await write(`  ${clock(atMs)} ${phase}${said === "" ? "" : `: ${said}`}\n`);
  if (outcome === undefined)
    return write(`it waits for: ${found.waitsFor === "" ? "its next step" : found.waitsFor}\n`);
  await write(`${outcome} ${clock(endedMs ?? 0)}${end === undefined || end === "" ? "" : `: ${end}`}\n`);
  if (cause === "plan")
    await write(
      `afterwards: ${verdict ?? "not judged yet (two slots after its deadline), or its time passed unseen"}\n`,
    );
}

async function advise(options: CommonOptions): Promise<void> {
  const plans = await plansFor(options);
  const advice = plans.flatMap((one) => one.advice ?? []);
  if (options.json === true) return writeJson({ advice });
  const silent = plans.find(({ silence }) => silence !== undefined);
  if (advice.length === 0)
    return note(`no advice: ${silent?.silence ?? "no node has told what it can carry"}; ask again later`);
  for (const one of plans) {
    const { advice: steps = [], policy } = one;
    const level = Math.round((1 - Number(policy.risk)) * 100);
    if (plans.length > 1) await write(`control partition ${one.partition}\n`);
    for (const { atMs, load, nodesNeeded, nodesThere } of steps) {
      const short = nodesNeeded > nodesThere ? "  <- too few" : "";
      const what = `${nodesNeeded.toFixed(1)} nodes needed, ${nodesThere} there`;
      await write(`${day(atMs)}, ${level} %: ${what} (${Math.round(load)} queries/s)${short}\n`);
    }
  }
}

const days = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];

function day(atMs: number): string {
  const at = new Date(atMs);
  return `${days[at.getUTCDay()]} ${at.toISOString().slice(11, 19)}`;
}
