// Page files. Owns which files make the page: its own, and the plotting library's; read once, served from memory, each with a tag.

import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Answer, plain, type Route } from "./server.js";

const script = "text/javascript; charset=utf-8";
const style = "text/css; charset=utf-8";
// Pages and styles lie with the sources; programs are built beside this file.
const sources = fileURLToPath(new URL("../../../cluster/page/browser/", import.meta.url));
const built = fileURLToPath(new URL("./browser/", import.meta.url));
const plotting = dirname(createRequire(import.meta.url).resolve("uplot"));

export const programs = [
  "page",
  "words",
  "dom",
  "ring",
  "plots",
  "fragments",
  "detail",
  "panels",
  "plan",
  "orders",
  "state",
] as const;

const files: readonly { readonly path: string; readonly type: string; readonly from: string }[] = [
  { path: "/", type: "text/html; charset=utf-8", from: join(sources, "index.html") },
  { path: "/page.css", type: style, from: join(sources, "page.css") },
  { path: "/uplot.css", type: style, from: join(plotting, "uPlot.min.css") },
  { path: "/uplot.js", type: script, from: join(plotting, "uPlot.iife.min.js") },
  ...programs.map((name) => ({ path: `/${name}.js`, type: script, from: join(built, `${name}.js`) })),
];

export function fileRoutes(): Map<string, Route> {
  return new Map(files.map(({ path, type, from }) => [path, fileRoute(type, from)]));
}

function fileRoute(type: string, from: string): Route {
  let held: { readonly body: Uint8Array; readonly tag: string } | undefined;
  return {
    method: "GET",
    async handle({ request }): Promise<Answer> {
      if (held === undefined) {
        // Source maps are not served.
        const text = (await readFile(from, "utf8")).replace(/^\/\/# sourceMappingURL=.*$/m, "");
        held = {
          body: Buffer.from(text),
          tag: `"${createHash("sha256").update(text).digest("base64url").slice(0, 16)}"`,
        };
      }
      const headers = { ETag: held.tag, "Cache-Control": "no-cache" };
      if (request.headers["if-none-match"] === held.tag) return { ...plain(304, ""), body: "", headers };
      return { status: 200, type, body: held.body, headers };
    },
  };
}
