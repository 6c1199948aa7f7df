// Heartbeats. Owns what the node tells the leaders, and the leases that come back (I7).
// L1 a lease counts from when the heartbeat was sent, on this host's monotonic clock. L2 it counts only once the view has reached the answer's ledger sequence,
//    so a node never serves on an assignment that the leader had already changed. L3 what a lost heartbeat reported is reported again.
// L4 what a leader waits for is told at once, at most every `urgentEveryMs`; one of the heartbeats under way is kept for the regular ones.
// L5 a heartbeat goes to the leader alone while the ledger names the one that answered last, and to all candidates after one that was not answered.

import type { AskOutcome, Effect, Effects, Ticket } from "../../src/kernel/effect.js";
import type { Context } from "../../src/kernel/machine.js";
import type { Heartbeat, HeartbeatAnswer, ReplicaStatus } from "../../src/protocol/control.js";
import { decodeHeartbeatAnswer } from "../../src/protocol/control-codec.js";
import { type FragmentId, partitionOfFragment, subjects } from "../../src/protocol/subjects.js";
import type { Beat, NodeState, PartitionState } from "./state.js";

export const beatTimer = "beat";
const statusesPerBeat = 4000;
const incidentsPerBeat = 100;
const beatsUnderWay = 3;
export const urgentTimer = "urgentBeat";
const urgentEveryMs = 20;

export function beat(state: NodeState, context: Context): Effects {
  state.beatAtMs = context.nowMs;
  const effects: Effect[] = [{ kind: "wake", name: beatTimer, afterMs: state.config.timing.heartbeatMs }];
  for (let partition = 0; partition < state.partitions.length; partition++)
    effects.push(...beatTo(state, partition, context, beatsUnderWay));
  return effects;
}

/** A heartbeat out of turn, soon. */
export function armUrgent(state: NodeState, { nowMs }: Context): Effects {
  if (state.urgentArmed) return [];
  state.urgentArmed = true;
  return [{ kind: "wake", name: urgentTimer, afterMs: Math.max(0, state.beatAtMs + urgentEveryMs - nowMs) }];
}

export function urgentBeat(state: NodeState, context: Context): Effects {
  state.urgentArmed = false;
  state.beatAtMs = context.nowMs;
  return state.partitions.flatMap((_, partition) => beatTo(state, partition, context, beatsUnderWay - 1));
}

function beatTo(state: NodeState, partition: number, context: Context, mostUnderWay: number): Effects {
  const own = state.partitions[partition];
  if (own === undefined || underWay(state, partition) >= mostUnderWay) return [];
  const { config, board } = state;
  const all = own.reportAll;
  own.reportAll = false;
  const fragments = [...(all ? board.statuses.keys() : board.changed)]
    .filter((fragment) => partitionOfFragment(fragment) === partition)
    .slice(0, statusesPerBeat);
  for (const fragment of fragments) board.changed.delete(fragment);
  const incidents = board.incidents
    .filter(({ fragments: [first] }) => first === undefined || partitionOfFragment(first) === partition)
    .slice(0, incidentsPerBeat);
  const body: Heartbeat = {
    kind: "heartbeat",
    node: config.id,
    incarnation: config.incarnation,
    zone: config.zone,
    weight: config.weight,
    storeId: config.storeId,
    bootCount: config.bootCount,
    viewSeq: own.tail.view.seq,
    statuses: fragments.flatMap((fragment): readonly ReplicaStatus[] => {
      const status = board.statuses.get(fragment);
      return status === undefined ? [] : [status];
    }),
    all,
    incidents,
    leaving: state.leaving,
    freeBytes: state.wiring.store.freeBytes?.(),
    power: state.power.power,
  };
  const ticket = state.tickets.next();
  state.beats.set(ticket, { partition, askedAtMs: context.nowMs, fragments, incidents });
  return [
    {
      kind: "ask",
      subject: addressOf(own, partition),
      body,
      timeoutMs: config.timing.heartbeatMs * 2,
      ticket,
    },
  ];
}

function addressOf({ answeredBy, tail }: PartitionState, partition: number): string {
  const known = answeredBy !== undefined && answeredBy !== "" && answeredBy === tail.view.leader;
  return known ? subjects.heartbeatTo(partition, answeredBy) : subjects.heartbeat(partition);
}

function underWay(state: NodeState, partition: number): number {
  let count = 0;
  for (const one of state.beats.values()) if (one.partition === partition) count++;
  return count;
}

export function onBeatAnswer(state: NodeState, ticket: Ticket, outcome: AskOutcome): Effects | undefined {
  const sent = state.beats.get(ticket);
  if (sent === undefined) return undefined;
  state.beats.delete(ticket);
  const answer = outcome.kind === "answer" ? decodeHeartbeatAnswer(outcome.body) : undefined;
  if (answer === undefined || !answer.ok) return lost(state, sent);
  for (const incident of sent.incidents) {
    const at = state.board.incidents.indexOf(incident);
    if (at >= 0) state.board.incidents.splice(at, 1);
  }
  return take(state, sent, answer.value);
}

function lost(state: NodeState, sent: Beat): Effects {
  const own = state.partitions[sent.partition];
  if (own !== undefined) own.answeredBy = undefined;
  for (const fragment of sent.fragments) if (state.board.statuses.has(fragment)) state.board.changed.add(fragment);
  return [];
}

function take(state: NodeState, sent: Beat, answer: HeartbeatAnswer): Effects {
  const own = state.partitions[sent.partition];
  if (own === undefined) return [];
  own.answeredBy = own.tail.view.leader;
  if (answer.leaseMs > 0) own.granted = { untilMs: sent.askedAtMs + answer.leaseMs, viewSeq: answer.viewSeq };
  if (answer.wantAll) own.reportAll = true;
  own.drained = answer.drained;
  takeLease(state, sent.partition);
  return [
    ...answer.checkpoint.flatMap((fragment) => tellShard(state, fragment, "checkpoint")),
    ...answer.verify.flatMap((fragment) => tellShard(state, fragment, "verify")),
  ];
}

/** The newest grant begins to count when the view is far enough (L2). */
export function takeLease(state: NodeState, partition: number): void {
  const own = state.partitions[partition];
  if (own?.granted === undefined || own.tail.view.seq < own.granted.viewSeq) return;
  const { leaseUntilMs } = state.board;
  leaseUntilMs[partition] = Math.max(leaseUntilMs[partition] ?? Number.NEGATIVE_INFINITY, own.granted.untilMs);
  own.granted = undefined;
}

function tellShard(state: NodeState, fragment: FragmentId, kind: "checkpoint" | "verify"): Effects {
  const slot = state.shards.get(fragment);
  return slot === undefined ? [] : [{ kind: "tell", to: slot.actor, message: { kind } }];
}
