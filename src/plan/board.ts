// Board. Owns one planning while it goes on: the picture as it changes, the purse, and what has been chosen, rejected and found out so far.

import type { Action, Finding, Rejected } from "./action.js";
import { shorten } from "./action.js";
import { type Borne, borneBy, putBack } from "./keep.js";
import type { Option, Weighed } from "./options.js";
import { type Picture, place, placesOf, write } from "./picture.js";
import { type Policy, stayMs } from "./policy.js";
import { createPurse, type Purse } from "./purse.js";
import { riskTold } from "./risk.js";

const rejectedKept = 50;
const findingsKept = 50;

export interface Board {
  readonly picture: Picture;
  readonly policy: Policy;
  readonly purse: Purse;
  readonly actions: Action[];
  readonly rejected: Rejected[];
  readonly findings: Finding[];
  /** Risks of the nodes that were looked at, as they were before anything was chosen. */
  readonly before: Map<number, Float64Array>;
  noteBefore(node: number): void;
  /** Why this fragment is left where it is; undefined: it may move. */
  mayNotMove(fragment: number, cause: Action["cause"]): string | undefined;
  mayNotSplit(fragment: number): string | undefined;
  /** The picture shows again what it showed before. */
  takeBack(): void;
  /** The fragment's copies are at `next` in all that follows. */
  relocate(fragment: number, next: readonly number[]): void;
  /** Chosen: paid for, applied, and not touched again in this plan. */
  act(
    option: Option,
    weighed: Omit<Weighed, "option" | "fits" | "relievedMs">,
    cause: Action["cause"],
    why: string,
  ): void;
  split(fragment: number, node: number, risk: number, deadlineMs: number, cause: Action["cause"], why: string): void;
  reject(option: Option, why: string): void;
  find(finding: Finding): void;
}

export function createBoard(picture: Picture, policy: Policy): Board {
  const idOf = (node: number): string => picture.nodes[node]?.id ?? "";
  const actions: Action[] = [];
  const rejected: Rejected[] = [];
  const findings: Finding[] = [];
  const before = new Map<number, Float64Array>();

  /** Where fragments were that this plan places elsewhere, or leaves alone from now on; and what nodes bore that it gave to or took from. */
  const homes = new Map<number, readonly number[]>();
  const bore = new Map<number, Borne>();
  const purse = createPurse(picture, policy);

  function settle(fragment: number): void {
    if (!homes.has(fragment)) homes.set(fragment, placesOf(picture, fragment));
    picture.busy[fragment] = 1;
  }

  function relocate(fragment: number, next: readonly number[]): void {
    const now = placesOf(picture, fragment);
    if (!homes.has(fragment)) homes.set(fragment, now);
    for (const node of [...now, ...next]) if (!bore.has(node)) bore.set(node, borneBy(picture, node));
    place(picture, fragment, next);
  }

  function tooSoon(fragment: number, coolDownMs: number): string | undefined {
    if (picture.busy[fragment] === 1) return "it is moving already, or does not serve right now";
    const agoMs = picture.nowMs - (picture.fragments[fragment]?.movedMs ?? Number.NEGATIVE_INFINITY);
    if (agoMs >= coolDownMs) return undefined;
    return `it was moved ${Math.round(Math.max(0, agoMs) / 1000)} s ago; it stays for ${Math.round(coolDownMs / 1000)} s`;
  }

  return {
    picture,
    policy,
    purse,
    actions,
    rejected,
    findings,
    before,
    relocate,
    takeBack() {
      for (const [fragment, home] of homes) {
        write(picture, fragment, home);
        picture.busy[fragment] = 0;
      }
      for (const [node, borne] of bore) putBack(picture, node, borne);
    },
    noteBefore(node) {
      if (!before.has(node)) before.set(node, riskTold(picture, node));
    },
    mayNotMove: (fragment, cause) => tooSoon(fragment, cause === "present" ? policy.coolDownMs : stayMs(policy)),
    mayNotSplit: (fragment) => tooSoon(fragment, policy.splitCoolDownMs),
    act(option, { price, times, gain, riskBefore, riskAfter, riskTo }, cause, why) {
      const { kind, fragment, from, to, strategy, role, next } = option;
      // What begins later is planned anew, and paid for then.
      if (times.startMs === 0) purse.spend(price.bytes, kind !== "handOver", [from, to]);
      relocate(fragment, next);
      settle(fragment);
      const plain = {
        fragment: picture.fragments[fragment]?.id ?? -1,
        from: idOf(from),
        bytes: price.bytes,
        lastsMs: price.lastsMs,
        startMs: picture.nowMs + times.startMs,
        deadlineMs: times.deadlineMs === 0 ? 0 : picture.nowMs + times.deadlineMs,
        isLate: times.isLate,
        cause,
        gain,
        riskBefore,
        riskAfter,
        riskTo,
        why: shorten(why),
      };
      if (kind === "handOver") actions.push({ ...plain, kind, to: idOf(to), strategy: "leader-only", role: true });
      else if (kind === "moveReplica") actions.push({ ...plain, kind, to: idOf(to), strategy, role });
      else actions.push({ ...plain, kind, to: idOf(to), count: placesOf(picture, fragment).length });
    },
    split(fragment, node, risk, deadlineMs, cause, why) {
      settle(fragment);
      const lastsMs = policy.prices.handOverMs;
      const plain = { bytes: 0, lastsMs, gain: 0, riskTo: 0, riskBefore: risk, riskAfter: risk };
      actions.push({
        ...plain,
        kind: "split",
        fragment: picture.fragments[fragment]?.id ?? -1,
        from: idOf(node),
        startMs: picture.nowMs,
        deadlineMs: deadlineMs === 0 ? 0 : picture.nowMs + deadlineMs,
        isLate: false,
        cause,
        why: shorten(why),
      });
    },
    reject({ kind, fragment, from, to }, why) {
      if (rejected.length >= rejectedKept) return;
      const id = picture.fragments[fragment]?.id ?? -1;
      rejected.push({ fragment: id, from: idOf(from), to: idOf(to), what: kind, why });
    },
    find(finding) {
      if (findings.length < findingsKept) findings.push(finding);
    },
  };
}
