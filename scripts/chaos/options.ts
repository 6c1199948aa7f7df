// Options. Owns what a person may choose for a chaos run, and the sentence that helps when a choice is wrong.

import { Command } from "commander";
import { z } from "zod";

export interface ChaosOptions {
  readonly durationMs: number;
  readonly seed: number;
  readonly nodes: number;
  readonly natsServers: 1 | 3;
  readonly clients: number;
  readonly faults: readonly FaultKind[];
  readonly history: string | undefined;
  readonly isJson: boolean;
}

export const faultKinds = ["node", "leader", "router", "nats", "pause"] as const;
export type FaultKind = (typeof faultKinds)[number];

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
    .transform((text): 1 | 3 => (text === "3" ? 3 : 1)),
  clients: whole("clients", 1, 200),
  faults: z.string().transform((text, context) => {
    const named = text.split(",").map((name) => name.trim());
    const known = faultKinds.filter((kind) => named.includes(kind));
    if (known.length === named.length) return known;
    context.addIssue(`--faults must be of ${faultKinds.join(", ")}, with commas between them`);
    return z.NEVER;
  }),
  history: z.string().optional(),
  json: z.boolean().default(false),
});

/** The choices, or what is wrong with them. */
export function readOptions(argv: readonly string[]): ChaosOptions | { readonly mistake: string } {
  const command = new Command("chaos")
    .description(
      "Starts a cluster of its own, loads it, kills its nodes, leader, router and nats-server at seeded times, and judges every answer.",
    )
    .option("--duration <time>", "how long faults are made", "60s")
    .option("--seed <number>", "draws the load and the faults", "1")
    .option("--nodes <count>", "nodes of the cluster", "4")
    .option("--nats-servers <count>", "1 or 3", "1")
    .option("--clients <count>", "clients that each do one operation after the other", "12")
    .option("--faults <kinds>", "which of node, leader, router, nats, pause", faultKinds.join(","))
    .option("--history <file>", "write every operation there, one JSON line each")
    .option("--json", "print the outcome as JSON")
    .allowExcessArguments(false)
    .parse([...argv]);
  const found = schema.safeParse(command.opts());
  if (!found.success) return { mistake: found.error.issues.map(({ message }) => message).join("; ") };
  const { duration, json, history, ...rest } = found.data;
  return { ...rest, durationMs: duration, isJson: json, history };
}
