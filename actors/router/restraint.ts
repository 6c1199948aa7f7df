// Restraint. Owns how much of what a node refuses as too much is sent to it all the same: a router that only passes refusals on, and tries them again, doubles the load of a node that has too much.
// By node and client group, since a node with a ceiling divides it between groups: what one group is refused says nothing of another.
// T1 a node hears at most about `spare` times as much of a group as it lately took; the rest is refused here ("Handling overload: client-side throttling", Site Reliability Engineering, 2016).
// T2 nothing is refused here that the node would have taken, unless it refused others of the group a moment ago. T3 tries again are a fraction of what was taken, beyond a small purse.
// T4 what is remembered is bounded, and forgotten by half in `halfLifeMs`.

import { type Fault, fault } from "../../src/kernel/fault.js";
import type { Random } from "../../src/kernel/random.js";
import type { NodeId } from "../../src/protocol/subjects.js";

export interface Restraint {
  /** Why this one should not be sent at all; undefined: send it. */
  refusal(node: NodeId, group: string, nowMs: number, random: Random): Fault | undefined;
  /** The node took one, whatever came of it. */
  took(node: NodeId, group: string, nowMs: number): void;
  /** The node had too much to do for one. True: it may be tried again. */
  refused(node: NodeId, group: string, retryAfterMs: number, nowMs: number): boolean;
}

interface Account {
  /** Of late: what was wanted of the node, and what it took. */
  wanted: number;
  taken: number;
  atMs: number;
  retryAfterMs: number;
  purse: number;
}

const spare = 4;
const halfLifeMs = 1000;
/** What came within one such time fades together. */
const shortestFadeMs = 1;
/** So many are always let go on: they find out when the node has room again. */
const always = 100;
const fullPurse = 100;
const perTaken = 0.1;
const mostAccounts = 4096;

export function createRestraint(): Restraint {
  /** By node, then by group: asked for every operation, so no name is put together. */
  const nodes = new Map<NodeId, Map<string, Account>>();
  let size = 0;

  function accountOf(node: NodeId, group: string, nowMs: number): Account {
    let accounts = nodes.get(node);
    if (accounts === undefined) {
      accounts = new Map();
      nodes.set(node, accounts);
    }
    let account = accounts.get(group);
    if (account === undefined) {
      account = { wanted: 0, taken: 0, atMs: nowMs, retryAfterMs: 0, purse: fullPurse };
      if (size >= mostAccounts) {
        nodes.clear();
        accounts = new Map();
        nodes.set(node, accounts);
        size = 0;
      }
      accounts.set(group, account);
      size++;
    }
    const passedMs = nowMs - account.atMs;
    if (passedMs >= shortestFadeMs) {
      const left = 2 ** (-passedMs / halfLifeMs);
      account.wanted *= left;
      account.taken *= left;
      account.atMs = nowMs;
    }
    return account;
  }

  return {
    refusal(node, group, nowMs, random) {
      const account = accountOf(node, group, nowMs);
      const excess = account.wanted - spare * account.taken - always;
      if (excess <= 0 || random.next() >= excess / (account.wanted + 1)) return undefined;
      account.wanted++;
      const { retryAfterMs } = account;
      return fault("OVERLOADED", `node ${node} is asked for more than it can do; try again in ${retryAfterMs} ms`, {
        retryAfterMs,
      });
    },
    took(node, group, nowMs) {
      const account = accountOf(node, group, nowMs);
      account.wanted++;
      account.taken++;
      account.purse = Math.min(fullPurse, account.purse + perTaken);
    },
    refused(node, group, retryAfterMs, nowMs) {
      const account = accountOf(node, group, nowMs);
      account.wanted++;
      account.retryAfterMs = retryAfterMs;
      if (account.purse < 1) return false;
      account.purse--;
      return true;
    },
  };
}
