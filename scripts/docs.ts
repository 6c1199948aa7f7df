#!/usr/bin/env node
// Docs. Owns `npm run docs:api`: writes the API reference to docs/API.md, from what was built last.
// It is not kept in the repository, so that it can never be older than the code; the package carries it.

import { writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { packageVersion } from "../cluster/version.js";
import { exportsOfPackage } from "./docs/exports.js";
import { referenceOf } from "./docs/reference.js";

const target = fileURLToPath(new URL("../../docs/API.md", import.meta.url));
const exported = exportsOfPackage();
await writeFile(target, referenceOf(packageVersion(), exported));
process.stdout.write(`${exported.flatMap(({ declarations }) => declarations).length} exports in ${target}\n`);
