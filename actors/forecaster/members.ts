// Members. Owns which forecasters live and which of them a series belongs to: rendezvous hashing over those heard of late (Thaler & Ravishankar 1996).
// M1 every series has one owner as each member sees it; a member that comes or goes moves only the series that become or were its own.
// M2 two may believe for a moment that a series is theirs: both then say the same of it, and who reads takes the newest.

import type { Hash } from "../../src/kernel/hash.js";
import type { SeriesKey } from "../../src/load/book.js";
import type { ForecasterAlive } from "../../src/protocol/forecast.js";

export const aliveEveryMs = 1000;
/** Three signs of life and a little. */
const silentMs = 3500;
const mostMembers = 64;
const utf8 = new TextEncoder();

export interface Members {
  hear(alive: ForecasterAlive, nowMs: number): void;
  /** Forgets the silent; true when the members are others than at the last look. */
  changed(nowMs: number): boolean;
  owns(key: SeriesKey): boolean;
  ids(): readonly string[];
}

export function createMembers(self: string, hash: Hash): Members {
  const heardAtMs = new Map<string, number>();
  let members: readonly string[] = [self];
  const owners = new Map<SeriesKey, string>();

  function ownerOf(key: SeriesKey): string {
    let best = self;
    let most = -1;
    for (const id of members) {
      const rank = hash.h32(utf8.encode(`${id} ${key}`));
      if (rank > most || (rank === most && id < best)) {
        best = id;
        most = rank;
      }
    }
    return best;
  }

  return {
    hear({ id, leaving }, nowMs) {
      if (id === self) return;
      if (leaving) heardAtMs.delete(id);
      else if (heardAtMs.has(id) || heardAtMs.size < mostMembers) heardAtMs.set(id, nowMs);
    },
    changed(nowMs) {
      for (const [id, atMs] of heardAtMs) if (nowMs - atMs > silentMs) heardAtMs.delete(id);
      const now = [self, ...heardAtMs.keys()].sort();
      if (now.join(" ") === members.join(" ")) return false;
      members = now;
      owners.clear();
      return true;
    },
    owns(key) {
      let owner = owners.get(key);
      if (owner === undefined) {
        owner = ownerOf(key);
        owners.set(key, owner);
      }
      return owner === self;
    },
    ids: () => members,
  };
}
