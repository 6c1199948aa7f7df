// History file. Owns how a history is written down, one entry a line of JSON, and read again: docs/HISTORY.md tells its form to other programs.
// W1 what is written reads as the same history. W2 a line that is no entry is refused with its number; nothing is guessed.

import { z } from "zod";
import { fail, ok, type Result } from "../kernel/fault.js";
import { valueOfJson } from "../protocol/json-text.js";
import type { Entry, Row } from "./history.js";

/** An entry as one line of JSON, `{client, id, op, key, input, output, ending, invokeNs, returnNs, tries}`. */
export function entryLine(entry: Entry): string {
  const { input } = entry;
  const key = input.op === "get" ? input.key : input.op === "write" ? input.steps.map((step) => step.key) : input.keys;
  return JSON.stringify({
    client: entry.client,
    id: entry.id,
    op: input.op,
    key,
    input,
    output: entry.output,
    ending: entry.ending,
    invokeNs: entry.invokeNs,
    returnNs: entry.returnNs,
    tries: entry.tries,
  });
}

const fields = z.record(z.string(), z.string());
const row = z.object({ version: z.number(), fields });
/** JSON has no `undefined`: a row that is not there is `null`. */
const found = row.nullable().transform((value): Row | undefined => value ?? undefined);
const level = z.enum(["strong", "bounded", "any"]);
const reading = { level, maxStaleMs: z.number() };
const ranged = { keys: z.array(z.string()), ...reading };
const step = z
  .object({
    key: z.string(),
    act: z.enum(["put", "insert", "update", "delete"]),
    fields,
    ifVersion: z.number().optional(),
  })
  .transform(({ ifVersion, ...rest }) => ({ ...rest, ...(ifVersion === undefined ? {} : { ifVersion }) }));

const input = z.discriminatedUnion("op", [
  z.object({ op: z.literal("get"), key: z.string(), ...reading }),
  z.object({ op: z.literal("getMany"), ...ranged }),
  z.object({ op: z.literal("write"), steps: z.array(step), requestId: z.string() }),
  z.object({ op: z.literal("scan"), ...ranged }),
  z.object({ op: z.literal("count"), ...ranged }),
]);

const output = z.discriminatedUnion("op", [
  z.object({ op: z.literal("rows"), rows: z.array(found) }),
  z.object({ op: z.literal("versions"), versions: z.array(z.number()) }),
  z.object({ op: z.literal("scan"), rows: z.array(row.extend({ key: z.string() })) }),
  z.object({ op: z.literal("count"), count: z.number() }),
  z.object({ op: z.literal("fault"), code: z.string() }),
]);

const entry = z.object({
  client: z.number(),
  id: z.number(),
  input,
  ending: z.enum(["ok", "fail", "unknown"]),
  output,
  invokeNs: z.number(),
  returnNs: z.number(),
  tries: z.number(),
});

/** The history that a file's text holds; empty lines are passed over. */
export function historyOf(text: string): Result<readonly Entry[]> {
  const entries: Entry[] = [];
  for (const [at, line] of text.split("\n").entries()) {
    if (line.trim() === "") continue;
    const decoded = entry.safeParse(valueOfJson(line));
    if (!decoded.success) {
      const [issue] = decoded.error.issues;
      const where = issue === undefined || issue.path.length === 0 ? "it" : issue.path.join(".");
      return fail("UNDECODABLE", `line ${at + 1} is no entry of a history: ${where}: ${issue?.message ?? "not JSON"}`);
    }
    entries.push(decoded.data);
  }
  return ok(entries);
}
