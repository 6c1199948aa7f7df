// Base64. Owns bytes as text: RFC 4648 §4 (`$bytes` in JSON) and §5 without padding (cursors). Only the canonical text of some bytes decodes.

import type { Bytes } from "../kernel/bytes.js";

const common = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const standard = alphabetOf(`${common}+/`);
const urlSafe = alphabetOf(`${common}-_`);

export const toBase64 = (bytes: Bytes): string => encode(bytes, standard, true);
export const fromBase64 = (text: string): Bytes | undefined => decode(text, standard, true);
export const toBase64Url = (bytes: Bytes): string => encode(bytes, urlSafe, false);
export const fromBase64Url = (text: string): Bytes | undefined => decode(text, urlSafe, false);

interface Alphabet {
  readonly letters: string;
  readonly values: ReadonlyMap<string, number>;
}

function alphabetOf(letters: string): Alphabet {
  return { letters, values: new Map([...letters].map((letter, value) => [letter, value])) };
}

function encode(bytes: Bytes, { letters }: Alphabet, padded: boolean): string {
  let text = "";
  let held = 0;
  let bits = 0;
  for (const byte of bytes) {
    held = ((held << 8) | byte) & 0xffff;
    for (bits += 8; bits >= 6; bits -= 6) text += letters.charAt((held >> (bits - 6)) & 63);
  }
  if (bits > 0) text += letters.charAt((held << (6 - bits)) & 63);
  return padded ? text.padEnd(Math.ceil(text.length / 4) * 4, "=") : text;
}

function decode(text: string, { values }: Alphabet, padded: boolean): Bytes | undefined {
  const letters = padded ? text.replace(/={1,2}$/, "") : text;
  if (letters.length % 4 === 1 || (padded && text.length !== Math.ceil(letters.length / 4) * 4)) return undefined;
  const bytes = new Uint8Array(Math.floor((letters.length * 3) / 4));
  let held = 0;
  let bits = 0;
  let at = 0;
  for (const letter of letters) {
    const value = values.get(letter);
    if (value === undefined) return undefined;
    held = ((held << 6) | value) & 0xffff;
    bits += 6;
    if (bits < 8) continue;
    bits -= 8;
    bytes[at++] = (held >> bits) & 255;
  }
  return (held & ((1 << bits) - 1)) === 0 ? bytes : undefined;
}
