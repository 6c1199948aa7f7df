// Advise. Owns the answer to "how many nodes are needed, and when": from the sum of all loads, step by step, by what an average node can bear.

import { capacityOf, matrixOf, type Picture } from "./picture.js";
import type { Policy } from "./policy.js";
import { beginOf } from "./price.js";

export interface Advice {
  /** Wall clock at which the step begins. */
  readonly atMs: number;
  /** Load that is exceeded with the policy's risk. */
  readonly load: number;
  /** That load by what an average node may be given. */
  readonly nodesNeeded: number;
  readonly nodesThere: number;
  readonly capacityThere: number;
}

/** Step by step. Capacities of nodes that may not take load do not count; without any capacity nothing can be said. */
export function advise(picture: Picture, { risk }: Policy): readonly Advice[] {
  const open = picture.nodes.flatMap(({ isOpen }, node) => (isOpen && capacityOf(picture, node) > 0 ? [node] : []));
  const capacityThere = open.reduce((sum, node) => sum + capacityOf(picture, node), 0) * picture.input.fullShare;
  if (capacityThere === 0) return [];
  const { steps, samples } = picture;
  const total = new Float64Array(steps * samples);
  for (let node = 0; node < picture.nodes.length; node++) {
    if ((picture.held[node]?.length ?? 0) === 0) continue;
    const matrix = matrixOf(picture, node);
    for (let at = 0; at < total.length; at++) total[at] = (total[at] ?? 0) + (matrix[at] ?? 0);
  }
  const each = capacityThere / open.length;
  return Array.from({ length: steps }, (_, step) => {
    const column = total.slice(step * samples, (step + 1) * samples).sort();
    const load = Math.max(0, column[Math.min(samples - 1, Math.floor((1 - risk) * samples))] ?? 0);
    const atMs = picture.nowMs + beginOf(picture.input.grid, step);
    return { atMs, load, nodesNeeded: load / each, nodesThere: open.length, capacityThere };
  });
}
