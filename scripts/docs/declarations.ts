// Declarations. Owns the reading of the type declarations that the compiler writes: what a module says, with its words and its public members.
// It knows the form in which `tsc` prints them (one declaration at the left edge, members four spaces in), not the language.
// DC1 what is private, and how a class is made, is no part of a reference.

export interface Member {
  readonly signature: string;
  readonly words: string;
}

export interface Declaration {
  readonly name: string;
  readonly kind: "class" | "function" | "interface" | "type" | "const";
  readonly words: string;
  /** As it is written, without `export` and `declare`. */
  readonly text: string;
  /** Of classes. */
  readonly members: readonly Member[];
}

const opening = /^export (?:declare )?(class|function|interface|type|const) (\w+)/;

export function declarationsIn(text: string): Declaration[] {
  const found: Declaration[] = [];
  let words = "";
  const lines = text.split("\n");
  for (let at = 0; at < lines.length; at++) {
    const comment = commentAt(lines, at);
    if (comment !== undefined) {
      words = comment.words;
      at = comment.last;
      continue;
    }
    const [, kind, name] = opening.exec(lines[at] ?? "") ?? [];
    if (kind === undefined || name === undefined) {
      if (lines[at] !== "") words = "";
      continue;
    }
    const last = endOf(lines, at, "");
    const body = lines.slice(at, last + 1);
    const members = kind === "class" ? membersIn(body.slice(1, -1)) : [];
    const plain = body.join("\n").replace(/^export (declare )?/, "");
    found.push({ name, kind: kind as Declaration["kind"], words, text: plain, members });
    words = "";
    at = last;
  }
  return found;
}

function membersIn(lines: readonly string[]): Member[] {
  const members: Member[] = [];
  let words = "";
  for (let at = 0; at < lines.length; at++) {
    const comment = commentAt(lines, at);
    if (comment !== undefined) {
      words = comment.words;
      at = comment.last;
      continue;
    }
    const last = endOf(lines, at, "    ");
    const signature = lines
      .slice(at, last + 1)
      .map((line) => line.slice(4))
      .join("\n");
    if (!/^(private |constructor\()/.test(signature)) members.push({ signature, words });
    words = "";
    at = last;
  }
  return members;
}

/** The last line of what begins at `at`: the first that ends it at the same margin. */
function endOf(lines: readonly string[], at: number, margin: string): number {
  for (let last = at; last < lines.length; last++) {
    const line = lines[last] ?? "";
    const isEdge = last === at || (line.startsWith(margin) && line[margin.length] !== " ");
    if (isEdge && /[;}]$/.test(line)) return last;
  }
  return lines.length - 1;
}

function commentAt(
  lines: readonly string[],
  at: number,
): { readonly words: string; readonly last: number } | undefined {
  if (!/^ *\/\*\*/.test(lines[at] ?? "")) return undefined;
  let last = at;
  while (last < lines.length && !(lines[last] ?? "").endsWith("*/")) last++;
  const words = lines
    .slice(at, last + 1)
    .map((line) => line.replace(/^ *(\/\*\*|\*\/|\*)? */, "").replace(/ ?\*\/$/, ""))
    .join("\n")
    .trim();
  return { words, last };
}
