// Heartbeats. Owns what a leader answers to a node: a lease or none, and what the node should do.
// H1 a lease goes only to the process that the ledger has as up, and never from a leader whose own lease is over (I7).

import type { Context } from "../../src/kernel/machine.js";
import { replicasOn } from "../../src/ledger/lookup.js";
import type { Heartbeat, HeartbeatAnswer } from "../../src/protocol/control.js";
import type { FragmentId, NodeId } from "../../src/protocol/subjects.js";
import type { LeaderState } from "./state.js";

const incidentsWaiting = 1000;

/** Takes the heartbeat in and answers it. */
export function answerHeartbeat(state: LeaderState, heartbeat: Heartbeat, context: Context): HeartbeatAnswer {
  const { node, incarnation } = heartbeat;
  noteIncidents(state, heartbeat, context);
  if (state.sessions.isDead(node, incarnation)) return answer(state, { leaseMs: 0 });
  if (!isRecorded(state, heartbeat)) {
    state.sessions.arrivals.set(node, { heartbeat, atMs: context.nowMs });
    state.dirty = true;
    return answer(state, { leaseMs: 0, wantAll: true });
  }
  const wasLeaving = state.sessions.get(node)?.leaving === true;
  const session = state.sessions.renew(heartbeat, context.nowMs);
  if (heartbeat.statuses.length > 0 || heartbeat.leaving !== wasLeaving) state.dirty = true;
  const checkpoint = [...session.checkpoint];
  const verify = [...session.verify];
  session.checkpoint.clear();
  session.verify.clear();
  return answer(state, {
    leaseMs: state.config.timing.nodeLeaseMs,
    wantAll: !session.whole,
    checkpoint,
    verify,
    drained: heartbeat.leaving && isDrained(state, node),
  });
}

function answer(
  { term, tail }: LeaderState,
  what: {
    leaseMs: number;
    wantAll?: boolean;
    checkpoint?: FragmentId[];
    verify?: FragmentId[];
    drained?: boolean;
  },
): HeartbeatAnswer {
  return {
    term,
    leaseMs: what.leaseMs,
    viewSeq: tail.view.seq,
    wantAll: what.wantAll ?? false,
    checkpoint: what.checkpoint ?? [],
    verify: what.verify ?? [],
    drained: what.drained ?? false,
  };
}

function isRecorded({ tail, flight }: LeaderState, { node, incarnation, storeId }: Heartbeat): boolean {
  const known = tail.view.nodes.get(node);
  return (
    known?.state === "up" &&
    known.incarnation === incarnation &&
    known.storeId === storeId &&
    flight?.condemned.has(node) !== true
  );
}

function noteIncidents(state: LeaderState, { incidents }: Heartbeat, { wallMs }: Context): void {
  for (const incident of incidents) {
    if (state.incidents.length >= incidentsWaiting) return;
    state.incidents.push({ ...incident, atMs: wallMs });
    state.dirty = true;
  }
}

/** Nothing of this node is needed any more: no primary that another could take, and whoever took one serves. */
function isDrained({ tail, sessions, flight }: LeaderState, node: NodeId): boolean {
  if (flight !== undefined) return false;
  const { view } = tail;
  const mayServe = (other: NodeId): boolean =>
    other !== node && view.nodes.get(other)?.state === "up" && sessions.get(other)?.leaving === false;
  return replicasOn(view, node).every(({ primary, epoch, activatedEpoch, replicas }) => {
    const others = replicas.some((replica) => replica.state === "ready" && mayServe(replica.node));
    return !others || (primary !== node && (activatedEpoch === epoch || !mayServe(primary)));
  });
}
