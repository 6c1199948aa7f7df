// Version. Owns the version of the package, as its package.json says.

import { readFileSync } from "node:fs";
import { z } from "zod";

const manifest = z.object({ version: z.string() });

export function packageVersion(): string {
  // The build lies one folder below the package, in dist/.
  const text = readFileSync(new URL("../../package.json", import.meta.url), "utf8");
  return manifest.parse(JSON.parse(text)).version;
}
