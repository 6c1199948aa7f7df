// Source rows. Owns reading a CSV or NDJSON file as rows `{key, doc}` with their numbers, in the order of the file.
//   CSV: a head line names the columns; `--key` says which of them make the key
//   NDJSON: `{"key": …, "doc": {…}}` as export writes it, or any objects with `--key`

import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { parse } from "csv-parse";
import { FaultError, type TableInfo } from "../../cluster/client/index.js";
import { fault } from "../../src/kernel/fault.js";
import { fromJson } from "../../src/query/json.js";
import type { KeyValue } from "../../src/table/table.js";
import { type CellType, readCell, readKeyPart } from "./csv-typing.js";
import { UsageError } from "./failure.js";

export interface SourceRow {
  /** From 1, head line not counted. */
  readonly number: number;
  readonly key: KeyValue;
  readonly doc: object;
}

export interface SourceShape {
  readonly format: "csv" | "ndjson";
  /** Columns or fields of which the key is made. */
  readonly key: readonly string[] | undefined;
  readonly types: ReadonlyMap<string, CellType>;
  /** Leave the key columns out of the document. */
  readonly dropKey: boolean;
  /** Rows to pass over: done by an earlier import. */
  readonly skip: number;
}

export async function* readRows(source: Readable, shape: SourceShape, table: TableInfo): AsyncGenerator<SourceRow> {
  const rows = shape.format === "csv" ? csvRows(source, shape, table) : ndjsonRows(source, shape, table);
  yield* rows;
}

async function* csvRows(source: Readable, shape: SourceShape, table: TableInfo): AsyncGenerator<SourceRow> {
  const parser = source.pipe(parse({ bom: true, skip_empty_lines: true, relax_column_count: false }));
  source.once("error", (error) => parser.destroy(error));
  let number = 0;
  let build: RowBuilder | undefined;
  try {
    for await (const record of parser) {
      const cells = cellsOf(record);
      if (build === undefined) {
        build = rowBuilder(cells, shape, table);
        continue;
      }
      number++;
      if (number > shape.skip) yield build(cells, number);
    }
  } catch (error) {
    if (error instanceof UsageError || error instanceof FaultError) throw error;
    throw badRow(`this is no proper CSV: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function cellsOf(record: unknown): readonly string[] {
  return Array.isArray(record) ? record.map(String) : [];
}

type RowBuilder = (cells: readonly string[], number: number) => SourceRow;

function rowBuilder(columns: readonly string[], shape: SourceShape, table: TableInfo): RowBuilder {
  const keyColumns = keyNames(shape, table).map((name) => {
    const at = columns.indexOf(name);
    if (at < 0) throw new UsageError(`the file has no column ${JSON.stringify(name)}; it has ${columns.join(", ")}`);
    return at;
  });
  for (const name of shape.types.keys())
    if (!columns.includes(name))
      throw new UsageError(`--types names ${JSON.stringify(name)}, but the file has ${columns.join(", ")}`);
  const keyTypes = [table.key.partition, table.key.sort ?? "any"] as const;
  const kept = columns
    .map((name, at) => ({ name, at, type: shape.types.get(name) ?? ("auto" as const) }))
    .filter(({ at }) => !shape.dropKey || !keyColumns.includes(at));

  return (cells, number) => {
    const parts = keyColumns.map((at, index) => {
      const part = readKeyPart(cells[at] ?? "", keyTypes[index] ?? "any");
      if (!part.ok) throw badRow(`row ${number}, column ${columns[at]}: ${part.why}`);
      return part.value;
    });
    const doc: Record<string, unknown> = {};
    for (const { name, at, type } of kept) {
      const cell = readCell(cells[at] ?? "", type);
      if (!cell.ok) throw badRow(`row ${number}, column ${name}: ${cell.why}`);
      if (cell.value !== undefined) doc[name] = cell.value;
    }
    return { number, key: keyOf(parts), doc };
  };
}

function keyNames(shape: SourceShape, table: TableInfo): readonly string[] {
  const wanted = table.key.sort === undefined ? 1 : 2;
  const names = shape.key ?? [];
  if (names.length === wanted) return names;
  const example = wanted === 1 ? "--key id" : "--key series,time";
  throw new UsageError(
    `the key of table ${table.name} has ${wanted === 1 ? "one part" : "two parts"}: name the column${wanted === 1 ? "" : "s"}, as in ${example}`,
  );
}

function keyOf(parts: readonly KeyValue[]): KeyValue {
  const [only] = parts;
  return parts.length === 1 && only !== undefined ? only : parts;
}

async function* ndjsonRows(source: Readable, shape: SourceShape, table: TableInfo): AsyncGenerator<SourceRow> {
  const names = shape.key === undefined ? undefined : keyNames(shape, table);
  let number = 0;
  for await (const line of createInterface({ input: source, crlfDelay: Number.POSITIVE_INFINITY })) {
    if (line.trim() === "") continue;
    number++;
    if (number > shape.skip) yield ndjsonRow(line, number, names, shape.dropKey);
  }
}

function ndjsonRow(line: string, number: number, names: readonly string[] | undefined, dropKey: boolean): SourceRow {
  const fields = fieldsOf(line, number);
  if (names === undefined) {
    const { key, doc } = fields;
    if (key === undefined || typeof doc !== "object" || doc === null)
      throw badRow(
        `row ${number} is not {"key": …, "doc": {…}}; for other objects say with --key which fields make the key`,
      );
    // The table's schema decides what a key may be, where the request is decoded.
    return { number, key: key as KeyValue, doc };
  }
  const parts = names.map((name) => {
    const part = fields[name];
    if (part === undefined || part === null)
      throw badRow(`row ${number} has no field ${name}, of which the key is made`);
    return part as KeyValue;
  });
  const doc = dropKey ? Object.fromEntries(Object.entries(fields).filter(([name]) => !names.includes(name))) : fields;
  return { number, key: keyOf(parts), doc };
}

function fieldsOf(line: string, number: number): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    throw badRow(`row ${number} is no JSON: ${line.slice(0, 80)}`);
  }
  const read = fromJson(value);
  if (!read.ok) throw badRow(`row ${number}: ${read.fault.message}`);
  if (typeof read.value !== "object" || read.value === null || Array.isArray(read.value))
    throw badRow(`row ${number} is no JSON object`);
  return read.value as Record<string, unknown>;
}

/** The call was right; what stands in the file is not. */
function badRow(message: string): FaultError {
  return new FaultError(fault("BAD_DOCUMENT", message));
}
