import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { clusterOpNames } from "../../actors/router/cluster-ops.js";
import { limits } from "../../src/config/limits.js";
import { faultCodes } from "../../src/kernel/fault.js";
import { queryOps } from "../../src/query/decode.js";
import { shapes } from "../../src/query/request.js";

/** docs/PROTOCOL.md is the contract with other languages: it must say what the code does. */
describe("the protocol's document", () => {
  let text = "";
  before(async () => {
    text = await readFile(new URL("../../../docs/PROTOCOL.md", import.meta.url), "utf8");
  });

  function rowsUnder(heading: string): string[][] {
    const part = text.split(`\n## ${heading}\n`)[1]?.split("\n## ")[0] ?? "";
    const rows = part
      .split("\n")
      .filter((line) => line.startsWith("| `"))
      .map((line) =>
        line
          .replaceAll("\\|", "/")
          .split("|")
          .map((cell) => cell.trim())
          .slice(1, -1),
      );
    assert.ok(rows.length > 0, `there is a table under ${heading}`);
    return rows;
  }
  const names = (cell: string | undefined): string[] =>
    [...(cell ?? "").matchAll(/`([^`]+)`/g)].map((found) => found[1] ?? "");

  it("lists every fault code with how to treat it", () => {
    const listed = rowsUnder("Faults").map(([code, again]) => [names(code)[0], again]);
    assert.deepEqual(listed, Object.entries(faultCodes));
  });

  it("quotes every limit as it is", () => {
    for (const [name, value] of rowsUnder("Limits")) {
      const [limit = ""] = names(name);
      assert.ok(Object.hasOwn(limits, limit), `there is a limit ${limit}`);
      assert.equal(Number(value?.replaceAll(",", "")), limits[limit as keyof typeof limits], limit);
    }
  });

  it("lists every operation on a table, with the fields that its decoder takes", () => {
    const rows = rowsUnder("Operations on a table");
    assert.deepEqual(
      rows.map(([op]) => names(op)[0]),
      queryOps,
    );
    for (const [op, body] of rows) {
      const [name = ""] = names(op);
      const [fields = ""] = names(body);
      const top = fields
        .slice(1, -1)
        .replaceAll(/\[[^\]]*\]/g, "")
        .split(",")
        .map((field) => field.replace(/[?:].*/, "").trim());
      const known = Object.keys(shapes[name as keyof typeof shapes].shape);
      assert.deepEqual([...top, "deadlineMs"].sort(), known.sort(), name);
    }
  });

  it("lists every operation on the cluster", () => {
    const listed = rowsUnder("Operations on the cluster").flatMap(([op]) => names(op));
    assert.deepEqual(listed.sort(), [...clusterOpNames].sort());
  });
});
