// Exact sum. Owns sums of doubles without rounding: partial results can be split and merged in any order and give the same bits.
// Source: Shewchuk, "Adaptive Precision Floating-Point Arithmetic and Fast Robust Geometric Predicates" (1997), grow-expansion,
// as in Python's math.fsum. The final rounding is exact too, over BigInt, for the sum as for the mean.
// E1 `low` and `high` hold non-overlapping doubles whose exact sum (high ones times 2^64) is the sum of all that was added.
// E2 numbers of 2^960 and more go to `high`, scaled down, so that no partial overflows before 2^60 numbers were added.

export interface ExactSum {
  low: number[];
  high: number[];
}

const huge = 2 ** 960;
const scaleBits = 64;
/** Doubles span 2^-1074 … 2^1023: more partials than this never stand apart. */
export const partialsLimit = 64;
/** No partial is larger (E2). */
export const partialBound = 2 ** 1021;

export function createSum(): ExactSum {
  return { low: [], high: [] };
}

export function addToSum(sum: ExactSum, value: number): void {
  if (Math.abs(value) < huge) grow(sum.low, value);
  else grow(sum.high, value * 2 ** -scaleBits);
}

/** Adds all of `other`; exact, so the order of merging does not count. */
export function mergeSum(sum: ExactSum, other: ExactSum): void {
  for (const partial of other.low) grow(sum.low, partial);
  for (const partial of other.high) grow(sum.high, partial);
}

/** The sum divided by `count`, correctly rounded (half to even); infinite when no double is that large. */
export function roundedMean(sum: ExactSum, count: number): number {
  const [only = 0] = sum.low;
  if (count === 1 && sum.low.length <= 1 && sum.high.length === 0) return only;
  let total = 0n;
  for (const partial of sum.low) total += unitsOf(partial);
  for (const partial of sum.high) total += unitsOf(partial) << BigInt(scaleBits);
  return roundQuotient(total, BigInt(count));
}

export function roundedSum(sum: ExactSum): number {
  return roundedMean(sum, 1);
}

function grow(partials: number[], value: number): void {
  let rest = value;
  let kept = 0;
  for (const partial of partials) {
    const larger = Math.abs(rest) < Math.abs(partial) ? partial : rest;
    const smaller = larger === rest ? partial : rest;
    const sum = larger + smaller;
    const error = smaller - (sum - larger);
    if (error !== 0) partials[kept++] = error;
    rest = sum;
  }
  if (rest !== 0) partials[kept++] = rest;
  // An array that is cut loses its room: mostly there is nothing to cut.
  if (partials.length > kept) partials.length = kept;
}

/** Units are 2^-1074, the smallest double: every double is a whole number of them. */
const unitBits = 1074;

function unitsOf(value: number): bigint {
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, value);
  const bits = view.getBigUint64(0);
  const exponent = Number((bits >> 52n) & 0x7ffn);
  const fraction = bits & 0xfffffffffffffn;
  const units = exponent === 0 ? fraction : (fraction | 0x10000000000000n) << BigInt(exponent - 1);
  return value < 0 ? -units : units;
}

/** `numerator / denominator` units as the nearest double, half to even. */
function roundQuotient(numerator: bigint, denominator: bigint): number {
  const negative = numerator < 0n;
  const size = negative ? -numerator : numerator;
  // The quotient keeps 53 bits, but never below one unit: `shift` is its exponent in units.
  const quotientBits = bitLength(size / denominator);
  const shift = BigInt(Math.max(0, quotientBits - 53));
  const divisor = denominator << shift;
  const floor = size / divisor;
  const twice = (size - floor * divisor) * 2n;
  const roundUp = twice > divisor || (twice === divisor && (floor & 1n) === 1n);
  const mantissa = Number(roundUp ? floor + 1n : floor);
  const magnitude = scaled(mantissa, Number(shift) - unitBits);
  return negative ? -magnitude : magnitude;
}

/** `mantissa * 2^exponent`, in two exact steps because one power alone may not be a double. */
function scaled(mantissa: number, exponent: number): number {
  const half = Math.trunc(exponent / 2);
  return mantissa * 2 ** half * 2 ** (exponent - half);
}

function bitLength(value: bigint): number {
  const hex = value.toString(16);
  return hex === "0" ? 0 : hex.length * 4 - (Math.clz32(Number.parseInt(hex.charAt(0), 16)) - 28);
}
