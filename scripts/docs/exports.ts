// Exports. Owns the way from the entry of the package to every declaration that it exports, in the declarations that were built.

import { readFileSync } from "node:fs";
import { relative } from "node:path";
import { fileURLToPath } from "node:url";
import { type Declaration, declarationsIn } from "./declarations.js";
import type { Exported } from "./reference.js";

const built = new URL("../../", import.meta.url);
const entry = new URL("cluster/index.d.ts", built);

export function exportsOfPackage(): Exported[] {
  const byModule = new Map<string, Declaration[]>();
  for (const { file, wanted } of sources(entry)) {
    const said = declarationsIn(readFileSync(file, "utf8"));
    const name = nameOf(file);
    for (const [local, as] of wanted ?? said.map((one) => [one.name, one.name] as const)) {
      const found = said.find((one) => one.name === local);
      if (found === undefined) throw new Error(`${name} exports no ${local}`);
      byModule.set(name, [...(byModule.get(name) ?? []), as === local ? found : renamed(found, as)]);
    }
  }
  return [...byModule].map(([module, declarations]) => ({ module, declarations }));
}

interface Source {
  readonly file: URL;
  /** Local name and name outside; undefined: everything. */
  readonly wanted: readonly (readonly [string, string])[] | undefined;
}

/** The modules that a module passes on, and itself. */
function sources(file: URL): Source[] {
  const text = readFileSync(file, "utf8");
  const found: Source[] = [{ file, wanted: undefined }];
  for (const [, all, names, target = ""] of text.matchAll(
    /^export (?:type )?(?:(\*)|\{([^}]*)\}) from "([^"]+)\.js";$/gm,
  )) {
    const next = new URL(`${target}.d.ts`, file);
    if (all !== undefined) found.push(...sources(next));
    else found.push(...named(next, pairs(names ?? "")));
  }
  return found;
}

/** Follows what that module itself only passes on. */
function named(file: URL, wanted: readonly (readonly [string, string])[]): Source[] {
  const text = readFileSync(file, "utf8");
  const passed = new Map<string, { readonly file: URL; readonly local: string }>();
  for (const [, names = "", target = ""] of text.matchAll(/^export (?:type )?\{([^}]*)\} from "([^"]+)\.js";$/gm))
    for (const [local, as] of pairs(names)) passed.set(as, { file: new URL(`${target}.d.ts`, file), local });
  const own = wanted.filter(([name]) => !passed.has(name));
  const others = wanted.flatMap(([name, as]) => {
    const at = passed.get(name);
    return at === undefined ? [] : named(at.file, [[at.local, as]]);
  });
  return own.length === 0 ? others : [{ file, wanted: own }, ...others];
}

function pairs(names: string): (readonly [string, string])[] {
  return names
    .split(",")
    .map((name) => name.replace(/^\s*(type )?/, "").trim())
    .filter((name) => name !== "")
    .map((name) => {
      const [local = "", as = local] = name.split(" as ");
      return [local, as] as const;
    });
}

function renamed(declaration: Declaration, as: string): Declaration {
  return { ...declaration, name: as, text: declaration.text.replace(declaration.name, as) };
}

function nameOf(file: URL): string {
  const path = relative(fileURLToPath(built), fileURLToPath(file)).replace(/\.d\.ts$/, "");
  return path.replace(/^cluster\//, "");
}
