// Histories. Owns the small language in which the tests of the checkers write good and bad histories by hand. Times are in milliseconds.

import type { Entry, Fields, Input, Output, Row, Step } from "../../src/verify/history.js";

let ids = 0;

interface When {
  readonly from: number;
  readonly to: number;
}

function entry(when: When, input: Input, output: Output, ending: Entry["ending"] = "ok", tries = 1): Entry {
  return {
    client: 1,
    id: ++ids,
    input,
    output,
    ending,
    invokeNs: when.from * 1e6,
    returnNs: when.to * 1e6,
    tries,
  };
}

export function at(from: number, to: number): When {
  return { from, to };
}

export function row(version: number, text: string, b = text): Row {
  return { version, fields: { a: text, b } };
}

type Reading = Partial<Extract<Input, { op: "get" }>>;

export function get(when: When, key: string, found: Row | undefined, how: Reading = {}): Entry {
  const input: Input = { op: "get", key, level: "strong", maxStaleMs: 0, ...how };
  return entry(when, input, { op: "rows", rows: [found] });
}

export function writeSteps(
  when: When,
  steps: readonly Step[],
  versions: readonly number[] | "unknown" | string,
): Entry {
  const input: Input = { op: "write", steps, requestId: `r${ids}` };
  if (typeof versions !== "string") return entry(when, input, { op: "versions", versions });
  return entry(when, input, { op: "fault", code: versions }, versions === "unknown" ? "unknown" : "fail");
}

type Condition = { readonly ifVersion?: number };

export function put(
  when: When,
  key: string,
  text: string,
  version: number | "unknown" | string,
  condition: Condition = {},
): Entry {
  return act(when, "put", key, { a: text, b: text }, version, condition);
}

export function act(
  when: When,
  what: Step["act"],
  key: string,
  fields: Fields,
  version: number | "unknown" | string,
  condition: Condition = {},
): Entry {
  return writeSteps(
    when,
    [{ key, act: what, fields, ...condition }],
    typeof version === "number" ? [version] : version,
  );
}

export function scan(when: When, keys: readonly string[], rows: readonly (readonly [string, Row])[]): Entry {
  const found = rows.map(([key, one]) => ({ key, ...one }));
  return entry(when, { op: "scan", keys, level: "strong", maxStaleMs: 0 }, { op: "scan", rows: found });
}

export function count(when: When, keys: readonly string[], counted: number): Entry {
  return entry(when, { op: "count", keys, level: "strong", maxStaleMs: 0 }, { op: "count", count: counted });
}
