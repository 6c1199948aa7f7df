import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { type Check, checksOf, type Findings } from "../../scripts/cli/checks.js";
import { screenOf, type TopFigures } from "../../scripts/cli/top-screen.js";
import { quietForecaster } from "../../src/protocol/forecast.js";

const node = (id: string, state: "up" | "down" = "up") =>
  ({ id, zone: "z", weight: 1, state, draining: false, primaries: 1, replicas: 2 }) as const;
const fragment = {
  id: 16,
  table: "users",
  from: null,
  to: null,
  epoch: 1,
  primary: "n1",
  serving: true,
  replicas: [
    { node: "n1", state: "ready" },
    { node: "n2", state: "ready" },
  ],
} as const;
const well: Findings = {
  nowMs: 1_000_000_000,
  nodes: [node("n1"), node("n2")],
  partitions: [{ partition: 0, term: 1, leader: "c1", seq: 9 }],
  tables: [
    { name: "users", partitioning: "hash", key: { partition: "string" }, replicas: 2, fragments: 1, serving: 1 },
  ],
  fragments: [fragment],
  incidents: [],
  moves: [],
  forecasters: [{ ...quietForecaster("f1"), series: 4 }],
  versions: ["0.1.0"],
  ownVersion: "0.1.0",
  metrics: new Map([
    ['foreshard_node_disk_free_bytes{node="n1"}', 9e9],
    ['foreshard_heartbeat_age_seconds{node="n1"}', 0.1],
    ['foreshard_leader_lease_age_seconds{partition="0"}', 0.2],
    ['foreshard_event_loop_delay_p99_seconds{host="n1"}', 0.01],
  ]),
  skewMs: 5,
};

function judged(change: Partial<Findings>, name: string): Check {
  const found = checksOf({ ...well, ...change }).find((one) => one.name === name);
  ok(found !== undefined, name);
  return found;
}

describe("foreshard doctor", () => {
  it("finds nothing wrong where nothing is", () => {
    deepStrictEqual(
      checksOf(well).filter(({ state }) => state !== "well"),
      [],
    );
  });

  it("says what is wrong and what to do about it", () => {
    const move = {
      move: 3,
      table: "users",
      fragment: 16,
      strategy: "log-shipping",
      from: "n1",
      to: "n2",
      role: true,
      cause: "operator",
      by: "me",
      why: "",
      phase: "copying",
      phases: [{ phase: "copying", atMs: 1, note: "" }],
      startedMs: 1,
      deadlineMs: 0,
      waitsFor: "the copy",
    } as const;
    const incident = {
      atMs: 5,
      node: "n1",
      what: "logRegressed",
      outcome: "refused",
      fragments: [16],
      note: "",
    } as const;
    const cases: readonly (readonly [Partial<Findings>, string, Check["state"], RegExp])[] = [
      [{ partitions: [{ partition: 0, term: 0, leader: "", seq: 0 }] }, "leaders", "wrong", /control hosts/],
      [{ nodes: [node("n1"), node("n2", "down")] }, "nodes", "wrong", /remove NODE/],
      [{ nodes: [node("n1"), node("n2", "down")] }, "copies", "warning", /1 nodes are up and 2 copies are wanted/],
      [{ fragments: [{ ...fragment, serving: false }] }, "fragments", "wrong", /incidents/],
      [{ incidents: [incident] }, "incidents", "wrong", /folder of the node/],
      [{ moves: [move] }, "moves", "warning", /move cancel/],
      [{ forecasters: [] }, "forecasters", "warning", /--forecasters/],
      [{ versions: ["0.0.9"] }, "versions", "warning", /same version/],
      [{ skewMs: -60_000 }, "clock", "warning", /NTP/],
      [{ metrics: new Map([['foreshard_node_disk_free_bytes{node="n1"}', 1e9]]) }, "disks", "wrong", /Make room/],
      [{ metrics: new Map([['foreshard_heartbeat_age_seconds{node="n1"}', 8]]) }, "heartbeats", "warning", /lease/],
    ];
    for (const [change, name, state, remedy] of cases) {
      const found = judged(change, name);
      strictEqual(found.state, state, name);
      match(found.remedy, remedy, name);
    }
  });

  it("never calls well what it could not look at", () => {
    strictEqual(judged({ metrics: undefined }, "figures").state, "unknown");
    strictEqual(judged({ metrics: new Map() }, "disks").state, "unknown");
    strictEqual(judged({ skewMs: undefined }, "clock").state, "unknown");
    strictEqual(judged({ forecasters: undefined }, "forecasters").state, "unknown");
  });
});

describe("foreshard top", () => {
  const figures: TopFigures = {
    atMs: 0,
    nodes: [node("n1"), node("n2", "down")],
    partitions: well.partitions,
    hot: {
      fragments: Array.from({ length: 100 }, (_, at) => ({
        fragment: at * 16,
        table: "users",
        primary: "n1",
        perSecond: 100 - at,
        keys: [{ key: "bad\u001b[31mkey", share: 0.5, perSecond: 1 }],
      })),
      silent: ["n2"],
    },
    moves: [],
  };

  it("fits the terminal, however small, and lets no control character of a key through", () => {
    for (const columns of [20, 40, 80, 200]) {
      for (const rows of [3, 24]) {
        const lines = screenOf(figures, { columns, rows, colour: false });
        ok(lines.length <= rows && lines.every((line) => line.length <= columns), `${columns} x ${rows}`);
        ok(lines.every((line) => !line.includes("\u001b")));
      }
    }
  });

  it("colours only when asked to, and ends every colour that it begins", () => {
    const lines = screenOf(figures, { columns: 30, rows: 40, colour: true });
    const coloured = lines.filter((line) => line.includes("\u001b"));
    ok(coloured.length >= 3);
    for (const line of coloured) ok(line.startsWith("\u001b[") && line.endsWith("\u001b[0m"), JSON.stringify(line));
  });
});
