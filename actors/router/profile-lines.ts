// Profile lines. Owns how declared profiles are shown: what they declare, and when they begin next.

import { type Profile, windowsOf } from "../../src/forecast/profile.js";
import type { ClusterView } from "../../src/ledger/view.js";

/** As clients see it. */
export interface ProfileLine {
  readonly name: string;
  readonly group: string;
  readonly tables: readonly { readonly table: string; readonly keys: number }[];
  readonly schedule: string;
  readonly timeZone: string;
  readonly durationMs: number;
  readonly rates: Readonly<Record<string, number>>;
  /** Of a calendar event, else null. */
  readonly factor: number | null;
  readonly expiresMs: number;
  /** When it begins next, or began if it is under way; null: never again. */
  readonly nextMs: number | null;
}

export function profileLines(views: readonly ClusterView[], wallMs: number): ProfileLine[] {
  return views
    .flatMap(({ profiles }) => [...profiles.values()])
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .map((profile) => lineOf(profile, wallMs));
}

function lineOf(profile: Profile, wallMs: number): ProfileLine {
  const { name, group, targets, schedule, timeZone, durationMs, rates, factor, expiresMs } = profile;
  const [next] = windowsOf(profile, wallMs, Math.min(expiresMs, wallMs + reachMs), 1);
  return {
    name,
    group,
    tables: targets.map(({ table, positions }) => ({ table, keys: positions.length })),
    schedule,
    timeZone,
    durationMs,
    rates,
    factor: factor === 0 && Object.keys(rates).length > 0 ? null : factor,
    expiresMs,
    nextMs: next?.fromMs ?? null,
  };
}

const reachMs = 366 * 86_400_000;
