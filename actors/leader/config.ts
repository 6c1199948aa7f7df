// Leader config. Owns what a leader actor is told at its birth, and which settings cannot be.

import { limits, type Timing, timingMistake } from "../../src/config/limits.js";
import type { MemberId } from "../../src/protocol/subjects.js";

export interface LeaderConfig {
  readonly member: MemberId;
  /** Names this process, as its supervisor names it in `hostDied`; a new one at every start. Absent: its exit shortens no lease. */
  readonly incarnation?: string;
  readonly partition: number;
  readonly partitions: number;
  readonly logGroups: number;
  readonly timing: Timing;
  /** Ledger records between two snapshots. */
  readonly snapshotEvery: number;
  /** A log stream beyond this is trimmed. */
  readonly logRetainBytes: number;
  /** Records that a log stream keeps whatever its size; absent: 1,000. */
  readonly logTailKept?: number;
}

/** Says what is wrong with `config`, or nothing. */
export function leaderConfigMistake(config: LeaderConfig): string | undefined {
  const { partition, partitions, logGroups } = config;
  if (partitions < 1 || partitions > limits.controlPartitions)
    return `control partitions must be from 1 to ${limits.controlPartitions}, not ${partitions}`;
  if (partition < 0 || partition >= partitions) return `there is no control partition ${partition} of ${partitions}`;
  if (logGroups < partitions)
    return `${logGroups} log groups are too few for ${partitions} control partitions: each needs one of its own`;
  if (config.snapshotEvery < 1) return "snapshotEvery must be at least 1";
  return timingMistake(config.timing);
}

/** Log groups whose fragments and trimming belong to this partition. */
export function ownGroups({ partition, partitions, logGroups }: LeaderConfig): number[] {
  return Array.from({ length: logGroups }, (_, group) => group).filter((group) => group % partitions === partition);
}
