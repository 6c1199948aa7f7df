// Trimmer. Owns how far the head of each log stream may be cut. A group's stream holds fragments of one partition only, so its leader alone decides.
// TR1 nothing is cut that a replica which counts has not got on disk, nor any fragment's last record (its fence), nor the stream's last `logTailKept` records.
// TR2 a replica that holds the log back holds it only so far: one that is down for long, or too far behind, copies anew anyway (I6).
// TR4 what a replica needs of a fragment that was merged away stays until it has passed the merge.
// TR3 an idle fragment is asked for a checkpoint: a new last record lets the old one go.

import type { Effect, Effects, StreamState, Ticket, WorldMessage } from "../../src/kernel/effect.js";
import { none } from "../../src/kernel/effect.js";
import type { Context } from "../../src/kernel/machine.js";
import type { Tickets } from "../../src/kernel/tickets.js";
import type { Taken } from "../../src/ledger/reshape.js";
import type { ClusterView, FragmentView, ReplicaView } from "../../src/ledger/view.js";
import type { FragmentId, NodeId } from "../../src/protocol/subjects.js";
import { streams } from "../../src/protocol/subjects.js";
import { type LeaderConfig, ownGroups } from "./config.js";
import type { Sessions } from "./sessions.js";

export interface Trimmer {
  /** `created` of each log stream as found last. */
  readonly sightings: ReadonlyMap<number, string>;
  /** Looks at the next log stream when it is time. */
  look(context: Context): Effects;
  on(message: WorldMessage, view: ClusterView, sessions: Sessions, context: Context): Effects | undefined;
}

const lookPauseMs = 250;
const defaultTailKept = 1000;
/** Of the limit, what a trimmed stream keeps: so that it is not trimmed at every look. */
const keptShare = 0.75;
/** Of the limit, beyond which a replica that is behind is left behind. */
const patience = 4;
const checkpointsAtOnce = 64;

export function createTrimmer(config: LeaderConfig, tickets: Tickets): Trimmer {
  const groups = ownGroups(config);
  const sightings = new Map<number, string>();
  let asked: { readonly ticket: Ticket; readonly group: number } | undefined;
  let nextGroup = 0;
  let nextAtMs = 0;
  return {
    sightings,
    look({ nowMs }) {
      const group = groups[nextGroup % groups.length];
      if (nowMs < nextAtMs || group === undefined) return none;
      nextAtMs = nowMs + lookPauseMs;
      nextGroup = (nextGroup + 1) % groups.length;
      asked = { ticket: tickets.next(), group };
      return [{ kind: "readStream", stream: streams.log(group), ticket: asked.ticket }];
    },
    on(message, view, sessions, context) {
      if (message.kind !== "streamRead" || message.ticket !== asked?.ticket) return undefined;
      const { group } = asked;
      asked = undefined;
      if (message.outcome.kind !== "state") return none;
      const stream = message.outcome.state;
      sightings.set(group, stream.created);
      return trim(config, { group, stream, view, sessions, wallMs: context.wallMs });
    },
  };
}

interface Look {
  readonly group: number;
  readonly stream: StreamState;
  readonly view: ClusterView;
  readonly sessions: Sessions;
  readonly wallMs: number;
}

function trim(config: LeaderConfig, look: Look): Effects {
  const wantSeq = wantedSeq(look.stream, config.logRetainBytes, config.logTailKept);
  if (wantSeq <= look.stream.firstSeq) return none;
  const crowded = look.stream.bytes > patience * config.logRetainBytes;
  // TR4
  if (!crowded && look.view.taken.some((taken) => taken.group === look.group && isAwaited(look, taken))) return none;
  let belowSeq = wantSeq;
  let checkpoints = 0;
  for (const fragment of look.view.fragments.values()) {
    if (fragment.group !== look.group) continue;
    const held = heldSeq(config, look, fragment, crowded);
    if (held >= wantSeq) continue;
    belowSeq = Math.min(belowSeq, held);
    if (checkpoints < checkpointsAtOnce && askCheckpoint(look, fragment, wantSeq)) checkpoints++;
  }
  if (belowSeq <= look.stream.firstSeq) return none;
  const effects: Effect[] = [{ kind: "trimStream", stream: streams.log(look.group), belowSeq }];
  return effects;
}

/** A replica that counts has not come to the merge yet. */
function isAwaited({ view, sessions }: Look, { left, lsn }: Taken): boolean {
  const replicas = view.fragments.get(left)?.replicas ?? [];
  return replicas.some(
    ({ node, state }) =>
      state === "ready" && view.nodes.get(node)?.state === "up" && (sessions.status(node, left)?.lsn ?? 0) < lsn,
  );
}

/** Where the stream would begin if only its size decided; at most its first sequence when it is small enough. */
export function wantedSeq(
  { firstSeq, lastSeq, messages, bytes }: StreamState,
  retainBytes: number,
  tailKept: number = defaultTailKept,
): number {
  if (bytes <= retainBytes) return 0;
  const surplus = Math.ceil(messages * (1 - (keptShare * retainBytes) / bytes));
  return Math.min(firstSeq + surplus, lastSeq - tailKept);
}

/** The oldest record of the fragment that some replica still needs in the log; 0 when that is not known. */
function heldSeq(config: LeaderConfig, look: Look, fragment: FragmentView, crowded: boolean): number {
  if (fragment.activatedEpoch === 0) return 0;
  let oldest = Number.POSITIVE_INFINITY;
  for (const replica of fragment.replicas)
    oldest = Math.min(oldest, neededSeq(config, look, fragment, replica, crowded));
  return Number.isFinite(oldest) ? oldest : 0;
}

function neededSeq(
  { timing }: LeaderConfig,
  { view, sessions, wallMs }: Look,
  fragment: FragmentView,
  { node, state }: ReplicaView,
  crowded: boolean,
): number {
  const free = Number.POSITIVE_INFINITY;
  const known = view.nodes.get(node);
  const primary = node === fragment.primary;
  if (!primary && known === undefined) return free;
  if (!primary && known?.state === "down")
    return crowded || wallMs - known.downSinceMs > timing.rebuildAfterMs ? free : 0;
  const status = sessions.status(node, fragment.id);
  if (status === undefined) return state === "joining" && !primary ? free : 0;
  switch (status.state) {
    case "copying":
      // Once its first chunk is there it needs the log from where the source stood then.
      return primary || (status.durableSeq > 0 && !crowded) ? status.durableSeq : free;
    case "faulted":
      return primary ? status.durableSeq : free;
    case "behind":
      return crowded && !primary ? free : status.durableSeq;
    case "opening":
    case "serving":
    case "following":
    case "attached":
      return status.durableSeq;
  }
}

function askCheckpoint(
  { sessions }: Look,
  { id, primary }: { id: FragmentId; primary: NodeId },
  wantSeq: number,
): boolean {
  const session = sessions.get(primary);
  const status = session?.statuses.get(id);
  if (session === undefined || status?.state !== "serving" || status.durableSeq >= wantSeq) return false;
  session.checkpoint.add(id);
  return true;
}
