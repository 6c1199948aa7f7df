// Forecasts. Owns the question for forecasts as a client puts it, and what a forecaster is asked instead: names become fragments here.

import { limits } from "../../src/config/limits.js";
import { type HorizonName, horizonNames } from "../../src/forecast/horizons.js";
import { fail, ok, type Result } from "../../src/kernel/fault.js";
import { isGroup } from "../../src/load/group.js";
import type { ForecastQuery } from "../../src/protocol/forecast.js";
import type { Fields } from "./cluster-ops.js";
import type { Locations } from "./locations.js";
import { unknownTable } from "./refusals.js";

const fieldNames = ["table", "fragment", "group", "horizon", "skip", "deadlineMs"];

export function forecastQuery(locations: Locations, body: Fields): Result<ForecastQuery> {
  const stray = Object.keys(body).find((name) => !fieldNames.includes(name));
  if (stray !== undefined)
    return fail(
      "BAD_REQUEST",
      `forecast has no field ${JSON.stringify(stray)}; its fields are ${fieldNames.join(", ")}`,
    );
  const { table: name, fragment, group, horizon = "short", skip = 0 } = body;
  if (typeof name !== "string") return fail("BAD_REQUEST", "give the table's name as {table}");
  const table = locations.table(name);
  if (table === undefined) return { ok: false, fault: unknownTable(name) };
  if (!isHorizon(horizon)) return fail("BAD_REQUEST", `horizon must be ${horizonNames.join(" or ")}`);
  if (group !== undefined && group !== null && !isGroup(group))
    return fail("BAD_REQUEST", `group must be the name of a client group, at most ${limits.nameLength} characters`);
  if (typeof skip !== "number" || !Number.isSafeInteger(skip) || skip < 0)
    return fail("BAD_REQUEST", "skip must be a whole number, 0 or more");
  const fragments = locations.fragmentsIn(table, new Uint8Array(0), undefined).map(({ id }) => id);
  const wanted = fragment === undefined || fragment === null ? fragments : fragments.filter((id) => id === fragment);
  if (wanted.length === 0)
    return fail(
      "UNKNOWN_FRAGMENT",
      `table ${name} has no fragment ${JSON.stringify(fragment)}; it has ${fragments.slice(0, 8).join(", ")}${fragments.length > 8 ? ", …" : ""}`,
    );
  return ok({ table: name, fragments: wanted, group: group ?? undefined, horizon, skip });
}

function isHorizon(given: unknown): given is HorizonName {
  return horizonNames.some((name) => name === given);
}
