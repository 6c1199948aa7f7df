// Reshape requests. Owns the decoding of what a client asks about splits and merges, and what became of one as a view tells it.

import { fail, ok, type Result } from "../../src/kernel/fault.js";
import type { ClusterView } from "../../src/ledger/view.js";
import type { LooseAdminRequest } from "../../src/protocol/control-codec.js";
import type { Fields } from "./cluster-ops.js";

type SplitRequest = Extract<LooseAdminRequest, { kind: "splitFragment" }>;
type MergeRequest = Extract<LooseAdminRequest, { kind: "mergeFragments" }>;

export function splitRequest({ table, fragment, at }: Fields, by: string): Result<SplitRequest> {
  if (typeof table !== "string" || !isNumber(fragment))
    return fail(
      "BAD_REQUEST",
      "give the table's name and the fragment's number as {table, fragment}, and perhaps the split key as {at}",
    );
  const request = { kind: "splitFragment", table, fragment, by } as const;
  return ok(at === undefined || at === null ? request : { ...request, at });
}

export function mergeRequest({ table, left, right }: Fields, by: string): Result<MergeRequest> {
  if (typeof table !== "string" || !isNumber(left) || !isNumber(right))
    return fail("BAD_REQUEST", "give the table's name and the numbers of two neighbours as {table, left, right}");
  return ok({ kind: "mergeFragments", table, left, right, by });
}

function isNumber(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

/** The end of a split or merge that began at `viewSeq` at the latest; undefined while it is under way. */
export function endOf(
  view: ClusterView | undefined,
  kind: "split" | "merge",
  fragment: number,
  viewSeq: number,
): object | undefined {
  if (view === undefined || view.seq < viewSeq || view.splits.has(fragment) || view.merges.has(fragment))
    return undefined;
  const past = [...view.pastReshapes].reverse().find((one) => one.kind === kind && one.fragment === fragment);
  if (past?.outcome === "cancelled") return fail("NOT_POSSIBLE", past.why);
  if (kind === "split") return { fragment, child: past?.other ?? null };
  return { fragment, merged: past?.other ?? null };
}
