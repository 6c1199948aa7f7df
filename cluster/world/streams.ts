// Streams. Owns which streams exist and how each is configured; makes the missing ones, and refuses to run on a stream of another make.
// M1 no stream ages out or is emptied by subject, so that the fence of a subject never falls back (the last record of a subject stays).
// M2 a full stream refuses what is new; it never drops what is old.
// M3 a stream that exists is never deleted, and changed only in its byte limit and its age limit.
// M4 the load stream is the exception to M1 and M2: it is a history, and forgets its oldest samples by age and by size.
// M5 the audit stream can be neither purged nor shortened by anybody; past a number it forgets its oldest.

import { type Fault, fail, fault, ok, type Result } from "../../src/kernel/fault.js";
import { streams, subjects } from "../../src/protocol/subjects.js";
import type { Inbox } from "./inbox.js";
import { type ApiError, callApiLater, type Fields, fieldsOf, jsErrors } from "./jetstream.js";

export interface StreamsWish {
  readonly partitions: number;
  readonly logGroups: number;
  /** Copies of each stream; those of a stream that exists stay as they are. */
  readonly replicas: number;
  /** Limit of each log stream; absent: only the server's own. */
  readonly maxLogBytes?: number;
  /** How long load samples are kept; absent: 30 days. */
  readonly loadHistoryDays?: number;
  /** Whoever wishes may make lost metadata streams again (see `restorableStream`). */
  readonly restoresMetadata?: boolean;
}

export interface StreamSpec {
  readonly name: string;
  readonly subjects: readonly string[];
  /** -1: all. */
  readonly maxPerSubject: number;
  readonly maxBytes: number;
  /** Set: messages older than this go, and a full stream drops its oldest. */
  readonly maxAgeMs?: number;
  /** Set: nobody may purge it, and beyond so many messages the oldest go. */
  readonly keptMessages?: number;
  /** What is written beside it when it is made. */
  readonly metadata?: Readonly<Record<string, string>>;
}

const duplicateWindowNs = 120_000_000_000;
const nsPerMs = 1_000_000;
const maxMessageBytes = 1024 * 1024;
/** A snapshot is replaced by the next; the one before stays readable while the next is written. */
const snapshotsKept = 64;
const callTimeoutMs = 5000;
const mostTries = 20;
const pauseMs = 250;

export function wantedStreams(wish: StreamsWish): readonly StreamSpec[] {
  const partitions = Array.from({ length: wish.partitions }, (_, partition) => partition);
  const groups = Array.from({ length: wish.logGroups }, (_, group) => group);
  return [
    leaseStream(wish),
    ...partitions.flatMap((partition) => [
      { name: streams.ledger(partition), subjects: [subjects.ledger(partition)], maxPerSubject: -1, maxBytes: -1 },
      {
        name: streams.snapshot(partition),
        subjects: [subjects.snapshot(partition)],
        maxPerSubject: snapshotsKept,
        maxBytes: -1,
      },
    ]),
    loadStream(wish.loadHistoryDays ?? loadHistoryDays),
    { name: streams.audit, subjects: [subjects.audit], maxPerSubject: -1, maxBytes: -1, keptMessages: auditKept },
    ...groups.map((group) => logStream(group, wish.maxLogBytes)),
  ];
}

/** About 400 bytes each. */
const auditKept = 1_000_000;
const loadHistoryDays = 30;
const dayMs = 86_400_000;
/** The server sets this much of its store aside; less where there is not so much, down to `leastLoadBytes`. */
const loadBytes = 1024 * 1024 * 1024;
const leastLoadBytes = 8 * 1024 * 1024;

function loadStream(days: number): StreamSpec {
  return {
    name: streams.load,
    subjects: [subjects.loads],
    maxPerSubject: -1,
    maxBytes: loadBytes,
    maxAgeMs: days * dayMs,
  };
}

const logPrefix = streams.log(0).slice(0, -1);

function logStream(group: number, maxLogBytes: number | undefined): StreamSpec {
  return {
    name: streams.log(group),
    subjects: [subjects.logs(group)],
    maxPerSubject: -1,
    maxBytes: maxLogBytes ?? -1,
  };
}

/**
 * Takes these servers for a cluster of this shape: whoever makes the lease stream writes into it what the shape is, and all others must have the same. A stream that says
 * nothing was made by an earlier version, or by somebody else, and is taken as it is.
 */
export async function agreeOnShape(inbox: Inbox, wish: StreamsWish): Promise<Result<void>> {
  const made = await ensureStream(inbox, leaseStream(wish), wish.replicas);
  if (!made.ok) return made;
  const info = await callApiLater(inbox, `STREAM.INFO.${streams.lease}`, undefined, callTimeoutMs);
  const said = info.kind === "ok" ? fieldsOf(fieldsOf(info.body.config).metadata) : {};
  for (const [option, count] of Object.entries(shapeOf(wish)))
    if (said[option] !== undefined && said[option] !== count)
      return fail(
        "CONFIG",
        `the cluster on these NATS servers was made with --${option} ${said[option]}, not ${count}: start with that in a new data folder`,
      );
  return ok(undefined);
}

/** Option by option, in text: metadata holds nothing else. */
function shapeOf({ partitions, logGroups }: StreamsWish): Readonly<Record<string, string>> {
  return { "control-partitions": String(partitions), "log-groups": String(logGroups) };
}

function leaseStream(wish: StreamsWish): StreamSpec {
  return {
    name: streams.lease,
    subjects: [subjects.leases],
    maxPerSubject: 1,
    maxBytes: -1,
    metadata: shapeOf(wish),
  };
}

/** Makes what is missing and checks what is there. Several callers at once are fine. */
export async function ensureStreams(inbox: Inbox, wish: StreamsWish): Promise<Result<readonly string[]>> {
  const made: string[] = [];
  const results = await Promise.all(
    wantedStreams(wish).map(async (spec) => {
      const result = await ensureStream(inbox, spec, wish.replicas);
      if (result.ok && result.value === "made") made.push(spec.name);
      return result;
    }),
  );
  const failed = results.find((result) => !result.ok);
  return failed !== undefined && !failed.ok ? failed : ok(made);
}

/**
 * The spec of a stream that may be made again when it is lost; undefined for any other. Log streams always: the replicas fill them. The load stream too. Metadata only where the
 * wish says so: a leader goes on from its own view and the snapshots, anybody else would take an empty ledger for a new cluster's.
 */
export function restorableStream(name: string, wish: StreamsWish): StreamSpec | undefined {
  const spec = wantedStreams(wish).find((wanted) => wanted.name === name);
  const always = spec?.name.startsWith(logPrefix) === true || name === streams.load;
  return wish.restoresMetadata === true || always ? spec : undefined;
}

/** Makes one stream, or checks it when it is there. */
export async function ensureStream(
  inbox: Inbox,
  spec: StreamSpec,
  replicas: number,
): Promise<Result<"made" | "found">> {
  let why = "JetStream did not answer";
  for (let tries = 0; tries < mostTries; tries++) {
    if (tries > 0) await pause(pauseMs);
    const info = await callApiLater(inbox, `STREAM.INFO.${spec.name}`, undefined, callTimeoutMs);
    if (info.kind === "ok") return reconcile(inbox, spec, fieldsOf(info.body.config));
    if (info.kind === "error" && info.error.errCode !== jsErrors.streamNotFound) why = info.error.words;
    if (info.kind !== "error" || info.error.errCode !== jsErrors.streamNotFound) continue;
    const created = await callApiLater(
      inbox,
      `STREAM.CREATE.${spec.name}`,
      streamConfig(spec, replicas),
      callTimeoutMs,
    );
    if (created.kind === "ok") return ok("made");
    if (created.kind === "error") {
      why = created.error.words;
      const smaller = smallerThan(spec, created.error);
      if (smaller !== undefined) return ensureStream(inbox, smaller, replicas);
      if (!mayPass(created.error.errCode, created.error.code)) return fail("ENGINE", refusalWords(spec.name, why));
    }
  }
  return fail("ENGINE", refusalWords(spec.name, why));
}

/** A history that finds no room is kept shorter. */
function smallerThan(spec: StreamSpec, error: ApiError): StreamSpec | undefined {
  if (spec.maxAgeMs === undefined || !lacksRoom(error) || spec.maxBytes <= leastLoadBytes) return undefined;
  return { ...spec, maxBytes: Math.max(leastLoadBytes, Math.floor(spec.maxBytes / 4)) };
}

/** One of several servers says it only in words. */
export function lacksRoom({ errCode, words }: Pick<ApiError, "errCode" | "words">): boolean {
  if (errCode === jsErrors.noSuitablePeers) return words.includes("insufficient storage");
  return errCode === jsErrors.storageResources || errCode === jsErrors.insufficientResources;
}

/** A refusal that another try may overcome: somebody else made it first, or the cluster has no leader or not all its servers yet. */
export function mayPass(errCode: number, code: number): boolean {
  return errCode === jsErrors.streamNameInUse || errCode === jsErrors.noSuitablePeers || code === 503;
}

function refusalWords(stream: string, why: string): string {
  return `the stream ${stream} cannot be made or read: ${why}; check that JetStream is enabled for this account and has room`;
}

export function streamConfig(spec: StreamSpec, replicas: number): Fields {
  return {
    name: spec.name,
    subjects: spec.subjects,
    num_replicas: replicas,
    retention: "limits",
    storage: "file",
    discard: spec.maxAgeMs === undefined && spec.keptMessages === undefined ? "new" : "old",
    compression: "none",
    max_consumers: -1,
    max_msgs: spec.keptMessages ?? -1,
    max_msgs_per_subject: spec.maxPerSubject,
    max_bytes: spec.maxBytes,
    max_age: (spec.maxAgeMs ?? 0) * nsPerMs,
    max_msg_size: maxMessageBytes,
    duplicate_window: duplicateWindowNs,
    deny_delete: true,
    deny_purge: spec.keptMessages !== undefined,
    allow_rollup_hdrs: false,
    allow_direct: false,
    ...(spec.metadata === undefined ? {} : { metadata: spec.metadata }),
  };
}

/** What must be as we want it on a stream that is there. Copies may differ; the byte limit is set anew. */
const checked = [
  "subjects",
  "retention",
  "storage",
  "discard",
  "compression",
  "max_msgs",
  "max_msgs_per_subject",
  "max_age",
  "max_msg_size",
  "deny_delete",
  "deny_purge",
] as const;

function mayDiffer(spec: StreamSpec, name: string): boolean {
  return spec.maxAgeMs !== undefined && name === "max_age";
}

export function streamMistake(spec: StreamSpec, found: Fields): Fault | undefined {
  const wanted = streamConfig(spec, 1);
  const wrong = checked.find(
    (name) => !mayDiffer(spec, name) && JSON.stringify(found[name] ?? false) !== JSON.stringify(wanted[name]),
  );
  if (wrong === undefined) return undefined;
  return fault(
    "ENGINE",
    `the stream ${spec.name} exists with ${wrong} = ${JSON.stringify(found[wrong])}, wanted ${JSON.stringify(wanted[wrong])}; it was not made by this system or was changed by hand`,
    { stream: spec.name, field: wrong },
  );
}

async function reconcile(inbox: Inbox, spec: StreamSpec, found: Fields): Promise<Result<"found">> {
  const mistake = streamMistake(spec, found);
  if (mistake !== undefined) return { ok: false, fault: mistake };
  const limits = changed(spec, found);
  if (limits === undefined) return ok("found");
  const updated = { ...found, ...limits };
  const answer = await callApiLater(inbox, `STREAM.UPDATE.${spec.name}`, updated, callTimeoutMs);
  return answer.kind === "error" ? fail("ENGINE", refusalWords(spec.name, answer.error.words)) : ok("found");
}

/** Limits that are to be set anew. What a history may hold was settled with the server when it was made; only its age follows the wish. */
function changed(spec: StreamSpec, found: Fields): Fields | undefined {
  if (spec.maxAgeMs === undefined) return found.max_bytes === spec.maxBytes ? undefined : { max_bytes: spec.maxBytes };
  const maxAge = spec.maxAgeMs * nsPerMs;
  return found.max_age === maxAge ? undefined : { max_age: maxAge };
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
