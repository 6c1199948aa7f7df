// Project. Owns a temporary project of somebody else's that has the packed package installed: unpacked, with its dependencies beside it and nothing more.
// Dependencies are links to those of this repository, so that no registry is asked; a module that only developers have is not there.

import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const run = promisify(execFile);
export const root = fileURLToPath(new URL("../../../", import.meta.url));

export interface Manifest {
  readonly version: string;
  readonly license: string;
  readonly scripts: Readonly<Record<string, string>>;
  readonly dependencies: Readonly<Record<string, string>>;
  readonly optionalDependencies: Readonly<Record<string, string>>;
}

export class Project {
  private constructor(readonly folder: string) {}

  static async make(): Promise<Project> {
    const folder = await mkdtemp(join(tmpdir(), "foreshard-project-"));
    const project = new Project(folder);
    // What is built is what is packed: packing anew would build, and take away what these tests run from.
    const { stdout } = await run("npm", ["pack", "--ignore-scripts", "--silent", "--pack-destination", folder], {
      cwd: root,
    });
    await mkdir(join(project.installed, "..", ".bin"), { recursive: true });
    await mkdir(project.installed);
    await run("tar", ["-xzf", join(folder, stdout.trim()), "-C", project.installed, "--strip-components=1"]);
    const { dependencies, optionalDependencies } = await project.manifest();
    // Types of Node are the user's own, as in any TypeScript project.
    for (const name of [...Object.keys({ ...dependencies, ...optionalDependencies }), "@types/node"]) {
      const place = join(folder, "node_modules", name);
      await mkdir(dirname(place), { recursive: true });
      await symlink(join(root, "node_modules", name), place);
    }
    return project;
  }

  get installed(): string {
    return join(this.folder, "node_modules", "foreshard");
  }

  async manifest(): Promise<Manifest> {
    return JSON.parse(await readFile(join(this.installed, "package.json"), "utf8"));
  }

  write(name: string, text: string): Promise<void> {
    return writeFile(join(this.folder, name), text);
  }

  /** Runs a program in the project; throws with what it said when it fails. */
  async run(program: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<string> {
    const options = { cwd: this.folder, env: { ...process.env, FORESHARD_URL: "", ...env }, timeout: 60_000 };
    const { stdout, stderr } = await run(program, args, options).catch((error: { stdout: string; stderr: string }) => {
      throw new Error(`${program} ${args.join(" ")} failed:\n${error.stdout}\n${error.stderr}`);
    });
    return stdout + stderr;
  }

  remove(): Promise<void> {
    return rm(this.folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  }
}
