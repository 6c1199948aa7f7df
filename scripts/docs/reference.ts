// Reference. Owns the form of the API reference: chapters, in which every export of the package stands with its words.
// RF1 an export that no chapter knows is a mistake, not an omission.

import type { Declaration } from "./declarations.js";

/** What the entry of the package exports, by the module that says it. */
export interface Exported {
  readonly module: string;
  readonly declarations: readonly Declaration[];
}

const chapters: readonly (readonly [title: string, modules: readonly string[]])[] = [
  ["Connect", ["client/index", "client/address"]],
  ["Embedded cluster", ["embedded/embedded", "embedded/options"]],
  ["Tables", ["client/table", "src/table/table"]],
  ["The cluster and its administration", ["client/cluster"]],
  ["Forecasts and profiles", ["client/forecasts", "actors/router/profile-lines"]],
  ["Plans", ["client/plans"]],
  ["Faults", ["client/fault-error", "src/kernel/fault"]],
];

export function referenceOf(version: string, exported: readonly Exported[]): string {
  const known = new Set(chapters.flatMap(([, modules]) => modules));
  const stray = exported.find(({ module }) => !known.has(module));
  if (stray !== undefined)
    throw new Error(`no chapter holds the exports of ${stray.module}: add it in scripts/docs/reference.ts`);
  const parts = chapters.map(([title, modules]) => {
    const said = modules.flatMap((name) => exported.filter(({ module }) => module === name));
    return [`## ${title}`, ...said.flatMap(({ declarations }) => [...declarations].sort(byKind).map(section))].join(
      "\n\n",
    );
  });
  const head = `# API of foreshard ${version}\n\nWritten by \`npm run docs:api\` from the docstrings. Times are milliseconds, \`…Ms\` counted since 1970 where a moment is meant.`;
  return `${[head, ...parts].join("\n\n")}\n`;
}

const order = ["function", "class", "interface", "type", "const"];

function byKind(a: Declaration, b: Declaration): number {
  return order.indexOf(a.kind) - order.indexOf(b.kind);
}

function section({ name, kind, words, text, members }: Declaration): string {
  const head = `### ${name}`;
  const says = prose(words);
  if (kind !== "class") return [head, ...says, code(text)].join("\n\n");
  const [first = ""] = text.split("\n");
  const parts = members.flatMap((member) => [code(member.signature), ...prose(member.words)]);
  return [head, ...says, code(first.replace(/ \{$/, "")), ...parts].join("\n\n");
}

function prose(words: string): string[] {
  return words === "" ? [] : [words.replace(/^@throws /m, "Throws ")];
}

function code(text: string): string {
  return `\`\`\`ts\n${text.replaceAll("    ", "  ")}\n\`\`\``;
}
