// Transfer. Owns which buffers of a message change hands between threads instead of being copied: every `ArrayBuffer` that stands in it by itself.
// Views (`Uint8Array` and the like) are copied: what lies behind them may belong to somebody else.

const deepest = 6;

export function buffersIn(value: unknown, depth = 0): ArrayBuffer[] {
  if (value instanceof ArrayBuffer) return [value];
  if (depth >= deepest || typeof value !== "object" || value === null || ArrayBuffer.isView(value)) return [];
  const inner = Array.isArray(value) ? value : Object.values(value);
  return inner.flatMap((one) => buffersIn(one, depth + 1));
}
