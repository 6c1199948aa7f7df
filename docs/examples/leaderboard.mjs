// A leaderboard with a hot key: everybody asks for the same board.
// Run it with `node docs/examples/leaderboard.mjs`: it starts a cluster of its own. With FORESHARD_URL it uses that one.
import { setTimeout as pause } from "node:timers/promises";
import { connect, startCluster } from "foreshard";

const own = process.env.FORESHARD_URL ? undefined : await startCluster({ nodes: 3 });
const db = await connect(own?.url ?? process.env.FORESHARD_URL);

// All rows of a board lie in one fragment, in the order of their sort keys:
//   [board, ["player", name]]          what a player has
//   [board, ["rank", -score, name]]    the same, in the order of the ranking
await db.admin.createTable({ name: "boards", key: { partition: "string", sort: "tuple" }, fragments: 8, replicas: 2 });
const boards = db.table("boards");

/** Both rows change together or not at all; whoever was overtaken by another score of the same player tries again. */
async function score(board, name, points) {
  for (let tries = 0; tries < 50; tries++) {
    const held = await boards.get([board, ["player", name]]);
    const before = held?.doc.score ?? 0;
    const after = before + points;
    const steps = [
      { op: "put", key: [board, ["player", name]], doc: { score: after }, ifVersion: held?.version ?? 0 },
      { op: "put", key: [board, ["rank", -after, name]], doc: { name, score: after } },
    ];
    if (held !== null) steps.push({ op: "delete", key: [board, ["rank", -before, name]] });
    try {
      await boards.batch(steps);
      return after;
    } catch (error) {
      if (error.code !== "CONFLICT") throw error;
    }
  }
  throw new Error(`too many scores of ${name} at once`);
}

/** A second old is good enough for a ranking, and any copy may answer then. */
async function top(board, count) {
  const { rows } = await boards.page({
    partition: board,
    prefix: ["rank"],
    limit: count,
    level: "bounded",
    maxStaleMs: 1000,
  });
  return rows.map(({ doc }) => doc);
}

const names = ["ann", "bob", "cleo", "dan", "eve"];
await Promise.all(names.map((name, place) => score("finals", name, 10 * (place + 1))));
await Promise.all(Array.from({ length: 10 }, () => score("finals", "ann", 7)));
await Promise.all(names.map((name) => score("heats", name, 1)));
for (const [place, { name, score }] of (await top("finals", 3)).entries())
  console.log(`${place + 1}. ${name} ${score}`);

// Everybody looks at the finals. The cluster says which keys are asked for most, and where they lie.
const hottest = await whileAsked(
  () => top("finals", 3),
  async () => {
    const { fragments } = await db.cluster.hot("boards");
    const [first] = fragments;
    return first?.keys[0]?.key?.[0] === "finals" ? first : undefined;
  },
);
console.log("hot key:", hottest.keys[0].key[0]);

// A key cannot be cut in two, but it can have more copies: reads that may be a second old are spread over all of them.
await db.admin.setReplicas("boards", hottest.fragment, 3);
const wide = await whileAsked(
  () => top("finals", 3),
  async () => {
    const { fragments } = await db.cluster.table("boards");
    const { replicas } = fragments.find(({ id }) => id === hottest.fragment);
    return replicas.filter(({ state }) => state === "ready").length === 3 ? replicas : undefined;
  },
);
console.log("copies that answer:", wide.length);

/** Keeps asking until `found` finds something; gives up after a minute. */
async function whileAsked(ask, found) {
  for (const end = Date.now() + 60_000; Date.now() < end; await pause(100)) {
    await Promise.all(Array.from({ length: 50 }, ask));
    const answer = await found();
    if (answer !== undefined) return answer;
  }
  throw new Error("not within a minute");
}

await db.close();
await own?.stop();
