// Host traces. Owns whether a host traces, where its spans go, and which of its requests become spans.

import { ok, type Result } from "../../src/kernel/fault.js";
import type { HostSpec } from "../host/spec.js";
import type { Log } from "../log.js";
import { type Arrivals, executeArrivals, routeArrivals } from "./arrivals.js";
import { openExporter } from "./exporter.js";
import { registeredProvider, tracingOf } from "./tracing.js";

export interface HostTraces {
  /** Undefined: nothing is traced here. */
  readonly arrivals: Arrivals | undefined;
  close(): Promise<void>;
}

/** To the address that the host was told; otherwise to what is registered in its thread, if anything is (`node --import` reaches every thread). */
export async function openHostTraces(spec: HostSpec, log: Log): Promise<Result<HostTraces>> {
  const { role, id, version, traces: url } = spec;
  const arrivalsOf = role === "router" ? routeArrivals : role === "node" ? executeArrivals : undefined;
  if (arrivalsOf === undefined) return ok(noTraces);
  const exporter = url === undefined ? undefined : await openExporter({ url, id, version, log });
  if (exporter !== undefined && !exporter.ok) return exporter;
  const provider = exporter?.value.provider ?? registeredProvider();
  if (provider === undefined) return ok(noTraces);
  return ok({
    arrivals: arrivalsOf(tracingOf(provider), id),
    close: async () => exporter?.value.close(),
  });
}

const noTraces: HostTraces = { arrivals: undefined, close: async () => undefined };
