// Limits. Owns every bound of the system, units in the names, and the relations between them.
// A limit that users meet is quoted in its fault and in docs/PROTOCOL.md.

export const limits = {
  /** Encoded key of one row (partition key and sort key together). LMDB keys end at 1,978 bytes; the rest is prefix. */
  keyBytes: 1024,
  /** Tuples inside tuples in a key. */
  keyDepth: 8,
  /** One document, encoded. */
  documentBytes: 256 * 1024,
  documentDepth: 32,
  /** Fields and elements of one document, all levels together. */
  documentNodes: 16_384,
  fieldNameBytes: 256,
  nameLength: 64,
  requestIdLength: 64,
  /** Operations in one atomic batch, and keys in one getMany. */
  batchOps: 1000,
  batchBytes: 384 * 1024,
  getManyKeys: 1000,
  /** One request from a client, encoded. */
  requestBytes: 512 * 1024,
  /** One reply body, encoded, before a scan or getMany answers with a cursor or a fault. */
  replyBytes: 768 * 1024,
  /** Payload of one log record: a group-committed batch. One NATS message stays under 1 MiB with headers. */
  recordBytes: 512 * 1024,
  /** Writes in one log record; row versions are `lsn * recordWrites + index`. */
  recordWrites: 4096,
  scanLimit: 10_000,
  scanDefaultLimit: 1000,
  filterDepth: 16,
  filterNodes: 256,
  projectionFields: 256,
  aggregates: 64,
  groupByFields: 8,
  groups: 10_000,
  /** All groups of one aggregate together, encoded: they travel in one reply. */
  groupsBytes: 512 * 1024,
  /** Rows a shard looks at in one step of a scan or aggregate, so that nothing holds the event loop. */
  sliceRows: 256,
  sliceBytes: 512 * 1024,
  /** Rows that a sparse replica asks for by position in one pull. */
  pullPositions: 1024,
  deadlineMs: 60_000,
  defaultDeadlineMs: 5_000,
  watchWaitMs: 30_000,
  /** Below the time-out that request tools use when told nothing. */
  watchDefaultWaitMs: 3_000,
  watchChanges: 1000,
  fragmentsPerTable: 4096,
  replicas: 9,
  tables: 1000,
  /** Request ids remembered per fragment (I5). */
  requestWindow: 65_536,
  requestWindowMs: 120_000,
  /** Operations a node holds at once before it answers OVERLOADED; bytes likewise. */
  nodeOps: 20_000,
  nodeBytes: 64 * 1024 * 1024,
  /** Operations that wait at a node with a ceiling, all client groups together. */
  nodeOpsWaiting: 2_000,
  routerRequests: 4096,
  /** Operations of one message that carry the context of a trace. */
  tracesPerMessage: 64,
  routerBytes: 64 * 1024 * 1024,
  /** The part of a router's requests, and of a node's operations, that one user may hold, so that some are left for the others. */
  userShare: 0.75,
  mailbox: 16_384,
  /** Moves of one control partition under way at once, those that operators asked for included. */
  movesUnderWay: 256,
  /** A move takes no disk so far that less than this stays free. */
  diskFloorBytes: 256 * 1024 * 1024,
  /** A copy that is being filled is given up when less than this is left: it has to be cleared, and the node has to go on. */
  copyFloorBytes: 64 * 1024 * 1024,
  logGroups: 16,
  controlPartitions: 16,
  /** Client groups that the samples of a fragment tell apart; the rest is pooled. */
  loadGroupsNamed: 16,
  /** Client groups that a node counts apart per fragment, to know which are the largest. */
  loadGroupsCounted: 64,
  /** Cells (fragment and group) in one message of a sample, 20 to 130 bytes each; and messages of one sample. */
  sampleCells: 1000,
  sampleParts: 4096,
  /** Tables and kinds of operation that one sample tells of. */
  sampleTallies: 4096,
  sampleIntervalMs: 60_000,
  /** Samples that wait to be delivered while the stream cannot be reached. */
  samplesWaiting: 64,
  /** Samples that a forecaster has received and not read yet. */
  samplesQueued: 4096,
  /** Series of one forecaster, and forecasts that it knows of all together. */
  forecastSeries: 50_000,
  forecastsKnown: 400_000,
  /** Values that a series keeps while its past is being rebuilt. */
  forecastSlotsWaiting: 720,
  /** Questions for forecasts that a forecaster works on at once; series of one answer; series whose paths go into one sum. */
  forecastAnswers: 32,
  forecastPage: 100,
  forecastSumSeries: 2000,
  /** Declared profiles; and the tables and keys that one may name. */
  profiles: 256,
  profileTables: 16,
  profileKeys: 64,
} as const;

/** Times of the control loop, milliseconds. Their relations carry I7: see the assertions below. */
export interface Timing {
  /** Leader lease: a candidate takes over when it saw no renewal for this long. */
  readonly leaderLeaseMs: number;
  readonly leaderRenewMs: number;
  readonly heartbeatMs: number;
  /** Node lease, counted by the node from when it asked, by the leader from when it answered. */
  readonly nodeLeaseMs: number;
  /** What the leader waits beyond a lease, for clocks that run at different rates. */
  readonly leaseMarginMs: number;
  /** A node down for longer has its replicas rebuilt elsewhere. */
  readonly rebuildAfterMs: number;
  readonly askTimeoutMs: number;
  readonly appendTimeoutMs: number;
}

export const defaultTiming: Timing = {
  leaderLeaseMs: 1500,
  leaderRenewMs: 400,
  heartbeatMs: 400,
  nodeLeaseMs: 1500,
  leaseMarginMs: 100,
  rebuildAfterMs: 10_000,
  askTimeoutMs: 1000,
  appendTimeoutMs: 2000,
};

/** Says what is wrong with `timing`, or nothing. */
export function timingMistake(timing: Timing): string | undefined {
  if (timing.leaderRenewMs * 3 > timing.leaderLeaseMs)
    return "leaderLeaseMs must be at least three renewals: one lost renewal must not cost the leadership";
  if (timing.heartbeatMs * 3 > timing.nodeLeaseMs)
    return "nodeLeaseMs must be at least three heartbeats: one lost heartbeat must not stop strong reads";
  if (timing.leaseMarginMs * 100 < timing.nodeLeaseMs)
    return "leaseMarginMs must be at least 1 % of nodeLeaseMs: clocks drift";
  return undefined;
}
