// Verifying on request. Owns what a leader does when an operator wants copies compared: it tells the primaries with their next heartbeats, and says what they found.
// Nothing of it is in the ledger: whoever asks looks again until a comparison beyond the log as it was is there.

import { fail, ok, type Result } from "../../src/kernel/fault.js";
import { tableNamed } from "../../src/ledger/lookup.js";
import type { VerifyLine } from "../../src/protocol/control.js";
import type { LooseAdminRequest } from "../../src/protocol/control-codec.js";
import type { LeaderState } from "./state.js";

type Wish = Extract<LooseAdminRequest, { kind: "verify" }>;

export function verifyLines(state: LeaderState, wish: Wish): Result<readonly VerifyLine[]> {
  const { view } = state.tail;
  const table = tableNamed(view, wish.table);
  if (table === undefined) return fail("UNKNOWN_TABLE", `there is no table ${JSON.stringify(wish.table)}`);
  const all = view.order.get(table.id) ?? [];
  const chosen = wish.fragment === null ? all : all.filter((id) => id === wish.fragment);
  if (chosen.length === 0)
    return fail("UNKNOWN_FRAGMENT", `table ${wish.table} has no fragment ${wish.fragment}; list them with: fragments`);
  return ok(
    chosen.flatMap((id): readonly VerifyLine[] => {
      const fragment = view.fragments.get(id);
      if (fragment === undefined) return [];
      const session = state.sessions.get(fragment.primary);
      if (wish.begin) session?.verify.add(id);
      const status = session?.statuses.get(id);
      const { primary, replicas } = fragment;
      return [
        { fragment: id, primary, copies: replicas.length, lsn: status?.lsn ?? 0, verified: status?.verified ?? null },
      ];
    }),
  );
}
