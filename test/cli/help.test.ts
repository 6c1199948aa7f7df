import { deepStrictEqual, match, ok } from "node:assert/strict";
import type { Command } from "commander";
import { examples } from "../../scripts/cli/examples.js";
import { program } from "../../scripts/cli/program.js";

function leaves(command: Command, path = ""): { readonly path: string; readonly command: Command }[] {
  return command.commands.flatMap((one) => {
    const own = path === "" ? one.name() : `${path} ${one.name()}`;
    const inner = leaves(one, own);
    return one.commands.length > 0 ? inner : [{ path: own, command: one }];
  });
}

function helpOf(command: Command): string {
  let text = "";
  command.configureOutput({ writeOut: (part) => (text += part) });
  command.outputHelp();
  return text;
}

describe("the command line", () => {
  const all = leaves(program());

  it("shows examples in the help of every command, and only of commands that are there", () => {
    ok(all.length >= 30);
    for (const { path, command } of all) match(helpOf(command), /Examples?:\s+(\$ |\S)/, path);
    const paths = new Set([...all.map(({ path }) => path), "table", "profile", "move", "policy"]);
    deepStrictEqual(
      Object.keys(examples).filter((path) => !paths.has(path)),
      [],
    );
  });

  it("answers in JSON with every command", () => {
    for (const { path, command } of all)
      ok(
        command.options.some(({ long }) => long === "--json"),
        path,
      );
  });
});
