// Fourier. Owns the fast transform and what is made of it here: the autocorrelation of a series.

/** In-place radix-2 transform; the length must be a power of two. */
export function transform(re: Float64Array, im: Float64Array): void {
  const length = re.length;
  for (let at = 1, turned = 0; at < length; at++) {
    let bit = length >> 1;
    for (; (turned & bit) !== 0; bit >>= 1) turned ^= bit;
    turned ^= bit;
    if (at < turned) {
      swap(re, at, turned);
      swap(im, at, turned);
    }
  }
  const cosines = new Float64Array(length >> 1);
  const sines = new Float64Array(length >> 1);
  for (let k = 0; k < length >> 1; k++) {
    cosines[k] = Math.cos((2 * Math.PI * k) / length);
    sines[k] = -Math.sin((2 * Math.PI * k) / length);
  }
  for (let size = 2; size <= length; size *= 2) {
    const half = size >> 1;
    const stride = length / size;
    for (let start = 0; start < length; start += size) {
      for (let k = 0, near = start, far = start + half; k < half; k++, near++, far++) {
        const cos = cosines[k * stride] ?? 1;
        const sin = sines[k * stride] ?? 0;
        const farRe = (re[far] ?? 0) * cos - (im[far] ?? 0) * sin;
        const farIm = (re[far] ?? 0) * sin + (im[far] ?? 0) * cos;
        re[far] = (re[near] ?? 0) - farRe;
        im[far] = (im[near] ?? 0) - farIm;
        re[near] = (re[near] ?? 0) + farRe;
        im[near] = (im[near] ?? 0) + farIm;
      }
    }
  }
}

/** Autocorrelation of `values` (made free of their mean) for lags 0 … lags; each over the pairs it has. All 0 for a constant. */
export function autocorrelation(values: Float64Array, lags: number): Float64Array {
  const count = values.length;
  const mean = values.reduce((sum, value) => sum + value, 0) / Math.max(count, 1);
  let size = 1;
  while (size < count + lags + 1) size *= 2;
  const re = new Float64Array(size);
  const im = new Float64Array(size);
  for (let at = 0; at < count; at++) re[at] = (values[at] ?? 0) - mean;
  transform(re, im);
  for (let at = 0; at < size; at++) {
    re[at] = (re[at] ?? 0) ** 2 + (im[at] ?? 0) ** 2;
    im[at] = 0;
  }
  transform(re, im);
  const power = re[0] ?? 0;
  const out = new Float64Array(lags + 1);
  if (!(power > 0)) return out;
  for (let lag = 0; lag <= lags && lag < count; lag++) out[lag] = ((re[lag] ?? 0) / power) * (count / (count - lag));
  return out;
}

function swap(values: Float64Array, one: number, other: number): void {
  const kept = values[one] ?? 0;
  values[one] = values[other] ?? 0;
  values[other] = kept;
}
