// Bench of the planner. Owns `npm run bench:planner`: how long a plan over many nodes and fragments takes, how much memory it needs, and what planning again costs
// after one fragment's forecast has changed. The loads are made up from a seed: daily waves with some noise, so that a few nodes are at risk.

import { performance } from "node:perf_hooks";
import { seededRandom } from "../../src/kernel/random.js";
import type { Loads } from "../../src/plan/loads.js";
import type { PlanFragment, PlanNode } from "../../src/plan/picture.js";
import { createPlanner, type PlanInput } from "../../src/plan/plan.js";
import { defaultPolicy } from "../../src/plan/policy.js";

interface Size {
  readonly nodes: number;
  readonly fragments: number;
  readonly planMs: number;
  readonly againMs: number | undefined;
}

const steps = 23;
const samples = 200;
const stepMs = 300_000;
const replicas = 2;
const capacity = 1000;
const mostMemory = 2 ** 31;
const sizes: readonly Size[] = [
  { nodes: 1000, fragments: 100_000, planMs: 1000, againMs: 100 },
  { nodes: 10_000, fragments: 1_000_000, planMs: 15_000, againMs: undefined },
];

/** Loads worked out when they are asked for: a million fragments' paths fit nowhere. */
function loadsOf(count: number, meanLoad: number): Loads & { readonly scale: Float32Array } {
  const random = seededRandom(7);
  const scale = Float32Array.from({ length: count }, () => meanLoad * (0.5 + random.next()));
  const phase = Uint8Array.from({ length: count }, () => random.below(steps));
  // Tables, so that the planner is measured, and not how its loads are made up. Both are twice as long as their period.
  const wave = Float64Array.from({ length: 2 * steps }, (_, step) => 1 + 0.5 * Math.sin((step * 2 * Math.PI) / steps));
  const spread = Float64Array.from({ length: 2 * samples }, (_, at) => 0.9 + (0.2 * ((at % samples) + 0.5)) / samples);
  const order = Uint16Array.from({ length: samples }, (_, sample) => (sample * 77) % samples);
  const at = (fragment: number, step: number): number =>
    (scale[fragment] ?? 0) * (wave[step + (phase[fragment] ?? 0)] ?? 0);
  return {
    steps,
    samples,
    scale,
    now: (fragment) => at(fragment, 0),
    isForecast: () => true,
    draw(fragment, into) {
      const first = (fragment * 31) % samples;
      for (let step = 0; step < steps; step++) {
        const mean = at(fragment, step);
        for (let sample = 0; sample < samples; sample++)
          into[step * samples + sample] = mean * (spread[first + (order[sample] ?? 0)] ?? 0);
      }
    },
    addStep(fragment, step, share, into) {
      const first = (fragment * 31) % samples;
      const mean = share * at(fragment, step);
      for (let sample = 0; sample < samples; sample++)
        into[sample] = (into[sample] ?? 0) + mean * (spread[first + (order[sample] ?? 0)] ?? 0);
    },
    summarise(fragment, tail, mean, upper) {
      for (let step = 0; step < steps; step++) {
        mean[step] = at(fragment, step);
        upper[step] = at(fragment, step) * (1.1 - (0.1 * tail) / samples);
      }
    },
  };
}

function inputOf({ nodes, fragments }: Size): PlanInput & { readonly loads: ReturnType<typeof loadsOf> } {
  const random = seededRandom(11);
  const ids = Array.from({ length: nodes }, (_, at) => `n${at}`);
  const idAt = (at: number): string => ids[at % nodes] ?? "";
  const listed = Array.from({ length: fragments }, (_, at): PlanFragment => {
    const primary = random.below(nodes);
    const places = Array.from({ length: replicas }, (_unused, copy) => idAt(primary + copy * 17));
    return { id: at + 1, places, bytes: 2 ** 28 };
  });
  const perNode = fragments / nodes;
  return {
    nowMs: 0,
    grid: { endsMs: Array.from({ length: steps }, (_, step) => (step + 1) * stepMs) },
    nodes: ids.map((id): PlanNode => ({ id, zone: "", capacity, isOpen: true })),
    fragments: listed,
    moves: [],
    loads: loadsOf(fragments, (0.6 * capacity) / perNode),
  };
}

function measure(size: Size): boolean {
  const input = inputOf(size);
  const began = performance.now();
  const cpu = process.cpuUsage();
  const planner = createPlanner(input, defaultPolicy);
  const pictured = performance.now();
  const plan = planner.plan(0);
  const planned = performance.now();
  const { rss } = process.memoryUsage();
  const cpuMs = process.cpuUsage(cpu).user / 1000;
  const againCpu = process.cpuUsage();
  const again = Array.from({ length: 5 }, (_, at) => {
    const from = performance.now();
    planner.changing(at * 13, () => {
      input.loads.scale[at * 13] = (input.loads.scale[at * 13] ?? 0) * 1.3;
    });
    planner.plan((at + 1) * defaultPolicy.roundMs);
    return performance.now() - from;
  }).sort((a, b) => a - b);
  const againCpuMs = process.cpuUsage(againCpu).user / 1000 / again.length;
  const planMs = planned - began;
  const againMs = again[2] ?? 0;
  const isKept = planMs <= size.planMs && rss < mostMemory && (size.againMs === undefined || againMs <= size.againMs);
  process.stdout.write(
    `${size.nodes} nodes, ${size.fragments} fragments: plan ${planMs.toFixed(0)} ms (picture ${(pictured - began).toFixed(0)}, decisions ${(planned - pictured).toFixed(0)}; ${cpuMs.toFixed(0)} ms of processor time; mark ${size.planMs}), again after one change ${againMs.toFixed(0)} ms (${againCpuMs.toFixed(0)} ms of processor time${size.againMs === undefined ? "" : `; mark ${size.againMs}`}), memory ${(rss / 2 ** 20).toFixed(0)} MiB (mark ${mostMemory / 2 ** 20}), ${plan.actions.length} actions, ${plan.risks.length} nodes looked at: ${isKept ? "kept" : "NOT KEPT"}\n`,
  );
  return isKept;
}

const kept = sizes.map(measure);
process.exitCode = kept.every(Boolean) ? 0 : 1;
