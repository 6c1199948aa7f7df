// Scrubbing the log. Owns reading a primary's own log from its first record to its last, one record at a time, to find what nobody reads any more:
// a damaged or missing record behind every replica does no harm today and would to the next replica that starts from the log.
// G1 scrubbing changes nothing but reports: the replicas hold what the record changed, a newcomer copies from them, and a checkpoint lets the log be trimmed past it.

import { decodeRecord, lsnBefore } from "../../src/fragment/record.js";
import { type Bytes, sameBytes } from "../../src/kernel/bytes.js";
import type { Effects, LogRecord, ReadOutcome } from "../../src/kernel/effect.js";
import { incident } from "./apply.js";
import { open } from "./open.js";
import type { ScrubRun, ShardReport, ShardState } from "./state.js";

const unansweredAtMost = 3;

export function startScrub(state: ShardState): Effects {
  if (state.mode.kind !== "serving") return finished(state);
  state.scrub = { ticket: 0, seq: 0, lsn: 0, hash: undefined, untilLsn: state.replica.lsn, unanswered: 0 };
  return readOn(state, state.scrub);
}

function readOn(state: ShardState, run: ScrubRun): Effects {
  run.ticket = state.tickets.next();
  return [{ kind: "readLog", log: state.log, at: "next", seq: run.seq + 1, ticket: run.ticket }];
}

export function onScrubRead(state: ShardState, run: ScrubRun, outcome: ReadOutcome): Effects {
  switch (outcome.kind) {
    case "record":
      run.unanswered = 0;
      return onRecord(state, run, outcome.record);
    case "none":
      return [...finished(state), ...lostTail(state, run)];
    case "gone":
      return finished(state);
    case "unknown":
      run.unanswered++;
      return run.unanswered > unansweredAtMost ? finished(state) : readOn(state, run);
  }
}

/** The log ends before where this primary stood when the scrub began: it opens again, which finds out and heals. */
function lostTail(state: ShardState, run: ScrubRun): Effects {
  if (run.lsn >= run.untilLsn || state.mode.kind !== "serving" || state.flight !== undefined) return [];
  return open(state);
}

function onRecord(state: ShardState, run: ScrubRun, log: LogRecord): Effects {
  const decoded = decodeRecord(log.bytes, state.wiring.hash);
  run.seq = log.seq;
  if (!decoded.ok) {
    report(state, log.seq, "recordCorrupt", `the record at sequence ${log.seq} is damaged (${decoded.fault.message})`);
    // What follows it cannot be joined to what was before; the chain starts anew behind it.
    run.hash = undefined;
    return goOn(state, run);
  }
  const { lsn, previousHash, hash } = decoded.value;
  const before = lsnBefore(decoded.value);
  // An append that landed late, behind others of the same place: every replica passes it over.
  if (run.hash !== undefined && lsn <= run.lsn) return goOn(state, run);
  if (run.hash !== undefined && !follows(run.hash, run.lsn, before, previousHash)) {
    const missing = before - run.lsn;
    const what =
      missing > 0 ? `${missing} records after LSN ${run.lsn} are missing` : `the chain is broken at LSN ${lsn}`;
    report(state, log.seq, "logGap", what);
  }
  run.lsn = lsn;
  run.hash = hash;
  return lsn >= run.untilLsn ? finished(state) : goOn(state, run);
}

function follows(hash: Bytes, lsn: number, before: number, previousHash: Bytes): boolean {
  return lsn === before && sameBytes(previousHash, hash);
}

function goOn(state: ShardState, run: ScrubRun): Effects {
  return state.mode.kind === "serving" ? readOn(state, run) : finished(state);
}

function report(state: ShardState, seq: number, what: "recordCorrupt" | "logGap", found: string): void {
  if (state.scrubbed.has(seq)) return;
  state.scrubbed.add(seq);
  state.wantCheckpoint = true;
  const note = `${found} in ${state.log.stream}; the replicas hold what was in it, up to LSN ${state.replica.lsn}`;
  incident(state, what, "healed", note);
}

function finished(state: ShardState): Effects {
  state.scrub = undefined;
  const message: ShardReport = { kind: "scrubDone", fragment: state.config.fragment };
  return [{ kind: "tell", to: state.config.parent, message }];
}
