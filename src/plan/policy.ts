// Policy. Owns the one page that says how the planner may act: what risk is borne, how far it looks, how much it may move, and when it keeps still.
// PO1 a policy that is here is possible: values outside their bounds, contradictions and unknown names never get in. Units stand last in the names.

import { z } from "zod";
import { fail, ok, type Result } from "../kernel/fault.js";

export const policyModes = ["static", "reactive", "shadow", "predictive"] as const;
/** `static` never moves; `reactive` looks at the present; `shadow` foresees and says, never acts; `predictive` acts on what it foresees. */
export type PolicyMode = (typeof policyModes)[number];

const share = (least: number, most: number) => z.number().min(least).max(most);
const whole = (least: number, most: number) => z.int().min(least).max(most);
const ms = (most: number) => z.number().min(0).max(most);
const dayMs = 86_400_000;

const reactive = z.strictObject({
  /** A node is too full above (1 + this) × the mean utilisation; relieved until below (1 + `calmExcess`) × it. As CockroachDB's rebalance threshold. */
  hotExcess: share(0.01, 10).default(0.1),
  calmExcess: share(0, 10).default(0.05),
  /** Below this share of its capacity no node is ever too full: small differences of a small load are nothing. */
  floorShare: share(0, 1).default(0.2),
  /** At this share of its capacity a node is too full whatever the others do. */
  overloadShare: share(0.05, 1).default(0.85),
});

const budget = z.strictObject({
  /** Share of all stored bytes (copies counted) that one round may begin to move. */
  dataShare: share(0, 0.09).default(0.09),
  /** So much may move in a round even where that is a larger share: a cluster with next to no data is not bound to its place. */
  freeBytes: z
    .number()
    .min(0)
    .max(2 ** 40)
    .default(64 * 1024 * 1024),
  concurrentMoves: whole(0, 256).default(4),
  concurrentMovesPerNode: whole(1, 64).default(2),
  handOversPerRound: whole(0, 10_000).default(64),
});

const prices = z.strictObject({
  copyBytesPerSecond: z
    .number()
    .min(1024)
    .max(2 ** 36)
    .default(16 * 1024 * 1024),
  /** Share of a node's capacity that a copy takes, at either end. */
  copyShare: share(0, 0.9).default(0.05),
  /** Every copy takes at least this: attaching, comparing, handing over. */
  copyAtLeastMs: ms(dayMs).default(5000),
  handOverMs: ms(dayMs).default(1000),
  /** Copies are begun so many times their expected length before the deadline. */
  haste: z.number().min(1).max(10).default(1.5),
});

const consolidation = z.strictObject({
  act: z.boolean().default(false),
  /** Of what is left: no step of the horizon may exceed a node's capacity with more than this probability. */
  risk: share(0.0001, 0.5).default(0.01),
  leastNodes: whole(1, 10_000).default(2),
});

const policySchema = z.strictObject({
  mode: z.enum(policyModes).default("predictive"),
  /** P(load > capacity) that is borne, per node and step. */
  risk: share(0.001, 0.5).default(0.05),
  /** A node is full at this share of its capacity: above it waits grow, and the bursts of a moment are refused although the mean would fit. */
  fullShare: share(0.05, 1).default(0.85),
  /** Relief goes on until the risk is below this share of `risk`: what was just mended is not at the edge again. */
  calmShare: share(0.01, 1).default(0.5),
  horizonMs: z.number().min(1000).max(dayMs).default(3_600_000),
  roundMs: z.number().min(100).max(3_600_000).default(10_000),
  /** A fragment that was moved stays for so long; against moves for what is foreseen see `stayMs`. */
  coolDownMs: ms(30 * dayMs).default(600_000),
  /** The halves of a split are neither split again nor joined for so long. As CockroachDB's kv.range_split.by_load_merge_delay. */
  splitCoolDownMs: ms(30 * dayMs).default(300_000),
  /**
   * Absent: a tenth. (Optional, as version 0.1 wrote policies without it.) A fragment that alone bears more than this share of its node's capacity is split. CockroachDB's kv.range_split.load_cpu_threshold, half a core of what a range's requests
   * take, is a tenth of five cores; TiKV's split.region-cpu-overload-threshold-ratio is a quarter of the threads that read. Pieces of a tenth served the reactive policy best.
   */
  splitShare: share(0.01, 1).optional(),
  /** Absent: half. Its halves are joined again when together they bear less than this share of that. As CockroachDB's merge queue. */
  joinShare: share(0, 0.9).optional(),
  /** Least sum over steps of probability of overload that an action must avert. */
  minimumGain: share(0.001, 1000).default(0.1),
  /** The same per GiB copied. */
  minimumGainPerGib: share(0, 1000).default(0.02),
  /** A forecast older than so many of its slots is no forecast. */
  staleSlots: z.number().min(1).max(1000).default(3),
  /** A series is forecast only while at least this share of its 95 % quantiles held of late, and at most that much worse than seasonal naive. */
  leastCoverage95: share(0, 1).default(0.85),
  mostPinballRatio: z.number().min(0.1).max(100).default(1.2),
  leastMatured: whole(0, 1_000_000).default(240),
  splits: z.boolean().default(true),
  readReplicas: z.boolean().default(true),
  mostReplicas: whole(1, 9).default(5),
  /** What an operation of a backup costs (applying a write) as a share of what it costs at the primary. */
  applyShare: share(0, 1).default(0.3),
  budget: budget.prefault({}),
  prices: prices.prefault({}),
  consolidation: consolidation.prefault({}),
  reactive: reactive.prefault({}),
});

export type Policy = z.output<typeof policySchema>;

/**
 * What was moved for what is foreseen stays for a good part of the horizon: forecasts of the far end change from round to round, and data that follows each change
 * pays for more copies than it averts overload.
 */
export function stayMs({ coolDownMs, horizonMs }: Policy): number {
  return Math.max(coolDownMs, horizonMs / 3);
}

const usualSplitShare = 0.1;
const usualJoinShare = 0.5;

/** Shares of a node's capacity: what one piece may bear at most, and below which two are joined. */
export function cutSharesOf({ splitShare = usualSplitShare, joinShare = usualJoinShare }: Policy): {
  readonly split: number;
  readonly join: number;
} {
  return { split: splitShare, join: splitShare * joinShare };
}

export const defaultPolicy: Policy = policySchema.parse({});

/** As it stands in the ledger: one of another version that makes no sense here counts as the default, on every member alike. */
export const storedPolicySchema = z
  .record(z.string(), z.unknown())
  .transform((stored): Policy => policySchema.safeParse(stored).data ?? defaultPolicy);

/** A whole policy from what is given of it, on top of `base`. */
export function decodePolicy(given: unknown, base: Policy = defaultPolicy): Result<Policy> {
  if (typeof given !== "object" || given === null || Array.isArray(given))
    return fail("BAD_POLICY", `a policy is an object such as {"mode": "reactive"}; its fields are ${names(base)}`);
  const checked = policySchema.safeParse(merge(base, given));
  if (!checked.success) return fail("BAD_POLICY", mistakes(checked.error, base));
  const contradiction = contradictionIn(checked.data);
  return contradiction === undefined ? ok(checked.data) : fail("BAD_POLICY", contradiction);
}

function contradictionIn({
  reactive: { hotExcess, calmExcess, floorShare, overloadShare },
}: Policy): string | undefined {
  if (calmExcess >= hotExcess)
    return `reactive.calmExcess must be below reactive.hotExcess (${hotExcess}), not ${calmExcess}: without a gap between them data would move to and fro`;
  if (floorShare >= overloadShare)
    return `reactive.floorShare must be below reactive.overloadShare (${overloadShare}), not ${floorShare}`;
  return undefined;
}

/** Groups of fields are given field by field; names nobody knows are kept for the schema to refuse. */
function merge(base: Readonly<Record<string, unknown>>, given: object): Record<string, unknown> {
  const merged: Record<string, unknown> = { ...base };
  for (const [name, value] of Object.entries(given)) {
    const before = base[name];
    merged[name] = isGroup(before) && isGroup(value) ? merge(before, value) : value;
  }
  return merged;
}

function isGroup(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function mistakes(error: z.ZodError, base: Policy): string {
  return error.issues
    .slice(0, 4)
    .map((issue) => {
      const where = issue.path.join(".");
      if (issue.code === "unrecognized_keys") {
        const group = issue.path.reduce<unknown>((at, name) => (isGroup(at) ? at[String(name)] : undefined), base);
        return `there is no field ${issue.keys.map((key) => JSON.stringify(key.slice(0, 64))).join(", ")}${where === "" ? "" : ` in ${where}`}; the fields are ${names(group)}`;
      }
      return `${where}: ${issue.message}`;
    })
    .join("; ");
}

function names(group: unknown): string {
  return isGroup(group) ? Object.keys(group).join(", ") : "";
}
