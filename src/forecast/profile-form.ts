// Profile form. Owns how a profile is written by people, and the sentence that helps when it is written wrongly.
// PF1 what leaves here makes sense: its schedule means something, its tables and keys exist, its rates are rates, its end lies ahead.

import { z } from "zod";
import { limits } from "../config/limits.js";
import type { Bytes } from "../kernel/bytes.js";
import { fail, ok, type Result } from "../kernel/fault.js";
import type { Hash } from "../kernel/hash.js";
import { isGroup } from "../load/group.js";
import { loadKinds } from "../load/kinds.js";
import { isName } from "../protocol/subjects.js";
import { decodeBound, positionOfBound } from "../table/key.js";
import type { TableDef } from "../table/table.js";
import { everyGroup, type Profile, type ProfileTarget, scheduleMistake, selfOverlap, windowsOf } from "./profile.js";

const units: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const durationRule = 'duration must be a time from 1s to 7d, such as "30m" or "2h"';
const rateRule = `rates must be queries per second by operation, such as {"get": 200}; the operations are ${loadKinds.join(", ")}`;
const groupRule = `group must be the name of a client group, at most ${limits.nameLength} characters, or "*" for all of them`;
const expiryRule = 'expires must be a date such as "2027-01-01" or "2027-01-01T00:00:00Z"';

const shape = z.strictObject({
  name: z.string({ error: "name must be a name" }).refine(isName, {
    error: `name must be a letter, then letters, digits, _ and -, at most ${limits.nameLength}`,
  }),
  group: z.string({ error: groupRule }).refine((group) => group === everyGroup || isGroup(group), { error: groupRule }),
  tables: z
    .array(
      z.union([
        z.string(),
        z.strictObject({ table: z.string(), keys: z.array(z.unknown()).min(1).max(limits.profileKeys) }),
      ]),
      { error: `tables must list table names, or {"table", "keys"} with at most ${limits.profileKeys} keys` },
    )
    .min(1, { error: "tables must name at least one table" })
    .max(limits.profileTables, { error: `tables may name at most ${limits.profileTables} tables` }),
  schedule: z.string({ error: 'schedule must be cron fields such as "0 2 * * *"' }).max(256),
  timeZone: z.string({ error: "timeZone must be the name of a time zone such as Europe/Oslo" }).default("UTC"),
  duration: z
    .string({ error: durationRule })
    .transform((text) => {
      const [, count = "", unit = ""] = /^(\d+(?:\.\d+)?)(s|m|h|d)$/.exec(text.trim()) ?? [];
      return Number(count || Number.NaN) * (units[unit] ?? Number.NaN);
    })
    .refine((ms) => ms >= 1000 && ms <= 7 * 86_400_000, { error: durationRule }),
  rates: z
    .record(z.string(), z.number({ error: rateRule }).min(0, { error: "rates must not be negative" }).max(1e9), {
      error: rateRule,
    })
    .optional(),
  factor: z
    .number({ error: "factor must be a number such as 2: what is asked, times this" })
    .min(0, { error: "factor must not be negative" })
    .max(1000, { error: "factor may be at most 1000" })
    .optional(),
  expires: z
    .string({ error: expiryRule })
    .transform((text) => Date.parse(text))
    .refine((ms) => Number.isFinite(ms), { error: expiryRule }),
});

/** Tables by name, as the cluster has them. */
export type Tables = (name: string) => TableDef | undefined;

export function decodeProfile(body: unknown, tables: Tables, hash: Hash, nowMs: number): Result<Profile> {
  const checked = shape.safeParse(body);
  if (!checked.success) return fail("BAD_PROFILE", sentence(checked.error.issues[0]));
  const { name, group, schedule, timeZone, duration, rates = {}, factor, expires } = checked.data;
  const demand = demandMistake(group, rates, factor) ?? scheduleMistake(schedule, timeZone);
  if (demand !== undefined) return fail("BAD_PROFILE", demand);
  const targets: ProfileTarget[] = [];
  for (const given of checked.data.tables) {
    const target = targetOf(given, tables, hash);
    if (!target.ok) return target;
    targets.push(target.value);
  }
  const profile: Profile = {
    name,
    group,
    targets,
    schedule,
    timeZone,
    durationMs: duration,
    rates,
    factor: factor ?? 0,
    expiresMs: expires,
  };
  const mistake = timeMistake(profile, nowMs);
  return mistake === undefined ? ok(profile) : fail("BAD_PROFILE", mistake);
}

function sentence(issue: z.core.$ZodIssue | undefined): string {
  if (issue === undefined) return "the profile cannot be read";
  if (issue.code === "unrecognized_keys")
    return `a profile has no field ${issue.keys.join(", ")}; its fields are ${Object.keys(shape.shape).join(", ")}`;
  if (issue.code === "invalid_type" && issue.path.length === 0) return "a profile must be an object";
  return issue.message;
}

function demandMistake(group: string, rates: Readonly<Record<string, number>>, factor: number | undefined) {
  if (group === everyGroup) {
    if (factor === undefined || Object.keys(rates).length > 0)
      return 'a profile of all groups is a calendar event: give it a "factor", such as 2 for twice the usual load, and no "rates"';
    return undefined;
  }
  if (factor !== undefined) return 'a "factor" is for calendar events, whose group is "*"; give a client group "rates"';
  const stray = Object.keys(rates).find((op) => !loadKinds.some((kind) => kind === op));
  if (stray !== undefined) return `there is no operation ${JSON.stringify(stray)}; ${rateRule}`;
  return Object.values(rates).some((rate) => rate > 0) ? undefined : rateRule;
}

function timeMistake(profile: Profile, nowMs: number): string | undefined {
  const { expiresMs } = profile;
  if (expiresMs <= nowMs)
    return `expires is ${new Date(expiresMs).toISOString()}, which is over; give a time that lies ahead`;
  if (windowsOf(profile, nowMs, expiresMs, 1).length === 0)
    return `the schedule ${JSON.stringify(profile.schedule)} never comes before ${new Date(expiresMs).toISOString()}`;
  const overlap = selfOverlap(profile, nowMs);
  if (overlap === undefined) return undefined;
  return `the schedule begins again at ${new Date(overlap).toISOString()} while the run before still lasts; give a shorter duration, or fewer runs`;
}

type Given = z.output<typeof shape>["tables"][number];

function targetOf(given: Given, tables: Tables, hash: Hash): Result<ProfileTarget> {
  const name = typeof given === "string" ? given : given.table;
  const table = tables(name);
  if (table === undefined)
    return fail("UNKNOWN_TABLE", `the profile names ${JSON.stringify(name)}, and there is no such table`);
  const positions: Bytes[] = [];
  for (const key of typeof given === "string" ? [] : given.keys) {
    // A partition key alone stands for all rows under it, where they begin.
    const decoded = decodeBound(table, key, "the key");
    const position = decoded.ok ? positionOfBound(table, decoded.value, hash) : decoded;
    if (!position.ok) return fail("BAD_KEY", `a key of table ${name}: ${position.fault.message}`);
    positions.push(position.value);
  }
  return ok({ table: name, positions });
}
