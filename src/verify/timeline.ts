// Timeline. Owns the writes of each key as facts in time, and what they allow a read to say: the base of the checks of stale reads, scans and counts.
// W1 only acknowledged writes oblige; a write of unknown end merely permits, and so does a refused one whose copies may arrive late.

import type { Entry, Fields, Key, Row } from "./history.js";

export interface WriteFact {
  readonly id: number;
  readonly invokeNs: number;
  /** Infinity when nobody was told that it is done. */
  readonly returnNs: number;
  readonly version: number | undefined;
  readonly deletes: boolean;
  readonly fields: Fields;
}

export type Timeline = ReadonlyMap<Key, readonly WriteFact[]>;

export function timelineOf(history: readonly Entry[], lateTries = false): Timeline {
  const facts = new Map<Key, WriteFact[]>();
  for (const { id, input, output, ending, invokeNs, returnNs } of history) {
    if (input.op !== "write" || (ending === "fail" && !lateTries)) continue;
    input.steps.forEach((step, at) => {
      const fact: WriteFact = {
        id,
        invokeNs,
        returnNs: ending === "ok" ? returnNs : Number.POSITIVE_INFINITY,
        version: output.op === "versions" ? output.versions[at] : undefined,
        deletes: step.act === "delete",
        fields: step.fields,
      };
      const list = facts.get(step.key);
      if (list === undefined) facts.set(step.key, [fact]);
      else list.push(fact);
    });
  }
  return facts;
}

/** The moments a read may speak of: the row as it was at some time in [fromNs, toNs]. */
export interface Span {
  readonly fromNs: number;
  readonly toNs: number;
}

/** Why a read in `span` may not have seen `row` (undefined: no row), or undefined when it may. */
export function contradiction(facts: readonly WriteFact[], row: Row | undefined, span: Span): string | undefined {
  return row === undefined ? mustExist(facts, span) : mayNotBe(facts, row, span);
}

/** The acknowledged write that obliges a read in `span` to find the row, told as a sentence. */
export function mustExist(facts: readonly WriteFact[], span: Span): string | undefined {
  for (const write of facts) {
    if (write.deletes || write.version === undefined || write.returnNs >= span.fromNs) continue;
    const { version } = write;
    const gone = facts.some((other) => other.deletes && other.invokeNs <= span.toNs && follows(other, version));
    if (!gone) return `write ${write.id} (v${version}) was acknowledged before and nothing deleted it`;
  }
  return undefined;
}

/** True when no read in `span` may find the row: nobody wrote it yet, or it was deleted for good. */
export function mustBeAbsent(facts: readonly WriteFact[], span: Span): boolean {
  const writes = facts.filter((fact) => !fact.deletes && fact.invokeNs <= span.toNs);
  if (writes.length === 0) return true;
  return facts.some((gone) => {
    const { version } = gone;
    if (!gone.deletes || version === undefined || gone.returnNs >= span.fromNs) return false;
    return !writes.some((write) => follows(write, version));
  });
}

function mayNotBe(facts: readonly WriteFact[], row: Row, span: Span): string | undefined {
  for (const write of facts) {
    if (write.version !== undefined && write.version > row.version && write.returnNs < span.fromNs)
      return `saw v${row.version}, but write ${write.id} (v${write.version}) was acknowledged before`;
    const early = Object.entries(write.fields).some(([field, text]) => row.fields[field] === text);
    if (early && write.invokeNs > span.toNs) return `saw what write ${write.id} only wrote later`;
  }
  return undefined;
}

function follows(write: WriteFact, version: number): boolean {
  return write.version === undefined || write.version > version;
}
