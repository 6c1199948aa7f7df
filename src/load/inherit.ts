// Inherit. Owns what a fragment that was split off, or merged, knows of the load before: shares of its parents' values.
// H1 what the heirs of a split get adds up to what the parent had. H2 a merged fragment gets the sum, and nothing where nothing was known of any part.

/** How a parent's load falls to an heir: by what was observed of it, else by the width of its range. From 0 to 1. */
export function shareOf(observed: readonly number[], widths: readonly number[], heir: number): number {
  const seen = sum(observed);
  if (seen > 0) return (observed[heir] ?? 0) / seen;
  const wide = sum(widths);
  return wide > 0 ? (widths[heir] ?? 0) / wide : 1 / Math.max(1, widths.length);
}

/** The heir's past; gaps (NaN) stay gaps. */
export function splitValues(parent: ArrayLike<number>, share: number): Float32Array {
  return Float32Array.from({ length: parent.length }, (_, at) => (parent[at] ?? Number.NaN) * share);
}

export interface Stretch {
  /** Slot of the first value. */
  readonly first: number;
  readonly values: ArrayLike<number>;
}

/** The sum of the parents' pasts, over all slots that any of them knows; a parent adds nothing where it knows nothing. */
export function mergeValues(parents: readonly Stretch[]): { readonly first: number; readonly values: Float32Array } {
  const known = parents.filter(({ values }) => values.length > 0);
  if (known.length === 0) return { first: 0, values: new Float32Array(0) };
  const first = Math.min(...known.map((parent) => parent.first));
  const end = Math.max(...known.map((parent) => parent.first + parent.values.length));
  const values = new Float32Array(end - first).fill(Number.NaN);
  for (const parent of known) {
    for (let at = 0; at < parent.values.length; at++) {
      const value = parent.values[at] ?? Number.NaN;
      if (Number.isNaN(value)) continue;
      const into = parent.first - first + at;
      const held = values[into] ?? Number.NaN;
      values[into] = Number.isNaN(held) ? value : held + value;
    }
  }
  return { first, values };
}

/** Width of a range of positions, by their first six bytes: of the whole key space, 0 to 1. */
export function widthOf(from: Uint8Array, to: Uint8Array | undefined): number {
  return Math.max(0, (to === undefined ? 1 : fractionOf(to)) - fractionOf(from));
}

function fractionOf(position: Uint8Array): number {
  let fraction = 0;
  for (let at = 0; at < 6; at++) fraction += (position[at] ?? 0) / 256 ** (at + 1);
  return fraction;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
