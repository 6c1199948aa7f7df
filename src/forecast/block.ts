// Block. Owns how the whole state of a series lies in one ArrayBuffer: parts carve their arrays from it, always in the same order.
// B1 a carving is decided by the shape alone, so a block can be handed to a worker or kept, and be read again by carving anew.

export interface Carver {
  f64(length: number): Float64Array;
  f32(length: number): Float32Array;
  u8(length: number): Uint8Array;
}

const grain = 8;

/** Measuring needs no room: whoever carves only keeps what it gets. */
const nothing = { f64: new Float64Array(0), f32: new Float32Array(0), u8: new Uint8Array(0) } as const;

class MeasuringCarver implements Carver {
  sizeBytes = 0;

  f64(length: number): Float64Array {
    this.sizeBytes += length * 8;
    return nothing.f64;
  }

  f32(length: number): Float32Array {
    this.sizeBytes += whole(length * 4);
    return nothing.f32;
  }

  u8(length: number): Uint8Array {
    this.sizeBytes += whole(length);
    return nothing.u8;
  }
}

/** Bytes that `carve` takes. */
export function measureBlock(carve: (from: Carver) => unknown): number {
  const carver = new MeasuringCarver();
  carve(carver);
  return carver.sizeBytes;
}

export function carveBlock(block: ArrayBuffer): Carver {
  let at = 0;
  const take = (sizeBytes: number): number => {
    const from = at;
    at += whole(sizeBytes);
    return from;
  };
  return {
    f64: (length) => new Float64Array(block, take(length * 8), length),
    f32: (length) => new Float32Array(block, take(length * 4), length),
    u8: (length) => new Uint8Array(block, take(length), length),
  };
}

function whole(sizeBytes: number): number {
  return Math.ceil(sizeBytes / grain) * grain;
}
