// Executing. Owns the batches that routers and clients send: checked at the door, split by fragment, gathered, answered once.
// E1 every batch is answered: shards answer each operation within its deadline, and a shard that ends has its parts answered for it.
// E2 what is under way is bounded by count and bytes; a batch beyond it is refused whole (I2).

import { limits } from "../../src/config/limits.js";
import type { Effect, Effects, Request } from "../../src/kernel/effect.js";
import { type Fault, fault } from "../../src/kernel/fault.js";
import type { Context } from "../../src/kernel/machine.js";
import type { ExecRequest, FragmentOps, Op, OpResult } from "../../src/protocol/exec.js";
import { decodeExec, encodeExecReply } from "../../src/protocol/exec-codec.js";
import type { FragmentId } from "../../src/protocol/subjects.js";
import type { Done } from "../shard/state.js";
import type { Job, NodeState } from "./state.js";

/** What a client that comes straight to the node may do, from the subject it was let publish on. */
export interface Access {
  readonly table: string;
  readonly write: boolean;
}

export function onExec(state: NodeState, request: Request, access: Access | undefined, context: Context): Effects {
  const decoded = decodeExec(request.body);
  if (!decoded.ok) return [{ kind: "reply", to: request.from, body: { fault: decoded.fault } }];
  const exec = decoded.value;
  const refused = accessFault(state, exec, access) ?? loadFault(state, exec);
  if (refused !== undefined) return [{ kind: "reply", to: request.from, body: { fault: refused } }];
  return begin(state, request, exec, context);
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
  const count = exec.parts.reduce((sum, part) => sum + part.ops.length, 0);
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

function begin(state: NodeState, request: Request, exec: ExecRequest, context: Context): Effects {
  const id = state.nextJob++;
  const count = exec.parts.reduce((sum, part) => sum + part.ops.length, 0);
  const bytes = exec.parts.reduce((sum, part) => sum + part.ops.reduce((size, op) => size + opBytes(op), 0), 0);
  const job: Job = {
    from: request.from,
    results: exec.parts.map((part) => new Array<OpResult | undefined>(part.ops.length).fill(undefined)),
    fragments: exec.parts.map((part) => part.fragment),
    ops: exec.parts.map((part) => part.ops),
    missing: count,
    count,
    bytes,
  };
  state.jobs.set(id, job);
  state.opsUnderWay += count;
  state.bytesUnderWay += bytes;
  const deadlineAtMs = context.nowMs + Math.min(Math.max(0, exec.timeLeftMs), limits.deadlineMs);
  const effects = exec.parts.flatMap((part, index) => dispatchPart(state, id, index, part, deadlineAtMs));
  return count === 0 ? [...effects, ...finish(state, id, job)] : effects;
}

function opBytes(op: Op): number {
  return op.op === "write" ? op.steps.reduce((sum, step) => sum + step.document.length + step.position.length, 64) : 64;
}

function dispatchPart(state: NodeState, job: number, part: number, ops: FragmentOps, deadlineAtMs: number): Effects {
  const slot = state.shards.get(ops.fragment);
  if (slot === undefined) {
    const why = fault(
      "WRONG_FRAGMENT",
      `fragment ${ops.fragment} is not on ${state.config.id}; the location cache is old`,
    );
    return onDone(
      state,
      ops.ops.map((_, index) => ({ slot: { job, part, index }, result: { op: "fault", fault: why } })),
    );
  }
  return [
    {
      kind: "tell",
      to: slot.actor,
      message: { kind: "exec", job, part, epoch: ops.epoch, ops: ops.ops, deadlineAtMs },
    },
  ];
}

/** Results from a shard. */
export function onDone(state: NodeState, done: readonly Done[]): Effects {
  const effects: Effect[] = [];
  for (const { slot, result } of done) {
    const job = state.jobs.get(slot.job);
    const results = job?.results[slot.part];
    if (job === undefined || results === undefined || results[slot.index] !== undefined) continue;
    results[slot.index] = result;
    job.missing--;
    if (job.missing === 0) effects.push(...finish(state, slot.job, job));
  }
  return effects;
}

function finish(state: NodeState, id: number, job: Job): Effects {
  state.jobs.delete(id);
  state.opsUnderWay -= job.count;
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
  for (const [id, job] of [...state.jobs]) {
    job.fragments.forEach((held, part) => {
      if (held !== fragment) return;
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
