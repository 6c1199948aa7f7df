// Census. Owns what the cluster says of itself when asked: nodes, leaders, tables, fragments, moves, incidents, profiles, the plan.
// C1 questions go only while somebody wants to know (`refresh`); one round is under way at a time, and each answer may fail without the others.
// C2 what stands in the ledger is asked for again only when the ledger has grown.

import { z } from "zod";
import type { ClusterView, NodeView } from "../../src/ledger/view.js";
import { pack, unpack } from "../../src/protocol/codec.js";
import { decodeLocations, type LocationPage, viewOfPages } from "../../src/protocol/location-codec.js";
import { subjects } from "../../src/protocol/subjects.js";
import type { Inbox } from "../world/inbox.js";
import { type IncidentLine, incidentLine, type MoveLine, moveLine, type ProfileLine, profileLine } from "./lines.js";

export interface PartitionNow {
  readonly partition: number;
  readonly term: number;
  readonly leader: string;
  readonly seq: number;
}

export interface Census {
  /** Asks, at most once in `freshMs`; settles when what can be known is known. */
  refresh(): Promise<void>;
  /** Undefined: no router has answered of late. */
  partitions(): readonly PartitionNow[] | undefined;
  views(): ReadonlyMap<number, ClusterView>;
  nodes(): readonly NodeView[];
  moves(): readonly MoveLine[];
  pastMoves(): readonly MoveLine[];
  incidents(): readonly IncidentLine[];
  profiles(): readonly ProfileLine[];
  /** As the leader tells it; undefined: this cluster has no planner, or it has not spoken. */
  plan(): unknown;
}

const freshMs = 900;
const askTimeoutMs = 1_500;
const slowEveryMs = 5_000;
const mostPages = 1_000;

const nodesAnswer = z.object({
  partitions: z.array(z.object({ partition: z.number(), term: z.number(), leader: z.string(), seq: z.number() })),
});

export function createCensus(inbox: Inbox): Census {
  const views = new Map<number, ClusterView>();
  let partitions: readonly PartitionNow[] | undefined;
  let moves: readonly MoveLine[] = [];
  let pastMoves: readonly MoveLine[] = [];
  let incidents: readonly IncidentLine[] = [];
  let profiles: readonly ProfileLine[] = [];
  let plan: unknown;
  let round: Promise<void> | undefined;
  let roundAtMs = Number.NEGATIVE_INFINITY;
  let slowAtMs = Number.NEGATIVE_INFINITY;

  function ask(op: string, body: object = {}): Promise<Readonly<Record<string, unknown>> | undefined> {
    return new Promise((resolve) => {
      inbox.ask(subjects.cluster(op), pack(body), { timeoutMs: askTimeoutMs }, (answer) => {
        const unpacked = answer.kind === "message" ? unpack(answer.msg.data) : undefined;
        const value = unpacked?.ok === true ? unpacked.value : undefined;
        resolve(typeof value === "object" && value !== null && !("fault" in value) ? { ...value } : undefined);
      });
    });
  }

  async function askNodes(): Promise<boolean> {
    const answer = nodesAnswer.safeParse(await ask("nodes"));
    partitions = answer.success ? answer.data.partitions : undefined;
    return answer.success;
  }

  /** All pages of one and the same sequence; undefined when it changed on the way or nobody answered. */
  async function askView(partition: number): Promise<ClusterView | undefined> {
    const pages: LocationPage[] = [];
    for (let skip = 0; pages.length < mostPages; ) {
      const answer = await ask("view", { partition, seq: 0, skip });
      const page = decodeLocations(answer?.view);
      if (!page.ok || (pages[0] !== undefined && pages[0].seq !== page.value.seq)) return undefined;
      pages.push(page.value);
      if (page.value.next === 0) return viewOfPages(pages);
      skip = page.value.next;
    }
    return undefined;
  }

  async function askViews(): Promise<boolean> {
    let changed = false;
    for (const { partition, seq } of partitions ?? []) {
      if ((views.get(partition)?.seq ?? -1) >= seq) continue;
      const view = await askView(partition);
      if (view === undefined) continue;
      views.set(partition, view);
      changed = true;
    }
    return changed;
  }

  async function listOf<T>(op: string, field: string, line: z.ZodType<T>, body?: object): Promise<T[] | undefined> {
    const answer = await ask(op, body);
    const given = answer?.[field];
    if (!Array.isArray(given)) return undefined;
    return given.flatMap((one: unknown) => {
      const checked = line.safeParse(one);
      return checked.success ? [checked.data] : [];
    });
  }

  async function run(): Promise<void> {
    if (!(await askNodes())) return;
    const changed = await askViews();
    const nowMs = performance.now();
    moves = (await listOf("moves", "moves", moveLine)) ?? moves;
    if (!changed && nowMs - slowAtMs < slowEveryMs) return;
    slowAtMs = nowMs;
    const [past, found, declared, planned] = await Promise.all([
      listOf("moves", "moves", moveLine, { history: true }),
      listOf("incidents", "incidents", incidentLine),
      listOf("profiles", "profiles", profileLine),
      ask("plan"),
    ]);
    pastMoves = past ?? pastMoves;
    incidents = found ?? incidents;
    profiles = declared ?? profiles;
    plan = planned;
  }

  return {
    refresh() {
      if (round !== undefined) return round;
      if (performance.now() - roundAtMs < freshMs) return Promise.resolve();
      round = run().finally(() => {
        round = undefined;
        roundAtMs = performance.now();
      });
      return round;
    },
    partitions: () => partitions,
    views: () => views,
    nodes: () => [...(views.get(0)?.nodes.values() ?? [])].sort((a, b) => (a.id < b.id ? -1 : 1)),
    moves: () => moves,
    pastMoves: () => pastMoves,
    incidents: () => incidents,
    profiles: () => profiles,
    plan: () => plan,
  };
}
