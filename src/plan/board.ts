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
  /** Why it is neither split nor joined with another. */
  mayNotCut(fragment: number): string | undefined;
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
  join(fragment: number, right: number, node: number, why: string): void;
  /** The copy on `node` is gone in all that follows. */
  letGo(fragment: number, node: number, why: string): void;
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

  function tooSoon(fragment: number, lastMs: number | undefined, what: string, coolDownMs: number): string | undefined {
    if (picture.busy[fragment] === 1) return "it is moving already, or does not serve right now";
    const agoMs = picture.nowMs - (lastMs ?? Number.NEGATIVE_INFINITY);
    if (agoMs >= coolDownMs) return undefined;
    return `it was ${what} ${Math.round(Math.max(0, agoMs) / 1000)} s ago; it stays for ${Math.round(coolDownMs / 1000)} s`;
  }

  /** What costs no copy, and begins now. */
  function free(fragment: number, node: number, cause: Action["cause"], risk: number, deadlineMs: number, why: string) {
    settle(fragment);
    return {
      ...{ bytes: 0, lastsMs: policy.prices.handOverMs, gain: 0, riskTo: 0, riskBefore: risk, riskAfter: risk },
      fragment: picture.fragments[fragment]?.id ?? -1,
      from: idOf(node),
      startMs: picture.nowMs,
      deadlineMs: deadlineMs === 0 ? 0 : picture.nowMs + deadlineMs,
      isLate: false,
      cause,
      why: shorten(why),
    };
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
    mayNotMove(fragment, cause) {
      const { movedMs } = picture.fragments[fragment] ?? {};
      return tooSoon(fragment, movedMs, "moved", cause === "present" ? policy.coolDownMs : stayMs(policy));
    },
    mayNotCut: (fragment) =>
      tooSoon(fragment, picture.fragments[fragment]?.cutMs, "split or joined", policy.splitCoolDownMs),
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
      actions.push({ ...free(fragment, node, cause, risk, deadlineMs, why), kind: "split" });
    },
    join(fragment, right, node, why) {
      settle(right);
      const id = picture.fragments[right]?.id ?? -1;
      actions.push({ ...free(fragment, node, "calm", 0, 0, why), kind: "merge", right: id });
    },
    letGo(fragment, node, why) {
      const next = placesOf(picture, fragment).filter((place) => place !== node);
      relocate(fragment, next);
      actions.push({ ...free(fragment, node, "calm", 0, 0, why), kind: "removeReplica", count: next.length });
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
