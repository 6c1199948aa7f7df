// Mistakes of reading: strong and bounded reads, pages, feeds, counts.

import { type Fields, type Mutant, onEffects, onMessages, onOps, replied } from "./tools.js";

export const reading: readonly Mutant[] = [
  {
    name: "strongReadsAnywhere",
    what: "a replica answers strong reads without being primary or having a lease",
    tamper: onOps((op) => ("read" in op ? { ...op, read: { level: "any" } } : op)),
  },
  {
    name: "routerReadsWeakly",
    what: "a router sends strong reads to any replica",
    tamper: onMessages("router", (message) => {
      const body = message.body as Fields | undefined;
      return message.kind === "request" && body?.level === "strong"
        ? { ...message, body: { ...body, level: "any" } }
        : message;
    }),
  },
  {
    name: "alwaysFresh",
    what: "a primary asked how far it is says: nowhere; so every backup thinks itself fresh",
    tamper: onEffects(
      "shard/",
      replied((body) => ("freshLsn" in body ? { ...body, freshLsn: 0 } : body)),
    ),
  },
  {
    name: "pageLosesRow",
    what: "a scan's page loses its last row where another page follows",
    tamper: onEffects(
      "router",
      replied((body) =>
        Array.isArray(body.rows) && typeof body.cursor === "string" ? { ...body, rows: body.rows.slice(0, -1) } : body,
      ),
    ),
  },
  {
    name: "pageRepeatsRow",
    what: "a scan's page shows its last row twice",
    tamper: onEffects(
      "router",
      replied((body) =>
        Array.isArray(body.rows) && typeof body.cursor === "string"
          ? { ...body, rows: [...body.rows, ...body.rows.slice(-1)] }
          : body,
      ),
    ),
  },
  {
    name: "feedSkips",
    what: "a poll of a change feed loses its first change where there are several",
    tamper: onEffects(
      "router",
      replied((body) =>
        Array.isArray(body.changes) && body.changes.length > 1 ? { ...body, changes: body.changes.slice(1) } : body,
      ),
    ),
  },
  {
    name: "feedStandsStill",
    what: "a poll of a change feed gives back a cursor from before its changes",
    tamper: () => {
      let before: unknown;
      return onEffects(
        "router",
        replied((body) => {
          if (!Array.isArray(body.changes)) return body;
          const cursor = body.changes.length > 0 ? (before ?? body.cursor) : body.cursor;
          before = body.cursor;
          return { ...body, cursor };
        }),
      )();
    },
  },
  {
    name: "countOfOneFragment",
    what: "an aggregate leaves out a part",
    tamper: onEffects(
      "router",
      replied((body) => {
        const [group] = Array.isArray(body.groups) ? (body.groups as readonly Fields[]) : [];
        return typeof group?.n === "number" && group.n > 4
          ? { ...body, groups: [{ ...group, n: Math.floor(group.n / 2) }] }
          : body;
      }),
    ),
  },
  {
    name: "manyInWrongOrder",
    what: "getMany answers in the order in which the fragments answered",
    tamper: onEffects(
      "router",
      replied((body) =>
        Array.isArray(body.rows) && !("cursor" in body) ? { ...body, rows: [...body.rows].reverse() } : body,
      ),
    ),
  },
];
