// Executing. Owns the batches that routers and clients send: checked at the door, split by fragment, gathered, answered once.
// E1 every batch is answered: shards answer each operation within its deadline, and a shard that ends has its parts answered for it.
// E2 what is under way is bounded by count and bytes; a batch beyond it is refused whole (I2).
// E3 where the node has a ceiling, each operation passes the gate first (`gate.ts`).
// E4 of what a node holds at once, one user that comes straight to it gets a part only, so that some is left for the others.
// E5 the client group of an operation is what the server stamped, or what a router of the cluster says that the server stamped.

import { limits } from "../../src/config/limits.js";
import { type Effect, type Effects, none, type Request } from "../../src/kernel/effect.js";
import { type Fault, fault, retryOf } from "../../src/kernel/fault.js";
import type { Context } from "../../src/kernel/machine.js";
import { addAnyCopy, addTo } from "../../src/load/counter.js";
import { groupOf, unnamedGroup } from "../../src/load/group.js";
import { answeredBytes, askedBytes, isForAnyCopy, kindOf } from "../../src/load/kinds.js";
import { endingOf, noteIn } from "../../src/load/tally.js";
import type { ExecRequest, FragmentOps, Op, OpResult } from "../../src/protocol/exec.js";
import { decodeExec, encodeExecReply } from "../../src/protocol/exec-codec.js";
import { type FragmentId, partitionOfFragment } from "../../src/protocol/subjects.js";
import type { Done, Slot } from "../shard/state.js";
import { admitJob } from "./gate.js";
import type { Counted, Job, NodeState } from "./state.js";

/** What a client that comes straight to the node may do, from the subject it was let publish on. */
export interface Access {
  readonly table: string;
  readonly write: boolean;
}

export function onExec(state: NodeState, request: Request, access: Access | undefined, context: Context): Effects {
  const decoded = decodeExec(request.body);
  if (!decoded.ok) return [{ kind: "reply", to: request.from, body: { fault: decoded.fault } }];
  const exec = decoded.value;
  const user = access === undefined || request.user === "" ? undefined : request.user;
  const refused = accessFault(state, exec, access) ?? loadFault(state, exec) ?? shareFault(state, exec, user);
  if (refused !== undefined) {
    if (refused.code === "OVERLOADED") state.sampling?.refused(countOf(exec));
    return [{ kind: "reply", to: request.from, body: { fault: refused } }];
  }
  const asker = access === undefined ? undefined : groupOf(request.user, state.config.clientGroups ?? {});
  return begin(state, request, exec, { group: asker, user }, context);
}

/** Grants are by table and by reading or writing: what the subject says must be what the batch does. */
function accessFault(state: NodeState, exec: ExecRequest, access: Access | undefined): Fault | undefined {
  if (access === undefined) return undefined;
  for (const part of exec.parts) {
    const slot = state.shards.get(part.fragment);
    if (slot !== undefined && slot.tableName !== access.table) {
      return fault("FORBIDDEN", `fragment ${part.fragment} is not of table ${access.table}, which this subject is for`);
    }
    if (!access.write && part.ops.some((op) => op.op === "write"))
      return fault("FORBIDDEN", "this subject is for reading");
  }
  return undefined;
}

function loadFault(state: NodeState, exec: ExecRequest): Fault | undefined {
  const count = countOf(exec);
  const full =
    state.opsUnderWay > 0 && (state.opsUnderWay + count > limits.nodeOps || state.bytesUnderWay > limits.nodeBytes);
  if (full)
    return fault(
      "OVERLOADED",
      `node ${state.config.id} has ${state.opsUnderWay} operations under way; try again later`,
      { retryAfterMs: 50 },
    );
  return undefined;
}

/** One user, without a router in between, may hold only a part of what a node takes. */
function shareFault({ opsOfUsers }: NodeState, exec: ExecRequest, user: string | undefined): Fault | undefined {
  const held = user === undefined ? 0 : (opsOfUsers.get(user) ?? 0);
  if (held === 0 || held + countOf(exec) <= limits.nodeOps * limits.userShare) return undefined;
  return fault("OVERLOADED", `this user has ${held} operations under way at this node, as many as one may`, {
    retryAfterMs: 50,
  });
}

function countOf(exec: ExecRequest): number {
  return exec.parts.reduce((sum, part) => sum + part.ops.length, 0);
}

/** `asker`: a client that came straight here; nothing of it is defined where a router asks, which names the groups itself. */
function begin(
  state: NodeState,
  request: Request,
  exec: ExecRequest,
  asker: { readonly group: string | undefined; readonly user: string | undefined },
  context: Context,
): Effects {
  const id = state.nextJob++;
  const groups = exec.parts.map((part) => asker.group ?? exec.groups?.[part.group ?? -1] ?? unnamedGroup);
  const count = countOf(exec);
  const bytes = exec.parts.reduce((sum, part) => sum + part.ops.reduce((size, op) => size + askedBytes(op), 0), 0);
  const job: Job = {
    from: request.from,
    results: exec.parts.map((part) => new Array<OpResult | undefined>(part.ops.length).fill(undefined)),
    parts: exec.parts,
    deadlineAtMs: context.nowMs + Math.min(Math.max(0, exec.timeLeftMs), limits.deadlineMs),
    cells: exec.parts.map((part, at) => cellOf(state, part, groups[at] ?? unnamedGroup)),
    begunAtMs: context.nowMs,
    missing: count,
    count,
    bytes,
    user: asker.user,
  };
  state.jobs.set(id, job);
  state.opsUnderWay += count;
  holdFor(state, job, count);
  state.bytesUnderWay += bytes;
  if (count === 0) return finish(state, id, job);
  if (state.gate !== undefined) return admitJob(state, state.gate, id, job, groups, context);
  return exec.parts.flatMap((part, index) => dispatchPart(state, id, job, index, [...part.ops.keys()], context.nowMs));
}

function holdFor({ opsOfUsers }: NodeState, { user }: Job, count: number): void {
  if (user === undefined) return;
  const held = (opsOfUsers.get(user) ?? 0) + count;
  if (held === 0) opsOfUsers.delete(user);
  else opsOfUsers.set(user, held);
}

function cellOf({ sampling, shards }: NodeState, { fragment }: FragmentOps, group: string): Counted | undefined {
  const slot = shards.get(fragment);
  if (slot === undefined || sampling === undefined) return undefined;
  return {
    cell: sampling.counter.cell(fragment, slot.tableId, group),
    tally: sampling.tallies.of(partitionOfFragment(fragment), slot.tableId),
  };
}

/** Hands these operations of a part to its shard, except those that can be answered at once. */
export function dispatchPart(
  state: NodeState,
  id: number,
  job: Job,
  part: number,
  places: readonly number[],
  nowMs: number,
): Effects {
  const ops = job.parts[part];
  if (ops === undefined) return none;
  const slot = state.shards.get(ops.fragment);
  if (slot === undefined) {
    const why = fault(
      "WRONG_FRAGMENT",
      `fragment ${ops.fragment} is not on ${state.config.id}; the location cache is old`,
    );
    return onDone(
      state,
      places.map((index) => ({ slot: { job: id, part, index }, result: { op: "fault", fault: why } })),
    );
  }
  const left = readNow(state, job, part, ops, places, nowMs);
  if (left.length === 0) return job.missing === 0 && state.jobs.has(id) ? finish(state, id, job) : none;
  const { epoch } = ops;
  const chosen = left.flatMap((place) => ops.ops[place] ?? []);
  const { deadlineAtMs } = job;
  const message = { kind: "exec", job: id, part, epoch, ops: chosen, places: left, deadlineAtMs } as const;
  return [{ kind: "tell", to: slot.actor, message }];
}

/** Answers what can be read in this step (`Reader`), and gives the places of the rest. */
function readNow(
  { board }: NodeState,
  job: Job,
  part: number,
  { fragment, ops }: FragmentOps,
  places: readonly number[],
  nowMs: number,
): readonly number[] {
  const read = board.readers.get(fragment);
  const left: number[] = [];
  for (const index of places) {
    const op = ops[index];
    const result = op?.op === "get" ? read?.(op, nowMs) : undefined;
    if (result === undefined) left.push(index);
    else settle(job, { part, index }, result, nowMs);
  }
  return left;
}

/** Takes one result in. `nowMs`: absent when nothing of it is to be counted. */
function settle(job: Job, { part, index }: Omit<Slot, "job">, result: OpResult, nowMs: number | undefined): void {
  const results = job.results[part];
  if (results !== undefined) results[index] = result;
  const counted = job.cells[part];
  if (counted !== undefined && nowMs !== undefined)
    count(counted, job.parts[part]?.ops[index], result, nowMs - job.begunAtMs);
  job.missing--;
}

/** Results from a shard. `nowMs`: absent when nothing of it is to be counted. */
export function onDone(state: NodeState, done: readonly Done[], nowMs?: number): Effects {
  const effects: Effect[] = [];
  for (const { slot, result } of done) {
    const job = state.jobs.get(slot.job);
    const results = job?.results[slot.part];
    if (job === undefined || results === undefined || results[slot.index] !== undefined) continue;
    settle(job, slot, result, nowMs);
    if (job.missing === 0) effects.push(...finish(state, slot.job, job));
  }
  return effects;
}

/** As load counts demand that was met here, or refused for good; what is to be tried elsewhere or later is counted there and then. */
function count({ cell, tally }: Counted, op: Op | undefined, result: OpResult, serviceMs: number): void {
  if (op === undefined) return;
  const kind = kindOf(op);
  const ending = endingOf(result.op === "fault" ? retryOf(result.fault.code) : undefined);
  noteIn(tally, kind, ending, serviceMs);
  if (ending === "again") return;
  addTo(cell, kind, askedBytes(op) + answeredBytes(result), serviceMs);
  if (isForAnyCopy(op)) addAnyCopy(cell);
}

function finish(state: NodeState, id: number, job: Job): Effects {
  state.jobs.delete(id);
  state.opsUnderWay -= job.count;
  holdFor(state, job, -job.count);
  state.bytesUnderWay -= job.bytes;
  const results = job.results.map((part) => part.map((result) => result ?? internal()));
  const viewSeq = state.partitions.map(({ tail }) => tail.view.seq);
  return [{ kind: "reply", to: job.from, body: encodeExecReply({ viewSeq, results }) }];
}

function internal(): OpResult {
  return { op: "fault", fault: fault("INTERNAL", "an operation was not answered") };
}

/** Answers every open part of `fragment`: its shard is gone. */
export function failPartsOf(state: NodeState, fragment: FragmentId, why: Fault): Effects {
  const effects: Effect[] = [];
  for (const [id, job] of state.jobs.entries()) {
    job.parts.forEach((held, part) => {
      if (held.fragment !== fragment) return;
      const open = (job.results[part] ?? []).flatMap((result, index) => (result === undefined ? [index] : []));
      effects.push(
        ...onDone(
          state,
          open.map((index) => ({ slot: { job: id, part, index }, result: { op: "fault", fault: why } })),
        ),
      );
    });
  }
  return effects;
}
