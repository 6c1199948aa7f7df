// Administration. Owns what an operator's request does to the next record, or why it does nothing.

import { limits } from "../../src/config/limits.js";
import { everyGroup, overlapOf, type Profile } from "../../src/forecast/profile.js";
import { type Fault, fail, ok, type Result } from "../../src/kernel/fault.js";
import type { Context } from "../../src/kernel/machine.js";
import type { LedgerEvent } from "../../src/ledger/event.js";
import { replicasOn, tableNamed } from "../../src/ledger/lookup.js";
import { eventsBytes } from "../../src/ledger/record.js";
import { countsOf } from "../../src/placement/load.js";
import { placeFragments } from "../../src/placement/place.js";
import { decodePolicy } from "../../src/plan/policy.js";
import type { LooseAdminRequest } from "../../src/protocol/control-codec.js";
import { isName, partitionOfTable } from "../../src/protocol/subjects.js";
import { hashRange, splitRange } from "../../src/table/key.js";
import type { PositionRange, TableDef } from "../../src/table/table.js";
import { ownGroups } from "./config.js";
import type { Draft } from "./draft.js";
import { orderCancel, orderMove, orderReplicas, orderRollback } from "./moves/orders.js";
import { policyOf } from "./plan.js";
import { ringOf } from "./replicas.js";
import { mergeFragments, splitFragment } from "./reshape.js";
import type { LeaderState } from "./state.js";

type Create = Extract<LooseAdminRequest, { kind: "createTable" }>;
type Evaluators = {
  readonly [K in LooseAdminRequest["kind"]]: (
    state: LeaderState,
    draft: Draft,
    request: Extract<LooseAdminRequest, { kind: K }>,
    context: Context,
  ) => Result<readonly LedgerEvent[]>;
};

/** A record keeps this much room for what else it has to say. */
export const orderBytes = limits.recordBytes - 64 * 1024;
const defaultReplicas = 3;
const utf8 = new TextEncoder();
const nothing: Result<readonly LedgerEvent[]> = ok([]);

/** Events that carry `request` out; none when all is as asked already. */
export function evaluate(
  state: LeaderState,
  draft: Draft,
  request: LooseAdminRequest,
  context: Context,
): Result<readonly LedgerEvent[]> {
  const evaluator = evaluators[request.kind] as (
    state: LeaderState,
    draft: Draft,
    request: LooseAdminRequest,
    context: Context,
  ) => Result<readonly LedgerEvent[]>;
  return evaluator(state, draft, request, context);
}

const evaluators: Evaluators = {
  createTable(state, draft, request) {
    const refused = refusal(state, draft, request);
    if (refused !== undefined) return refused;
    const ring = ringOf(state, draft);
    if (ring.nodes.length === 0)
      return fail("UNAVAILABLE", "no node is up to hold the table; try again when one has joined");
    const table: TableDef = {
      id: draft.view.nextTableId,
      name: request.name,
      partitioning: request.partitioning,
      key: request.key,
      replicas: request.replicas === 0 ? defaultReplicas : request.replicas,
    };
    const ranges = rangesOf(state, table, request);
    if (!ranges.ok) return ranges;
    const groups = ownGroups(state.config);
    const { partition } = state.config;
    const first = draft.view.nextFragment;
    const ids = ranges.value.map((_, at) => (first + at) * limits.controlPartitions + partition);
    const placed = placeFragments(ring, ids, table.replicas, countsOf(draft.view));
    const fragments = placed.map(({ fragment, nodes }, at) => {
      const { from, to } = ranges.value[at] ?? { from: new Uint8Array(0), to: undefined };
      return { id: fragment, from, to, group: groups[(first + at) % groups.length] ?? partition, replicas: nodes };
    });
    const events: LedgerEvent[] = [{ kind: "tableCreated", table, fragments }];
    if (eventsBytes(events) > orderBytes)
      return fail("TOO_LARGE", "the table's fragments and split keys do not fit one record; ask for fewer fragments");
    return ok(events);
  },
  dropTable(_state, draft, { name }) {
    const table = tableNamed(draft.view, name);
    if (table === undefined) return fail("UNKNOWN_TABLE", `there is no table ${quoted(name)}`);
    return ok([{ kind: "tableDropped", table: table.id }]);
  },
  drainNode(_state, draft, { node, draining, by = "" }) {
    const known = draft.view.nodes.get(node);
    if (known === undefined) return unknownNode(node);
    return known.draining === draining ? nothing : ok([{ kind: "nodeDraining", node, draining, by }]);
  },
  removeNode(_state, draft, { node }) {
    const known = draft.view.nodes.get(node);
    if (known === undefined) return unknownNode(node);
    if (known.state === "up")
      return fail("NOT_POSSIBLE", `${node} is up; drain it and stop its process first, then remove it`);
    const alone = replicasOn(draft.view, node).filter(
      ({ replicas }) => !replicas.some((replica) => replica.node !== node && replica.state === "ready"),
    );
    if (alone.length > 0)
      return fail(
        "NOT_POSSIBLE",
        `${node} holds the only ready copy of ${alone.length} fragments; start it again and drain it first`,
        { fragments: alone.slice(0, 100).map(({ id }) => id) },
      );
    return ok([{ kind: "nodeRemoved", node }]);
  },
  putProfile({ config }, draft, { profile }, { wallMs }) {
    if (config.partition !== 0)
      return fail("BAD_REQUEST", "profiles are kept by the first control partition; ask its leader");
    const { profiles } = draft.view;
    if (!profiles.has(profile.name) && profiles.size >= limits.profiles)
      return fail("NOT_POSSIBLE", `there are ${limits.profiles} profiles already; remove one first`);
    for (const other of profiles.values()) {
      const overlap = other.name === profile.name ? undefined : overlapOf(profile, other, wallMs);
      if (overlap !== undefined)
        return fail("BAD_PROFILE", overlapWords(profile, other, overlap), { profile: other.name });
    }
    return ok([{ kind: "profilePut", profile }]);
  },
  removeProfile(_state, draft, { name }) {
    if (draft.view.profiles.has(name)) return ok([{ kind: "profileRemoved", name }]);
    return fail("UNKNOWN_PROFILE", `there is no profile ${quoted(name)}`);
  },
  moveFragment: orderMove,
  cancelMove: orderCancel,
  rollbackMove: orderRollback,
  setReplicas: orderReplicas,
  // Answered from what is known, without a record: see `moves/lines`.
  listMoves: () => nothing,
  verify: () => nothing,
  showPlan: () => nothing,
  setPolicy(state, draft, { change, by }, { nowMs, wallMs }) {
    const policy = decodePolicy(change, policyOf(draft.view));
    if (!policy.ok) return policy;
    if (state.planner.nextAtMs > nowMs) state.planner.nextAtMs = nowMs;
    return ok([{ kind: "policyChanged", policy: policy.value, by, atMs: wallMs }]);
  },
  splitFragment: (state, draft, request, { wallMs }) => splitFragment(state, draft, request, wallMs),
  mergeFragments: (state, draft, request, { wallMs }) => mergeFragments(state, draft, request, wallMs),
};

function refusal(
  { config, hash }: LeaderState,
  draft: Draft,
  request: Create,
): { ok: false; fault: Fault } | undefined {
  const { name, fragments, replicas, partitioning, splitAt } = request;
  if (!isName(name))
    return fail("BAD_NAME", `a table name is a letter, then letters, digits, _ and -, at most ${limits.nameLength}`);
  if (partitionOfTable(hash.h32(utf8.encode(name)), config.partitions) !== config.partition)
    return fail("BAD_REQUEST", `table ${name} belongs to another control partition; ask that one's leader`);
  if (tableNamed(draft.view, name) !== undefined) return fail("TABLE_EXISTS", `there is a table ${name} already`);
  if (draft.view.tables.size >= limits.tables)
    return fail("NOT_POSSIBLE", `a control partition holds at most ${limits.tables} tables; drop one first`);
  if (replicas > limits.replicas)
    return fail("BAD_REQUEST", `replicas must be from 1 to ${limits.replicas}, not ${replicas}`);
  if (partitioning === "hash" && splitAt.length > 0)
    return fail("BAD_REQUEST", "splitAt cuts range tables; a hash table takes a number of fragments");
  if (partitioning === "hash" && (fragments < 1 || fragments > limits.fragmentsPerTable))
    return fail("BAD_REQUEST", `fragments must be from 1 to ${limits.fragmentsPerTable}, not ${fragments}`);
  if (partitioning === "range" && splitAt.length >= limits.fragmentsPerTable)
    return fail("BAD_REQUEST", `splitAt must have fewer than ${limits.fragmentsPerTable} keys`);
  if (partitioning === "range" && fragments > 1 && fragments !== splitAt.length + 1)
    return fail(
      "BAD_REQUEST",
      `${splitAt.length} keys in splitAt make ${splitAt.length + 1} fragments, not ${fragments}; leave fragments out for a range table`,
    );
  return undefined;
}

function rangesOf({ hash }: LeaderState, table: TableDef, request: Create): Result<PositionRange[]> {
  return table.partitioning === "hash" ? ok(hashRange(request.fragments)) : splitRange(table, request.splitAt, hash);
}

function overlapWords({ group }: Profile, { name }: Profile, atMs: number): string {
  const whose = group === everyGroup ? "all groups" : `group ${group}`;
  return `profile ${name} declares demand of ${whose} on the same table at ${new Date(atMs).toISOString()}; declare it once`;
}

function unknownNode(node: string): { ok: false; fault: Fault } {
  return fail("UNKNOWN_NODE", `there is no node ${quoted(node)}`);
}

function quoted(text: string): string {
  return JSON.stringify(text.length > limits.nameLength ? `${text.slice(0, limits.nameLength)}…` : text);
}
