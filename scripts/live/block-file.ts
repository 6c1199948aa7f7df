// Block file. Owns where a message's own bytes lie in a block of nats-server's file store, so that a trial can hurt what was written and nothing else.
// Source: nats-server 2.14.0, server/filestore.go: a record is length (4 bytes, highest bit: has headers), sequence (8), time (8), length of the subject
// (2), the subject, [length of the headers (4)], headers and message, and 8 bytes of checksum; little-endian, one after the other.

const headBytes = 4 + 8 + 8 + 2;
const checksumBytes = 8;
const lengthMask = 0x7fffffff;

export interface Stretch {
  readonly from: number;
  readonly to: number;
}

/** Where the messages of a block lie, without lengths, sequences and subjects; ends at the first record that is not whole. */
export function messageStretches(block: Buffer): readonly Stretch[] {
  const stretches: Stretch[] = [];
  for (let at = 0; at + headBytes + checksumBytes <= block.length; ) {
    const length = block.readUInt32LE(at) & lengthMask;
    const from = at + headBytes + block.readUInt16LE(at + headBytes - 2);
    const to = at + length - checksumBytes;
    if (to < from || at + length > block.length) break;
    if (to > from) stretches.push({ from, to });
    at += length;
  }
  return stretches;
}
