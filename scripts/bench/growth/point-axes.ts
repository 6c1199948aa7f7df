// Point axes. Owns how gets and puts change with fragments, nodes, sizes of values and callers at once: one thing grows, the others stay.

import { foreshardPeer } from "../peers/foreshard.js";
import type { Axis, Column, Figures, Ground } from "./axis.js";
import { askPoints, pointColumns, pointPlots } from "./callers.js";

interface Setting {
  readonly nodes: number;
  readonly fragments: number;
  readonly rows: number;
  readonly valueBytes: number;
  readonly callers: number;
}

const usual: Setting = { nodes: 1, fragments: 16, rows: 8_000, valueBytes: 1000, callers: 128 };
const memory: Column = { key: "rssMiB", title: "resident MiB", digits: 0 };
const mostBytes = 40_000_000;

async function measure(setting: Setting, ground: Ground): Promise<Figures> {
  const peer = foreshardPeer("foreshard", { ...setting, durability: "interval" });
  const running = await peer.start(ground.farewell);
  const figures = await askPoints({ ...setting, address: running.address, loads: true }, ground);
  const family = await running.family();
  await running.stop();
  return { ...figures, rssMiB: family.reduce((sum, { rssBytes }) => sum + rssBytes, 0) / 1048576 };
}

function pointAxis(
  name: string,
  says: string,
  steps: readonly number[],
  settingAt: (step: number) => Partial<Setting>,
): Axis {
  return {
    name,
    says,
    steps,
    columns: [...pointColumns, memory],
    plots: pointPlots,
    measure: (step, ground) => measure({ ...usual, ...settingAt(step) }, ground),
  };
}

export const pointAxes: readonly Axis[] = [
  pointAxis("fragments", "fragments of the table; one node", [16, 64, 256, 1000, 4000], (fragments) => ({ fragments })),
  pointAxis("nodes", "nodes, with as many copies, 3 at most; 64 fragments", [1, 2, 3, 4, 8], (nodes) => ({
    nodes,
    fragments: 64,
  })),
  pointAxis("values", "bytes of a value; one node", [100, 1000, 4000, 16_000, 64_000], (valueBytes) => ({
    valueBytes,
    rows: Math.min(usual.rows, Math.floor(mostBytes / valueBytes)),
  })),
  pointAxis(
    "callers",
    "callers at once, and so operations of a message; one node",
    [1, 8, 32, 128, 512],
    (callers) => ({
      callers,
    }),
  ),
];
