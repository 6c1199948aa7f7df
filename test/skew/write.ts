// Write. Keeps the bytes that this version writes, once per minor version: `npm run build && node dist/test/skew/write.js`.

import { writeKept, writtenVersion } from "./kept.js";

console.log(`written: ${await writeKept(writtenVersion)}`);
