// Index. Owns what `import "foreshard"` offers: the client, and a cluster inside one's own program.
// N1 nothing that is loaded from here awaits at the top of its file, so that CommonJS can `require` it.

export * from "./client/index.js";
export { type EmbeddedCluster, startCluster } from "./embedded/embedded.js";
export type { EmbeddedOptions, EmbeddedUser } from "./embedded/options.js";
