// Start options. Owns how the wish for an embedded cluster becomes the options of a start.
// EO1 nothing is chosen that could collide: free ports, a new folder, no page. EO2 what a start refuses is refused with the same sentence.

import type { Result } from "../../src/kernel/fault.js";
import { decodeOptions, type StartOptions } from "../boot/options.js";
import type { EmbeddedOptions } from "./options.js";

/** Streams of the log: a cluster for tests has few fragments, and each stream costs time at the start. Fixed by a folder when it was made. */
const fewLogGroups = 4;

export function startOptionsOf(wish: EmbeddedOptions, temporary: string | undefined): Result<StartOptions> {
  const { onNotice: _onNotice, sampleIntervalMs, ...rest } = wish;
  const given = Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined));
  return decodeOptions({
    port: 0,
    page: "off",
    forecasters: 0,
    nodes: 1,
    control: 1,
    logLevel: "warn",
    ...(temporary === undefined ? {} : { durability: "interval", logGroups: fewLogGroups }),
    ...(sampleIntervalMs === undefined ? {} : { sampleInterval: sampleIntervalMs }),
    ...given,
    ...(temporary === undefined ? {} : { dataDir: temporary }),
  });
}
