// Quota. Owns what one user may ask of one router: requests under way, and requests per second where a rate is set.
// Q1 no user can fill the desk: a part of it always stays free for the others. Q2 a burst of one second's worth passes, then the rate holds.
// Q3 who asks without a stamp is the cluster itself, or a client's own router, and is not limited here. Q4 what is remembered is bounded.

import { type Fault, fault } from "../../src/kernel/fault.js";

export interface Quota {
  /** Takes one request in, or says why not. */
  take(user: string, nowMs: number): Fault | undefined;
  /** One request of this user was answered. */
  free(user: string): void;
}

export interface QuotaRules {
  readonly underWay: number;
  /** Absent: no limit. */
  readonly perSecond?: number;
}

interface Account {
  underWay: number;
  tokens: number;
  atMs: number;
}

const mostUsers = 1024;

export function createQuota({ underWay, perSecond }: QuotaRules): Quota {
  const accounts = new Map<string, Account>();

  function accountOf(user: string, nowMs: number): Account {
    const held = accounts.get(user);
    if (held !== undefined) return held;
    if (accounts.size >= mostUsers)
      for (const [name, { underWay }] of accounts) if (underWay === 0) accounts.delete(name);
    const made: Account = { underWay: 0, tokens: perSecond ?? 0, atMs: nowMs };
    accounts.set(user, made);
    return made;
  }

  return {
    take(user, nowMs) {
      if (user === "") return undefined;
      const account = accountOf(user, nowMs);
      if (account.underWay >= underWay)
        return fault(
          "OVERLOADED",
          `this user has ${underWay} requests under way at this router, as many as one may; try again later`,
          {
            retryAfterMs: 20,
          },
        );
      if (perSecond !== undefined) {
        account.tokens = Math.min(perSecond, account.tokens + ((nowMs - account.atMs) * perSecond) / 1000);
        account.atMs = nowMs;
        if (account.tokens < 1)
          return fault("OVERLOADED", `this user asks for more than ${perSecond} requests per second of this router`, {
            retryAfterMs: Math.ceil((1 - account.tokens) * (1000 / perSecond)),
          });
        account.tokens--;
      }
      account.underWay++;
      return undefined;
    },
    free(user) {
      const account = accounts.get(user);
      if (account !== undefined) account.underWay--;
    },
  };
}
