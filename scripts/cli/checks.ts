// Checks. Owns what `foreshard doctor` concludes from what it found: pure, one sentence each, and what to do about it.
// K1 what could not be looked at is told as such, never as well.

import type {
  ForecasterInfo,
  FragmentInfo,
  IncidentInfo,
  MoveInfo,
  NodeInfo,
  PartitionInfo,
  TableInfo,
} from "../../cluster/client/index.js";

export interface Check {
  readonly name: string;
  /** `unknown`: it could not be looked at. */
  readonly state: "well" | "warning" | "wrong" | "unknown";
  readonly found: string;
  /** Empty where nothing has to be done. */
  readonly remedy: string;
}

export interface Findings {
  readonly nowMs: number;
  readonly nodes: readonly NodeInfo[];
  readonly partitions: readonly PartitionInfo[];
  readonly tables: readonly TableInfo[];
  readonly fragments: readonly FragmentInfo[];
  readonly incidents: readonly IncidentInfo[];
  readonly moves: readonly MoveInfo[];
  /** Undefined: there is no table to ask about. */
  readonly forecasters: readonly ForecasterInfo[] | undefined;
  /** Of each router, and of this command. */
  readonly versions: readonly string[];
  readonly ownVersion: string;
  /** Undefined: the metrics could not be read. */
  readonly metrics: ReadonlyMap<string, number> | undefined;
  /** Their clock ahead of ours; undefined: nobody could be asked. */
  readonly skewMs: number | undefined;
}

const recentMs = 24 * 3_600_000;
const stalledMs = 10 * 60_000;
const leastFreeBytes = 2 * 1024 ** 3;
const mostSkewMs = 2_000;
const mostHeartbeatSeconds = 3;
const mostLeaseSeconds = 5;
const mostLateSeconds = 0.2;

export function checksOf(findings: Findings): Check[] {
  return [
    leaders(findings),
    nodesUp(findings),
    serving(findings),
    copies(findings),
    incidents(findings),
    moves(findings),
    forecasters(findings),
    versions(findings),
    clock(findings),
    ...measured(findings),
  ];
}

function check(name: string, state: Check["state"], found: string, remedy = ""): Check {
  return { name, state, found, remedy };
}

function leaders({ partitions }: Findings): Check {
  const without = partitions.filter(({ term, leader }) => term === 0 || leader === "");
  if (without.length > 0)
    return check(
      "leaders",
      "wrong",
      `control partition ${without.map(({ partition }) => partition).join(", ")} has no leader`,
      "Are the control hosts up? Look at their host.log; without a leader nothing changes, but what serves goes on",
    );
  return check(
    "leaders",
    "well",
    partitions.map(({ partition, leader, term }) => `${partition}: ${leader}, term ${term}`).join("; "),
  );
}

function nodesUp({ nodes }: Findings): Check {
  const down = nodes.filter(({ state }) => state === "down").map(({ id }) => id);
  const draining = nodes.filter((node) => node.draining && node.replicas > 0).map(({ id }) => id);
  if (down.length > 0)
    return check(
      "nodes",
      "wrong",
      `down: ${down.join(", ")}`,
      "Look at host.log in the node's folder. One that is gone for good: foreshard remove NODE",
    );
  if (draining.length > 0)
    return check(
      "nodes",
      "warning",
      `being emptied: ${draining.join(", ")}`,
      "Watch it: foreshard moves --watch; take it back: foreshard undrain NODE",
    );
  return check("nodes", "well", `${nodes.length} are up`);
}

function serving({ fragments }: Findings): Check {
  const closed = fragments.filter((fragment) => !fragment.serving);
  if (closed.length === 0) return check("fragments", "well", `all ${fragments.length} serve`);
  return check(
    "fragments",
    "wrong",
    `${closed.length} of ${fragments.length} do not serve: ${named(closed)}`,
    "One that has just changed hands opens within seconds. Else: foreshard incidents says why it stays closed",
  );
}

function copies({ fragments, tables, nodes }: Findings): Check {
  const wanted = new Map(tables.map(({ name, replicas }) => [name, replicas]));
  const up = new Set(nodes.filter(({ state }) => state === "up").map(({ id }) => id));
  const short = fragments.filter(({ table, replicas }) => {
    const ready = replicas.filter(({ node, state }) => state === "ready" && up.has(node)).length;
    return ready < (wanted.get(table) ?? 1);
  });
  if (short.length === 0) return check("copies", "well", "every fragment has as many as its table wants");
  const most = Math.max(...wanted.values());
  const remedy =
    up.size < most
      ? `${up.size} nodes are up and ${most} copies are wanted: start another node, or bring the lost one back`
      : "They are being rebuilt: foreshard moves and foreshard fragments show it. If that stands still: is there room on the disks?";
  return check("copies", "warning", `${short.length} fragments have too few: ${named(short)}`, remedy);
}

function incidents({ incidents: all, nowMs }: Findings): Check {
  const refused = all.filter(({ outcome }) => outcome === "refused");
  const recent = all.filter(({ atMs }) => nowMs - atMs < recentMs);
  if (refused.length > 0)
    return check(
      "incidents",
      "wrong",
      `${refused.length} left fragments closed: ${[...new Set(refused.map(({ what }) => what))].join(", ")}`,
      "foreshard incidents has the sentences; bring back the folder of the node that had the rest of the history",
    );
  if (recent.length > 0)
    return check(
      "incidents",
      "warning",
      `${recent.length} in the last day, all healed or only noticed`,
      "foreshard incidents",
    );
  return check("incidents", "well", "none in the last day");
}

function moves({ moves: all, nowMs }: Findings): Check {
  const stalled = all.filter(({ phases, startedMs, progress }) => {
    const since = phases.at(-1)?.atMs ?? startedMs;
    return nowMs - since > stalledMs && (progress?.bytesPerSecond ?? 0) === 0;
  });
  const late = all.filter(({ deadlineMs, phase }) => deadlineMs > 0 && nowMs > deadlineMs && phase === "copying");
  if (stalled.length > 0)
    return check(
      "moves",
      "warning",
      stalled
        .map(({ move, phase, waitsFor }) => `move ${move} has been ${phase} for long: waits for ${waitsFor}`)
        .join("; "),
      "Before the hand-over it can be ended: foreshard move cancel NUMBER; after it: foreshard move rollback NUMBER",
    );
  if (late.length > 0)
    return check(
      "moves",
      "warning",
      `later than promised: ${late.map(({ move }) => move).join(", ")}`,
      "A higher --copy-ceiling lets copies go faster",
    );
  return check("moves", "well", all.length === 0 ? "none is under way" : `${all.length} under way`);
}

function forecasters({ forecasters: all }: Findings): Check {
  if (all === undefined) return check("forecasters", "unknown", "there is no table to ask about");
  if (all.length === 0)
    return check(
      "forecasters",
      "warning",
      "none has said anything",
      "Start the cluster with --forecasters 1 or more; the first forecast comes a minute after the first query",
    );
  const failing = all.filter(({ fitsFailed }) => fitsFailed > 0);
  const behind = all.filter(({ fitWaitMs }) => fitWaitMs > 10 * 60_000);
  if (behind.length > 0)
    return check(
      "forecasters",
      "warning",
      `fits wait for long at ${behind.map(({ id }) => id).join(", ")}`,
      "More forecasters divide the series: --forecasters",
    );
  if (failing.length > 0)
    return check(
      "forecasters",
      "warning",
      failing.map(({ id, fitsFailed }) => `${id}: ${fitsFailed} fits failed`).join("; "),
      "Look at host.log of the forecaster",
    );
  return check("forecasters", "well", all.map(({ id, series }) => `${id}: ${series} series`).join("; "));
}

function versions({ versions: found, ownVersion }: Findings): Check {
  if (found.length === 0) return check("versions", "unknown", "no router said its version");
  const others = [...new Set(found.filter((version) => version !== ownVersion))];
  if (others.length === 0) return check("versions", "well", `${ownVersion} everywhere`);
  return check(
    "versions",
    "warning",
    `this command is ${ownVersion}, routers are ${others.join(", ")}`,
    "Use the same version on both sides",
  );
}

function clock({ skewMs }: Findings): Check {
  if (skewMs === undefined) return check("clock", "unknown", "the page's server could not be asked for its time");
  if (Math.abs(skewMs) <= mostSkewMs) return check("clock", "well", "within two seconds of this machine's");
  return check(
    "clock",
    "warning",
    `the cluster's is ${Math.round(skewMs / 1000)} s ahead of this machine's`,
    "Samples and schedules of profiles follow the clock: use NTP",
  );
}

/** What only the metrics tell. */
function measured({ metrics }: Findings): Check[] {
  if (metrics === undefined)
    return [
      check(
        "figures",
        "unknown",
        "the metrics cannot be read from here",
        "Start the cluster with its page on, and run this beside it",
      ),
    ];
  return [
    least(
      metrics,
      "disks",
      "foreshard_node_disk_free_bytes",
      leastFreeBytes,
      (bytes) => `${(bytes / 1024 ** 3).toFixed(1)} GiB free`,
      "Make room: JetStream stops writing on a full disk",
    ),
    most(
      metrics,
      "heartbeats",
      "foreshard_heartbeat_age_seconds",
      mostHeartbeatSeconds,
      "The node's lease rests on them: look at its host.log",
    ),
    most(
      metrics,
      "leases",
      "foreshard_leader_lease_age_seconds",
      mostLeaseSeconds,
      "Nobody renews the leadership: are the control hosts up?",
    ),
    most(
      metrics,
      "event loops",
      "foreshard_event_loop_delay_p99_seconds",
      mostLateSeconds,
      "The host is held up: is the machine too small, or one key too hot (foreshard hot)?",
    ),
  ];
}

function seriesOf(
  metrics: ReadonlyMap<string, number>,
  name: string,
): { readonly who: string; readonly value: number }[] {
  return [...metrics].flatMap(([series, value]) =>
    series.startsWith(`${name}{`) ? [{ who: /="([^"]*)"/.exec(series)?.[1] ?? "?", value }] : [],
  );
}

function most(
  metrics: ReadonlyMap<string, number>,
  name: string,
  metric: string,
  limit: number,
  remedy: string,
): Check {
  const all = seriesOf(metrics, metric);
  if (all.length === 0) return check(name, "unknown", "nothing was heard yet");
  const over = all.filter(({ value }) => value > limit);
  const highest = Math.max(...all.map(({ value }) => value));
  if (over.length === 0) return check(name, "well", `at most ${highest.toFixed(2)} s`);
  return check(name, "warning", over.map(({ who, value }) => `${who}: ${value.toFixed(2)} s`).join(", "), remedy);
}

function least(
  metrics: ReadonlyMap<string, number>,
  name: string,
  metric: string,
  limit: number,
  words: (value: number) => string,
  remedy: string,
): Check {
  const all = seriesOf(metrics, metric);
  if (all.length === 0) return check(name, "unknown", "no node said how much room it has");
  const under = all.filter(({ value }) => value < limit);
  if (under.length > 0)
    return check(name, "wrong", under.map(({ who, value }) => `${who}: ${words(value)}`).join(", "), remedy);
  return check(name, "well", `at least ${words(Math.min(...all.map(({ value }) => value)))}`);
}

function named(fragments: readonly FragmentInfo[]): string {
  const first = fragments.slice(0, 6).map(({ table, id }) => `${table}/${id}`);
  return `${first.join(" ")}${fragments.length > 6 ? " …" : ""}`;
}
