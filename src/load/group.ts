// Group. Owns how whoever asks becomes a client group: the group that the user was given, else the user.
// G1 a group comes only from the server's stamp (`Request.user`) and the cluster's configuration, never from a word of the client.
// G2 a group is data: it is shown and stored, and is never a token of a subject.

import { limits } from "../config/limits.js";

/** Pools the groups that are too many to be told apart. */
export const otherGroup = "other";
/** Whoever asks without a stamp: inside the cluster, or on a NATS that stamps nothing. */
export const unnamedGroup = "unnamed";

/** Group by user. */
export type ClientGroups = Readonly<Record<string, string>>;

export function groupOf(user: string, groups: ClientGroups): string {
  if (user === "") return unnamedGroup;
  const given = Object.hasOwn(groups, user) ? groups[user] : undefined;
  return given ?? user.slice(0, limits.nameLength);
}

export function isGroup(given: unknown): given is string {
  return typeof given === "string" && given.length > 0 && given.length <= limits.nameLength;
}
