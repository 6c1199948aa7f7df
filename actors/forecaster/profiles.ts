// Profiles. Owns what the ledger's declared profiles mean for each series: how much is promised in a slot, to which fragments, and which series are declared
// before anybody asked.
// P1 what a profile declares for a table is divided over its fragments by the width of their ranges, or by where its keys lie.

import { limits } from "../../src/config/limits.js";
import {
  coveredShare,
  everyGroup,
  type Profile,
  type ProfileWindow,
  rateOf,
  windowsOf,
} from "../../src/forecast/profile.js";
import type { Promised } from "../../src/forecast/promise.js";
import { fragmentAt, tableNamed } from "../../src/ledger/lookup.js";
import type { ClusterView, FragmentView } from "../../src/ledger/view.js";
import { seriesKey } from "../../src/load/book.js";
import { widthOf } from "../../src/load/inherit.js";
import { partitionOfFragment } from "../../src/protocol/subjects.js";
import type { Entry, ForecasterState, Lane } from "./state.js";

/** Windows are worked out for this much time at once. */
const stretchMs = 1_800_000;

interface Known {
  readonly fromMs: number;
  readonly toMs: number;
  readonly windows: readonly ProfileWindow[];
}

/** Windows of profiles by stretch of time; a profile that is put anew is another object. */
export class Calendar {
  private readonly known = new WeakMap<Profile, Map<number, Known>>();

  share(profile: Profile, fromMs: number, toMs: number): number {
    const stretch = Math.floor(fromMs / stretchMs);
    let stretches = this.known.get(profile);
    if (stretches === undefined) {
      stretches = new Map();
      this.known.set(profile, stretches);
    }
    let known = stretches.get(stretch);
    if (known === undefined) {
      const [begin, end] = [stretch * stretchMs, (stretch + 2) * stretchMs];
      known = { fromMs: begin, toMs: end, windows: windowsOf(profile, begin, end) };
      // A past of thirty days has 1,440 stretches; beyond that the oldest go.
      if (stretches.size > 2048) stretches.delete(stretches.keys().next().value ?? 0);
      stretches.set(stretch, known);
    }
    return coveredShare(known.windows, fromMs, toMs);
  }
}

/** All profiles, in the order of their names; they stand in the ledger of the first control partition. */
export function profilesOf(state: ForecasterState): readonly Profile[] {
  const profiles = state.tails[0]?.view.profiles;
  return profiles === undefined || profiles.size === 0
    ? []
    : [...profiles.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** What is promised to a series in a slot. `usual`: its forecast without promises, which a calendar event multiplies. */
export function promisedIn(
  state: ForecasterState,
  entry: Entry,
  lane: Lane,
  slot: number,
  usual: number,
): readonly Promised[] {
  const { slotMs } = lane.horizon;
  return profilesOf(state).flatMap((profile): readonly Promised[] => {
    const share = shareFor(state, profile, entry);
    if (share === 0) return [];
    const covered = state.calendar.share(profile, slot * slotMs, (slot + 1) * slotMs);
    if (covered === 0) return [];
    const rate = profile.group === everyGroup ? usual * (profile.factor - 1) : rateOf(profile) * share;
    return rate === 0 ? [] : [{ name: profile.name, rate: rate * covered }];
  });
}

/** Share of the profile's demand that falls to the series' fragment; 1 for a calendar event of its table. */
function shareFor(state: ForecasterState, profile: Profile, entry: Entry): number {
  if (profile.group !== everyGroup && profile.group !== entry.group) return 0;
  const view = state.tails[partitionOfFragment(entry.fragment)]?.view;
  const table = view?.tables.get(entry.table);
  const fragment = view?.fragments.get(entry.fragment);
  if (view === undefined || table === undefined || fragment === undefined) return 0;
  const target = profile.targets.find((candidate) => candidate.table === table.name);
  if (target === undefined) return 0;
  if (profile.group === everyGroup) return 1;
  return shareIn(view, fragment, target.positions) / profile.targets.length;
}

function shareIn(view: ClusterView, fragment: FragmentView, positions: readonly Uint8Array[]): number {
  if (positions.length > 0) {
    const here = positions.filter((position) => fragmentAt(view, fragment.table, position)?.id === fragment.id);
    return here.length / positions.length;
  }
  const all = (view.order.get(fragment.table) ?? []).flatMap((id) => view.fragments.get(id) ?? []);
  const width = all.reduce((sum, { from, to }) => sum + widthOf(from, to), 0);
  // The ranges of a range table say little where keys begin alike: then all fragments count the same.
  const own = widthOf(fragment.from, fragment.to);
  return width > 0 && own > 0 ? own / width : 1 / Math.max(1, all.length);
}

/** Series that a profile declares and nobody has asked yet begin with it. */
export function declare(state: ForecasterState, wallMs: number): void {
  for (const profile of profilesOf(state)) {
    if (profile.group === everyGroup || profile.expiresMs <= wallMs) continue;
    for (const { table: name } of profile.targets) {
      for (const { view } of state.tails) {
        const table = tableNamed(view, name);
        if (table === undefined) continue;
        for (const fragment of view.order.get(table.id) ?? []) declareOne(state, fragment, table.id, profile, wallMs);
      }
    }
  }
}

function declareOne(state: ForecasterState, fragment: number, table: number, profile: Profile, wallMs: number): void {
  const key = seriesKey(fragment, profile.group);
  const seen = state.seen.get(key);
  if (seen !== undefined) seen.atMs = wallMs;
  else if (state.seen.size < limits.forecastsKnown) state.seen.set(key, { table, atMs: wallMs });
  if (!state.settled || state.entries.has(key) || !state.members.owns(key)) return;
  state.chores.adoptions.push({ key, table, start: state.replay === undefined ? "new" : "wait" });
}
