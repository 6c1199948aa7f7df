// Batch. Owns how requests become one record: conditions are checked in order against the applied state plus the batch so far.
// B1 a request is whole: all of its steps or none. B2 an answer that rests on the batch leaves only when the batch is in the log (the caller holds it).
// B3 a request id that is remembered, or already in the batch, is answered from the first try and changes nothing (I5).

import { limits } from "../config/limits.js";
import type { Bytes } from "../kernel/bytes.js";
import { type Fault, fault, ok, type Result } from "../kernel/fault.js";
import type { OpResult } from "../protocol/exec.js";
import { checkDocument, decodeDocument, encodeDocument } from "../query/document.js";
import { mergePatch } from "../query/patch.js";
import type { WriteStep } from "../query/query.js";
import { readRow, rowKey, rowValueBytes } from "./layout.js";
import { changeBytes, type RequestMark, type RowChange, requestBytes, versionOf } from "./record.js";
import { latin1, type Replica } from "./replica.js";
import type { Store } from "./store.js";
import type { RequestWindow } from "./window.js";

export interface WriteRequest {
  readonly requestId: string;
  readonly steps: readonly WriteStep[];
}

/** A row as the batch sees it. Version 0 and no document: there is none. */
interface Seen {
  readonly version: number;
  readonly document: Bytes | undefined;
}

export interface Batch {
  readonly changes: readonly RowChange[];
  readonly requests: readonly RequestMark[];
  readonly rowsDelta: number;
  readonly bytesDelta: number;
  /** The answer of an earlier try. */
  recall(request: WriteRequest): OpResult | undefined;
  /** The request's answer, or `full` when it needs the next record. */
  add(request: WriteRequest): OpResult | "full";
}

export function createBatch(replica: Replica, store: Store, window: RequestWindow): Batch {
  const lsn = replica.lsn + 1;
  const changes: RowChange[] = [];
  const requests: RequestMark[] = [];
  const seen = new Map<string, Seen>();
  const added = new Map<string, RequestMark>();
  let bytes = 0;
  let rowsDelta = 0;
  let bytesDelta = 0;

  function look(name: string, key: Bytes): Seen {
    const known = seen.get(name);
    if (known !== undefined) return known;
    const value = store.get(key);
    if (value === undefined) return { version: 0, document: undefined };
    return readRow(value);
  }

  function remembered(request: WriteRequest): OpResult | undefined {
    const mark = added.get(request.requestId);
    if (mark !== undefined) return answerOf(request, lsn, mark.first, mark.count);
    const found = window.find(request.requestId);
    return found === undefined ? undefined : answerOf(request, found.lsn, found.first, found.count);
  }

  return {
    changes,
    requests,
    get rowsDelta() {
      return rowsDelta;
    },
    get bytesDelta() {
      return bytesDelta;
    },
    recall: remembered,
    add(request) {
      const again = remembered(request);
      if (again !== undefined) return again;
      const first = changes.length;
      const draft = new Map<string, Seen>();
      const steps: RowChange[] = [];
      let size = requestBytes(request.requestId);
      let addedRows = 0;
      let addedBytes = 0;
      for (const step of request.steps) {
        const key = rowKey(replica.shelf, step.position);
        const name = latin1.decode(key);
        const before = draft.get(name) ?? look(name, key);
        const changed = carryOut(step, before);
        if (!changed.ok)
          return { op: "fault", fault: nameStep(changed.fault, request.steps.indexOf(step), request.steps.length) };
        const change = { position: step.position, document: changed.value };
        draft.set(name, { version: versionOf(lsn, first + steps.length), document: change.document });
        steps.push(change);
        size += changeBytes(change);
        addedRows += rowsIn(change.document) - rowsIn(before.document);
        addedBytes += bytesIn(change) - bytesIn({ position: step.position, document: before.document });
      }
      if (size > limits.recordBytes) return { op: "fault", fault: tooLarge(size) };
      if (bytes + size > limits.recordBytes || first + steps.length > limits.recordWrites) return "full";
      bytes += size;
      changes.push(...steps);
      rowsDelta += addedRows;
      bytesDelta += addedBytes;
      for (const [name, row] of draft) seen.set(name, row);
      const mark = { requestId: request.requestId, first, count: steps.length };
      requests.push(mark);
      added.set(request.requestId, mark);
      return answerOf(request, lsn, first, steps.length);
    },
  };
}

function rowsIn(document: Bytes | undefined): number {
  return document === undefined ? 0 : 1;
}

function bytesIn({ position, document }: RowChange): number {
  return document === undefined ? 0 : position.length + rowValueBytes(document);
}

/** The document after the step (undefined = deleted), or why not. */
function carryOut(step: WriteStep, before: Seen): Result<Bytes | undefined> {
  const refused = conditionFault(step, before);
  if (refused !== undefined) return { ok: false, fault: refused };
  switch (step.act) {
    case "put":
    case "insert": {
      const checked = checkDocument(step.document);
      return checked.ok ? ok(step.document) : checked;
    }
    case "update":
      return before.document === undefined ? missing() : patched(before.document, step.document);
    case "delete":
      return ok(undefined);
  }
}

function conditionFault(step: WriteStep, before: Seen): Fault | undefined {
  const version = before.document === undefined ? 0 : before.version;
  if (step.ifVersion !== undefined && step.ifVersion !== version) {
    const held = version === 0 ? "there is no such row" : `it is at version ${version}`;
    return fault("CONFLICT", `the row was asked for at version ${step.ifVersion}, and ${held}`, {
      held: version,
      asked: step.ifVersion,
    });
  }
  if (step.act === "insert" && version !== 0) {
    return fault("EXISTS", `there is a row with this key already, at version ${version}; use put to replace it`, {
      held: version,
    });
  }
  return undefined;
}

function patched(document: Bytes, patch: Bytes): Result<Bytes> {
  const checked = checkDocument(patch);
  if (!checked.ok) return checked;
  return encodeDocument(mergePatch(decodeDocument(document), decodeDocument(patch)));
}

function missing(): Result<never> {
  return {
    ok: false,
    fault: fault("NOT_FOUND", "there is no row with this key to update; use put or insert to make it"),
  };
}

function tooLarge(size: number): Fault {
  return fault("TOO_LARGE", `the request needs ${size} bytes of one log record; at most ${limits.recordBytes} fit`, {
    limit: limits.recordBytes,
  });
}

function answerOf(request: WriteRequest, lsn: number, first: number, count: number): OpResult {
  if (count !== request.steps.length) {
    return {
      op: "fault",
      fault: fault("BAD_REQUEST", "this request id was used for another request; give each request its own"),
    };
  }
  const versions: number[] = [];
  for (let index = first; index < first + count; index++) versions.push(versionOf(lsn, index));
  return { op: "write", versions };
}

function nameStep(why: Fault, index: number, count: number): Fault {
  return count === 1
    ? why
    : fault(why.code, `step ${index + 1} of ${count}: ${why.message}`, { ...why.detail, step: index });
}
