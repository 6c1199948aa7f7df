import { match, ok, strictEqual } from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { fileRoutes, programs } from "../../cluster/page/files.js";

describe("the page's files", () => {
  it("are all named at its beginning, so that a browser asks for them at once and not one after the other", async () => {
    const html = await readFile(
      fileURLToPath(new URL("../../../cluster/page/browser/index.html", import.meta.url)),
      "utf8",
    );
    for (const name of programs) match(html, new RegExp(`(?:modulepreload" href|src)="/${name}\\.js"`), name);
    const named = [...html.matchAll(/(?:href|src)="(\/[^"]+)"/g)].map(([, path = ""]) => path);
    strictEqual(named.length, programs.length + 3, "programs, plotting library, two styles");
    const routes = fileRoutes();
    for (const path of named) ok(routes.has(path), `${path} is served`);
  });
});
