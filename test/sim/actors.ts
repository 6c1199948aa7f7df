// Actors. Owns the real cast: the actors of the product, unchanged.

import { createLeader } from "../../actors/leader.js";
import { createNode } from "../../actors/node.js";
import { createRouter } from "../../actors/router.js";
import { type DigestWish, digestJob, digestTree } from "../../src/fragment/digest.js";
import type { Hash } from "../../src/kernel/hash.js";
import type { Cast } from "./cast.js";

/** Short, so that every fragment has several turns in a run. */
const verifyPace = { bytesPerSecond: 1e9, everyMs: 8000 };

export function realCast(hash: Hash): Cast {
  return {
    node: (
      { id, zone, incarnation, storeId, bootCount, store },
      { partitions, logGroups, timing, copyBounds, ceilingQps },
    ) =>
      createNode(
        {
          id,
          zone,
          weight: 1,
          incarnation,
          storeId,
          bootCount,
          partitions,
          logGroups,
          timing,
          copyBounds,
          verify: verifyPace,
          ...(ceilingQps === undefined ? {} : { ceiling: { kind: "queries", perSecond: ceilingQps } }),
        },
        { store, hash },
      ),
    router: (id, { partitions, timing, routerRequests }) =>
      createRouter({ id, partitions, timing, reach: "core", requestsHeld: routerRequests }, { hash }),
    leader: (role, { partitions, logGroups, timing, snapshotEvery, logRetainBytes, logTailKept }) =>
      createLeader({ ...role, partitions, logGroups, timing, snapshotEvery, logRetainBytes, logTailKept }, { hash }),
    jobs: {},
    storeJobs: {
      [digestJob]: (input, store) => {
        const tree = digestTree(store, input as DigestWish, hash);
        return tree.ok ? { ok: true, output: tree.value } : tree;
      },
    },
  };
}
