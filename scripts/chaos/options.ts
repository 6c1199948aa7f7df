// Options. Owns what a person may choose for a chaos run, and the sentence that helps when a choice is wrong.

import { Command } from "commander";
import { z } from "zod";
import { catalogue, faultWords, kindsOf, needsOf, usualFaults } from "./catalogue.js";
import type { FaultKind } from "./fault.js";

export interface ChaosOptions {
  readonly durationMs: number;
  readonly seed: number;
  readonly nodes: number;
  readonly natsServers: 1 | 3;
  readonly clients: number;
  readonly faults: readonly FaultKind[];
  /** As they were asked for. */
  readonly faultsText: string;
  /** Fragments are moved all the time. */
  readonly moves: boolean;
  readonly history: string | undefined;
  readonly isJson: boolean;
}

const whole = (name: string, least: number, most: number) =>
  z.coerce
    .number({ error: `--${name} must be a whole number` })
    .int({ error: `--${name} must be a whole number` })
    .min(least, { error: `--${name} must be at least ${least}` })
    .max(most, { error: `--${name} must be at most ${most}` });

const units: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000 };

const schema = z.object({
  duration: z
    .string()
    .regex(/^\d+(ms|s|m)$/, { error: "--duration must be a time such as 60s or 5m" })
    .transform((text) => {
      const [, count = "", unit = ""] = /^(\d+)(\D+)$/.exec(text) ?? [];
      return Number(count) * (units[unit] ?? 1);
    })
    .refine((ms) => ms >= 5_000 && ms <= 3_600_000, { error: "--duration must be from 5s to 60m" }),
  seed: whole("seed", 0, 4_294_967_295),
  nodes: whole("nodes", 2, 16),
  natsServers: z
    .enum(["1", "3"], { error: "--nats-servers must be 1 or 3" })
    .transform((text): 1 | 3 => (text === "3" ? 3 : 1))
    .optional(),
  clients: whole("clients", 1, 200),
  faults: z.string().transform((text, context) => {
    const kinds = kindsOf(text);
    if (!("unknown" in kinds)) return { kinds, text };
    context.addIssue(
      `--faults does not know ${JSON.stringify(kinds.unknown)}: write some of ${faultWords.join(", ")}, with commas between them`,
    );
    return z.NEVER;
  }),
  moves: z.boolean().default(false),
  history: z.string().optional(),
  json: z.boolean().default(false),
});

/** The choices, or what is wrong with them. */
export function readOptions(argv: readonly string[]): ChaosOptions | { readonly mistake: string } {
  const command = new Command("chaos")
    .description("Starts a cluster of its own, loads it, breaks it at seeded times, and judges every answer.")
    .option("--duration <time>", "how long faults are made; up to twice as long, until each has struck", "60s")
    .option("--seed <number>", "draws the load and the faults", "1")
    .option("--nodes <count>", "nodes of the cluster", "4")
    .option("--nats-servers <count>", "1 or 3 (default: 1, or 3 where a fault needs them)")
    .option("--clients <count>", "clients that each do one operation after the other", "12")
    .option("--faults <kinds>", "what to break, by the words below", usualFaults)
    .option("--moves", "move fragments from node to node all the time")
    .option("--history <file>", "write every operation there, one JSON line each (docs/HISTORY.md)")
    .option("--json", "print the outcome as JSON")
    .addHelpText("after", `\nFaults:\n${faultLines().join("\n")}\n`)
    .allowExcessArguments(false)
    .parse([...argv]);
  const found = schema.safeParse(command.opts());
  if (!found.success) return { mistake: found.error.issues.map(({ message }) => message).join("; ") };
  const { duration, json, history, faults, natsServers, ...rest } = found.data;
  const needsThree = faults.kinds.filter(({ needs }) => needs.includes("threeServers"));
  if (natsServers === 1 && needsThree.length > 0) {
    const names = needsThree.map(({ name }) => name).join(", ");
    return { mistake: `--faults ${names} need three nats-servers: leave --nats-servers out, or say 3` };
  }
  return {
    ...rest,
    natsServers: natsServers ?? (needsOf(faults.kinds).has("threeServers") ? 3 : 1),
    durationMs: duration,
    faults: faults.kinds,
    faultsText: faults.text,
    isJson: json,
    history,
  };
}

function faultLines(): string[] {
  const groups = [...new Set(catalogue.flatMap((kind) => kind.groups))];
  const members = (group: string): string =>
    catalogue
      .filter((kind) => kind.groups.includes(group))
      .map(({ name }) => name)
      .join(", ");
  const alone = catalogue.filter((kind) => kind.groups.length === 0).map(({ name }) => name);
  return [
    "  all          everything",
    ...groups.map((group) => `  ${group.padEnd(12)} ${members(group)}`),
    `  ${"alone".padEnd(12)} ${alone.join(", ")}`,
  ];
}
