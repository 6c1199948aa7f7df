// Profile. Owns demand that is declared in advance: whose, of what, when, how much; and the windows of time that its schedule means.
// A profile of all groups (`everyGroup`) is a calendar event: it multiplies what is asked anyway.
// The schedule is cron arithmetic of croner, which knows time zones and their changes; nothing here reads a clock.

import { Cron } from "croner";
import type { Bytes } from "../kernel/bytes.js";

export const everyGroup = "*";

export interface ProfileTarget {
  readonly table: string;
  /** Positions of the keys that are asked; empty: the whole table, spread as its ranges are. */
  readonly positions: readonly Bytes[];
}

export interface Profile {
  readonly name: string;
  readonly group: string;
  readonly targets: readonly ProfileTarget[];
  /** When a window begins, in cron's five fields (six with seconds). */
  readonly schedule: string;
  readonly timeZone: string;
  readonly durationMs: number;
  /** Queries per second by operation, over all targets together. */
  readonly rates: Readonly<Record<string, number>>;
  /** Of a calendar event: what is asked, times this. 0: not one. */
  readonly factor: number;
  /** No window begins at or after it, milliseconds since 1970. */
  readonly expiresMs: number;
}

export interface ProfileWindow {
  readonly fromMs: number;
  readonly toMs: number;
}

/** Windows looked at in one go: those of an hour, if the schedule says every second. */
const mostWindows = 4000;

/** What is wrong with a schedule or a time zone, in words; undefined: nothing. */
export function scheduleMistake(schedule: string, timeZone: string): string | undefined {
  try {
    new Intl.DateTimeFormat("en", { timeZone });
  } catch {
    return `timeZone must be the name of a time zone such as Europe/Oslo or UTC, not ${JSON.stringify(timeZone)}`;
  }
  try {
    new Cron(schedule, { timezone: timeZone, mode: "5-or-6-parts", paused: true });
    return undefined;
  } catch (error) {
    const why = error instanceof Error ? error.message.replace(/^\w+: /, "") : "it cannot be read";
    return `schedule must be five cron fields (minute, hour, day, month, weekday), or six with seconds first: ${why}`;
  }
}

/** Windows that overlap [fromMs, toMs), in order. */
export function windowsOf(
  profile: Profile,
  fromMs: number,
  toMs: number,
  most = mostWindows,
): readonly ProfileWindow[] {
  const { schedule, timeZone, durationMs, expiresMs } = profile;
  const cron = new Cron(schedule, { timezone: timeZone, mode: "5-or-6-parts", paused: true });
  const windows: ProfileWindow[] = [];
  let next = cron.nextRun(new Date(fromMs - durationMs));
  while (next !== null && windows.length < most) {
    const beginMs = next.getTime();
    if (beginMs >= toMs || beginMs >= expiresMs) break;
    windows.push({ fromMs: beginMs, toMs: beginMs + durationMs });
    next = cron.nextRun(next);
  }
  return windows;
}

/** Share of [fromMs, toMs) that lies within the windows, 0 to 1. */
export function coveredShare(windows: readonly ProfileWindow[], fromMs: number, toMs: number): number {
  let ms = 0;
  for (const window of windows) ms += Math.max(0, Math.min(window.toMs, toMs) - Math.max(window.fromMs, fromMs));
  return Math.min(1, ms / (toMs - fromMs));
}

export function rateOf({ rates }: Profile): number {
  return Object.values(rates).reduce((sum, rate) => sum + rate, 0);
}

/** How far ahead overlaps are looked for: at most so long, and so many windows. */
const overlapReachMs = 60 * 86_400_000;
const overlapWindows = 500;

/** The first moment at which two windows of the profile itself overlap; undefined: none do. */
export function selfOverlap(profile: Profile, nowMs: number): number | undefined {
  const windows = windowsOf(profile, nowMs, nowMs + overlapReachMs, overlapWindows);
  for (const [index, window] of windows.entries()) {
    const before = windows[index - 1];
    if (before !== undefined && window.fromMs < before.toMs) return window.fromMs;
  }
  return undefined;
}

/** The first moment for which both declare demand of one group on one table; undefined: none. */
export function overlapOf(one: Profile, other: Profile, nowMs: number): number | undefined {
  const tables = new Set(one.targets.map(({ table }) => table));
  if (one.group !== other.group || !other.targets.some(({ table }) => tables.has(table))) return undefined;
  const [mine, theirs] = [one, other].map((profile) =>
    windowsOf(profile, nowMs, nowMs + overlapReachMs, overlapWindows),
  );
  let at = 0;
  for (const window of mine ?? []) {
    while (at < (theirs?.length ?? 0) && (theirs?.[at]?.toMs ?? 0) <= window.fromMs) at++;
    const candidate = theirs?.[at];
    if (candidate !== undefined && candidate.fromMs < window.toMs) return Math.max(candidate.fromMs, window.fromMs);
  }
  return undefined;
}
