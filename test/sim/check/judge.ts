// Judge. Owns the list of everything that is checked after a run.

import type { Hash } from "../../../src/kernel/hash.js";
import { checkAnswers } from "../../../src/verify/answers.js";
import { checkFeeds, type Feed } from "../../../src/verify/feed.js";
import type { Entry, Verdict } from "../../../src/verify/history.js";
import { checkLinearizable } from "../../../src/verify/linearizable.js";
import { checkAppliedOnce, checkBatches, checkScans, checkStaleReads } from "../../../src/verify/reads.js";
import type { Faults } from "../faults.js";
import type { World } from "../world.js";
import { checkDamage } from "./damage.js";
import { checkMoves } from "./moves.js";
import { checkPrimaries } from "./primaries.js";
import { checkReplicas } from "./replicas.js";
import { checkViews, type Folded } from "./views.js";
import type { Witness } from "./witness.js";

export interface Case {
  readonly world: World;
  readonly witness: Witness;
  readonly folded: readonly Folded[];
  readonly history: readonly Entry[];
  readonly hash: Hash;
  /** What did not happen in time. */
  readonly late: readonly string[];
  readonly faults: Faults;
  readonly feeds: readonly Feed[];
  readonly watched: boolean;
  /** Copies of a request may arrive late: a refused write may still happen. */
  readonly lateTries: boolean;
  /** How much a run of this length must at least have done. */
  readonly needed: number;
}

export function judge(what: Case): readonly Verdict[] {
  const { world, witness, folded, history, hash, needed, lateTries } = what;
  const views = folded.map(({ view }) => view);
  return [
    {
      checker: "nothing threw",
      unit: "messages",
      judged: world.options.trace.events,
      needed: 1,
      violations: world.thrown,
    },
    checkLinearizable(history, { needed, lateTries }),
    checkAppliedOnce(history),
    checkBatches(history),
    checkStaleReads(history, { toleranceMs, lateTries }),
    checkScans(history, { toleranceMs, lateTries }),
    checkFeeds(history, what.feeds, what.watched ? 1 : 0),
    checkAnswers(history),
    checkPrimaries(witness, hash, world.log.counts.lostRecords > 0),
    checkViews(witness, folded, hash),
    checkMoves(witness, folded.length, hash),
    checkReplicas(world, views, hash),
    checkDamage(world, views, 0),
    {
      checker: "turned away well",
      unit: "requests turned away",
      judged: what.faults.turnedAway,
      needed: 0,
      violations: what.faults.strange,
    },
    { checker: "served in time", unit: "operations", judged: history.length, needed, violations: what.late },
  ];
}

/** What the clocks of two hosts may differ over the longest bound. */
const toleranceMs = 20;
