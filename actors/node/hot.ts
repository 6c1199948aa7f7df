// Hot keys. Owns this node's answer to which keys are asked for most in the fragments that it leads: a bounded one.

import type { Effects, ReplyTo } from "../../src/kernel/effect.js";
import type { HotKeys, PeerAnswer, PeerRequest } from "../../src/protocol/peer.js";
import { partitionOfFragment } from "../../src/protocol/subjects.js";
import type { NodeState } from "./state.js";

const fragmentsAtMost = 64;
const keysAtMost = 8;
/** A smaller share is no news. */
const leastShare = 0.02;

export function answerHot(
  state: NodeState,
  { table }: Extract<PeerRequest, { kind: "hot" }>,
  from: ReplyTo,
  nowMs: number,
): Effects {
  const hot: HotKeys[] = [];
  for (const [fragment, load] of state.board.keys) {
    const slot = state.shards.get(fragment);
    if (slot === undefined || slot.assignment.primary !== state.config.id) continue;
    if (table !== null && (slot.tableId !== table.id || partitionOfFragment(fragment) !== table.partition)) continue;
    const keys = load.heaviest(keysAtMost).filter(({ share }) => share >= leastShare);
    hot.push({ fragment, perSecond: load.perSecond(nowMs), keys: keys.map(({ key, share }) => [key, share]) });
  }
  hot.sort((a, b) => b.perSecond - a.perSecond || a.fragment - b.fragment);
  return [{ kind: "reply", to: from, body: { hot: hot.slice(0, fragmentsAtMost) } satisfies PeerAnswer }];
}
