// Blocks. Owns the memory into which what LMDB reads is copied. LMDB hands every key and value in the same two buffers, which its next read overwrites.
// B1 a piece that was cut is never written again: it may be kept. Small pieces are cut from blocks, since memory of its own for each costs more than reading it.
// B2 what is lent lies in one place, a value behind its key, and lasts until the next entry: no object is made for it.

/** Larger ones get memory of their own. */
const largestCut = 4096;
const blockBytes = 64 * 1024;
const largestKey = 2048;

/** LMDB's own buffer: memory that is longer than what was read into it, and `length` says how much that is. */
type Source = Uint8Array;

export class Blocks {
  private block = Buffer.allocUnsafeSlow(blockBytes);
  private used = 0;
  /** The entry that was lent last. */
  lent = Buffer.allocUnsafeSlow(blockBytes);
  keyLength = 0;
  entryLength = 0;
  /** While it is true, what is read is lent, and `lmdb` is given lengths in place of keys and values. */
  isLending = false;

  /** How `lmdb` shall write and read values. */
  readonly encoder = {
    encode: (value: Buffer): Buffer => value,
    decode: (source: Source): Buffer | number =>
      this.isLending ? this.lendValue(source) : this.cut(source, 0, source.length),
  };
  /** Likewise keys. */
  readonly keyEncoder = {
    writeKey(key: Uint8Array, into: Uint8Array, at: number): number {
      into.set(key, at);
      return at + key.length;
    },
    readKey: (source: Source, from: number, to: number): Buffer | number =>
      this.isLending ? this.lendKey(source, from, to) : this.cut(source, from, to - from),
  };

  private cut(source: Source, from: number, size: number): Buffer {
    const piece = this.room(size);
    piece.set(new Uint8Array(source.buffer, source.byteOffset + from, size));
    return piece;
  }

  private room(size: number): Buffer {
    if (size > largestCut) return Buffer.allocUnsafeSlow(size);
    if (this.used + size > blockBytes) {
      this.block = Buffer.allocUnsafeSlow(blockBytes);
      this.used = 0;
    }
    const piece = this.block.subarray(this.used, this.used + size);
    this.used += size;
    return piece;
  }

  private lendKey(source: Source, from: number, to: number): number {
    this.lent.set(new Uint8Array(source.buffer, source.byteOffset + from, to - from));
    this.keyLength = to - from;
    return this.keyLength;
  }

  private lendValue(source: Source): number {
    this.entryLength = this.keyLength + source.length;
    if (this.entryLength > this.lent.length) {
      const larger = Buffer.allocUnsafeSlow(this.entryLength + largestKey);
      larger.set(this.lent.subarray(0, this.keyLength));
      this.lent = larger;
    }
    this.lent.set(new Uint8Array(source.buffer, source.byteOffset, source.length), this.keyLength);
    return source.length;
  }
}
