// Request. Owns the fields of each client request: their names, types and bounds, and the sentences for requests that miss them.
// R1 an unknown field is refused by name: a misspelt condition must never be an absent one.

import { z } from "zod";
import { limits } from "../config/limits.js";
import { fail, ok, type Result } from "../kernel/fault.js";
import { isFields } from "./value.js";

const chosenDeadlineMs = whole(1, limits.deadlineMs, " of milliseconds");
const deadlineMs = chosenDeadlineMs.default(limits.defaultDeadlineMs);
const requestIdForm = new RegExp(`^[\\x20-\\x7e]{1,${limits.requestIdLength}}$`);
const requestIdRule = mustBe(`1 to ${limits.requestIdLength} printable ASCII characters`);
const requestId = z.string({ error: requestIdRule }).regex(requestIdForm, { error: requestIdRule }).optional();

export function isRequestId(given: unknown): given is string {
  return typeof given === "string" && requestIdForm.test(given);
}

const ifVersion = whole(0, Number.MAX_SAFE_INTEGER, " (the row's version; 0 = only when there is no row)").optional();
const paths = (max: number) =>
  z
    .array(z.string({ error: mustBe("a field path such as address.city") }), {
      error: mustBe("an array of field paths"),
    })
    .max(max, { error: mustBe(`an array of at most ${max} field paths`) });

const anything = z.unknown().optional();
const read = {
  level: z.enum(["strong", "bounded", "any"], { error: mustBe('"strong", "bounded" or "any"') }).default("strong"),
  maxStaleMs: whole(1, Number.MAX_SAFE_INTEGER, " of milliseconds").optional(),
  deadlineMs,
};
const fields = paths(limits.projectionFields).optional();
const range = { partition: anything, from: anything, to: anything, prefix: anything, filter: anything };
const cursor = z.string({ error: mustBe("the cursor string of an earlier answer") }).nullish();

export const shapes = {
  get: z.strictObject({ key: anything, fields, ...read }),
  getMany: z.strictObject({ keys: listOf(limits.getManyKeys, "keys"), fields, ...read }),
  put: z.strictObject({ key: anything, doc: anything, ifVersion, requestId, deadlineMs }),
  insert: z.strictObject({ key: anything, doc: anything, ifVersion, requestId, deadlineMs }),
  update: z.strictObject({ key: anything, patch: anything, ifVersion, requestId, deadlineMs }),
  delete: z.strictObject({ key: anything, ifVersion, requestId, deadlineMs }),
  batch: z.strictObject({ ops: listOf(limits.batchOps, "operations"), requestId, deadlineMs }),
  scan: z.strictObject({
    ...range,
    reverse: z.boolean({ error: mustBe("true or false") }).default(false),
    limit: whole(1, limits.scanLimit, " of rows").default(limits.scanDefaultLimit),
    cursor,
    fields,
    ...read,
  }),
  aggregate: z.strictObject({
    ...range,
    groupBy: paths(limits.groupByFields).default([]),
    aggregates: listOf(limits.aggregates, 'aggregates such as {"fn": "sum", "field": "amount"}'),
    ...read,
  }),
  watch: z.strictObject({
    cursor,
    waitMs: whole(0, limits.watchWaitMs, " of milliseconds").default(limits.watchDefaultWaitMs),
    limit: whole(1, limits.watchChanges, " of changes").default(limits.watchChanges),
    filter: anything,
    /** Absent: as long as the wait takes. */
    deadlineMs: chosenDeadlineMs.optional(),
  }),
} as const;

/** One operation inside a batch; `op` itself is read before. */
export const stepShapes = {
  put: z.strictObject({ op: z.string(), key: anything, doc: anything, ifVersion }),
  insert: z.strictObject({ op: z.string(), key: anything, doc: anything, ifVersion }),
  update: z.strictObject({ op: z.string(), key: anything, patch: anything, ifVersion }),
  delete: z.strictObject({ op: z.string(), key: anything, ifVersion }),
} as const;

export const aggregateShape = z.strictObject({
  fn: z.enum(["count", "sum", "min", "max", "avg"], { error: mustBe('"count", "sum", "min", "max" or "avg"') }),
  field: z.string({ error: mustBe("a field path such as address.city") }).optional(),
  as: z.string({ error: mustBe("a name for the answer") }).optional(),
});

export type Fields<S extends z.ZodType> = z.output<S>;

/** The fields of `body`; BAD_REQUEST names the first that is wrong. `what` is the request, or the part of it, in words. */
export function readFields<S extends z.ZodObject>(shape: S, body: unknown, what: string): Result<Fields<S>> {
  const names = () => Object.keys(shape.shape).join(", ");
  if (!isFields(body)) return fail("BAD_REQUEST", `${what} must be an object; its fields are ${names()}`);
  const parsed = shape.safeParse(body);
  if (parsed.success) return ok(parsed.data);
  const [issue] = parsed.error.issues;
  if (issue?.code === "unrecognized_keys") {
    const unknown = issue.keys.slice(0, 3).map((key) => JSON.stringify(key.slice(0, 80)));
    return fail("BAD_REQUEST", `${what} has no field ${unknown.join(", ")}; its fields are ${names()}`);
  }
  return fail("BAD_REQUEST", `${placeOf(issue?.path ?? [])} in ${what} ${issue?.message ?? "is wrong"}`);
}

function whole(min: number, max: number, unit: string) {
  const rule = mustBe(
    `a whole number${unit}${max === Number.MAX_SAFE_INTEGER ? `, at least ${min}` : ` from ${min} to ${max}`}`,
  );
  return z.number({ error: rule }).int({ error: rule }).min(min, { error: rule }).max(max, { error: rule });
}

function listOf(max: number, what: string) {
  const rule = mustBe(`an array of 1 to ${max} ${what}`);
  return z.array(z.unknown(), { error: rule }).min(1, { error: rule }).max(max, { error: rule });
}

function mustBe(right: string): (issue: { readonly input?: unknown }) => string {
  return ({ input }) =>
    input === undefined ? `is missing; it must be ${right}` : `must be ${right}, not ${shown(input)}`;
}

function shown(input: unknown): string {
  if (typeof input === "number" || typeof input === "bigint" || typeof input === "boolean") return String(input);
  if (typeof input === "string") return input.length > 60 ? "a longer string" : JSON.stringify(input);
  if (input === null) return "null";
  if (Array.isArray(input)) return input.length === 0 ? "an empty array" : `an array of ${input.length}`;
  return "an object";
}

function placeOf(path: readonly PropertyKey[]): string {
  return path
    .map((step, index) => (typeof step === "number" ? `[${step}]` : `${index > 0 ? "." : ""}${String(step)}`))
    .join("");
}
