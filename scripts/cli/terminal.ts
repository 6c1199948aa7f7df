// Terminal. Owns what may be shown on a terminal: whether in colours, on how many columns and lines, and text that cannot steer it.
// TM1 what users wrote (keys, reasons, names) never reaches a terminal with control characters in it.

/** NO_COLOR (no-color.org), a dumb terminal, and whatever is no terminal at all get none. */
export function hasColour(): boolean {
  return process.stdout.isTTY === true && (process.env.NO_COLOR ?? "") === "" && process.env.TERM !== "dumb";
}

export interface Window {
  readonly columns: number;
  readonly rows: number;
}

/** Terminals that do not know their size have the usual one. */
export function windowOf({ columns, rows }: Partial<Window>): Window {
  return { columns: sizeOr(columns, 80), rows: sizeOr(rows, 24) };
}

function sizeOr(told: number | undefined, usual: number): number {
  return told === undefined || !(told >= 1) ? usual : told;
}

/** Control characters, of both blocks, as dots. */
export function visible(text: string): string {
  return text.replace(/\p{Cc}/gu, "·");
}

/** JSON escapes the first block by itself; the second one, and delete, in the same way: it is read again as what it was. */
export function escaped(json: string): string {
  return json.replace(/[\u007f-\u009f]/g, (char) => `\\u00${char.charCodeAt(0).toString(16)}`);
}
