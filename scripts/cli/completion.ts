// Completion. Owns `foreshard completion`: scripts for shells, made from the commands as they are, so that they cannot disagree.

import type { Command } from "commander";
import { UsageError } from "./failure.js";
import { write } from "./output.js";

export function addCompletionCommand(program: Command): void {
  program
    .command("completion")
    .argument("<shell>", "bash, zsh or fish")
    .description("prints a script that completes commands and options in a shell")
    .option("--json", "the words by command, as JSON")
    .action(async (shell: string, options: { readonly json?: boolean }) => {
      const words = wordsOf(program);
      const make = scripts[shell];
      if (make === undefined) throw new UsageError(`completion is for bash, zsh or fish, not ${JSON.stringify(shell)}`);
      await write(options.json === true ? `${JSON.stringify(Object.fromEntries(words))}\n` : make(words));
    });
}

/** What may come next, by the commands before it: `""` → commands, `table` → its own, `table create` → its options. */
type Words = ReadonlyMap<string, readonly string[]>;

function wordsOf(program: Command): Words {
  const words = new Map<string, readonly string[]>();
  const walk = (command: Command, path: string): void => {
    const inner = command.commands.map((one) => one.name());
    const options = command.options.map(({ long }) => long).filter((long) => long !== undefined && long !== null);
    words.set(path, [...inner, ...options, "--help"]);
    for (const one of command.commands) walk(one, path === "" ? one.name() : `${path} ${one.name()}`);
  };
  walk(program, "");
  return words;
}

const scripts: Readonly<Record<string, (words: Words) => string>> = {
  bash: bashOf,
  zsh: (words) => `autoload -U +X bashcompinit && bashcompinit\n${bashOf(words)}`,
  fish: fishOf,
};

function bashOf(words: Words): string {
  const cases = [...words].map(([path, all]) => `    ${JSON.stringify(path)}) words="${all.join(" ")}" ;;`);
  return `# foreshard completion: put this into ~/.bashrc:  source <(foreshard completion bash)
_foreshard() {
  local path="" word words
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    [[ $word == -* ]] && continue
    case "$path $word" in
${[...words.keys()]
  .filter((path) => path !== "")
  .map((path) => `      ${JSON.stringify(path.includes(" ") ? path : ` ${path}`)}) path=${JSON.stringify(path)} ;;`)
  .join("\n")}
    esac
  done
  case "$path" in
${cases.join("\n")}
  esac
  COMPREPLY=($(compgen -W "$words" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -F _foreshard foreshard
`;
}

function fishOf(words: Words): string {
  const lines: string[] = [
    "# foreshard completion: foreshard completion fish > ~/.config/fish/completions/foreshard.fish",
  ];
  const top = (words.get("") ?? []).filter((word) => !word.startsWith("-"));
  lines.push("complete -c foreshard -f", `complete -c foreshard -n __fish_use_subcommand -a "${top.join(" ")}"`);
  for (const [path, all] of words) {
    if (path === "") continue;
    const seen = path
      .split(" ")
      .map((word) => `__fish_seen_subcommand_from ${word}`)
      .join("; and ");
    const inner = all.filter((word) => !word.startsWith("-"));
    if (inner.length > 0) lines.push(`complete -c foreshard -n "${seen}" -a "${inner.join(" ")}"`);
    for (const option of all.filter((word) => word.startsWith("--")))
      lines.push(`complete -c foreshard -n "${seen}" -l ${option.slice(2)}`);
  }
  return `${lines.join("\n")}\n`;
}
