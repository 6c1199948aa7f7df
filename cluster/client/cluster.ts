// Cluster and admin. Owns the typed questions to the cluster about itself, and the orders that change it.

import { type Call, type Fields, given } from "./call.js";
import type { ForecastAnswer, ForecastWish, ProfileInfo, ProfileWish } from "./forecasts.js";
import type { PlanAnswer } from "./plans.js";
import type { Deadline, Key } from "./table.js";

export type KeyTypeName = "string" | "number" | "date" | "bytes" | "tuple" | "any";
export interface TableInfo {
  readonly name: string;
  readonly partitioning: "hash" | "range";
  readonly key: { readonly partition: KeyTypeName; readonly sort?: KeyTypeName };
  readonly replicas: number;
  readonly fragments: number;
  /** Fragments whose primary serves right now. */
  readonly serving: number;
}
export interface FragmentInfo {
  readonly id: number;
  readonly table: string;
  readonly from: Key | null;
  readonly to: Key | null;
  readonly epoch: number;
  readonly primary: string;
  readonly serving: boolean;
  readonly replicas: readonly { readonly node: string; readonly state: "joining" | "ready" }[];
}
export interface NodeInfo {
  readonly id: string;
  readonly zone: string;
  readonly weight: number;
  readonly state: "up" | "down";
  readonly draining: boolean;
  readonly primaries: number;
  readonly replicas: number;
}
export interface PartitionInfo {
  readonly partition: number;
  readonly term: number;
  readonly leader: string;
  readonly seq: number;
}
export interface RingShare extends NodeInfo {
  /** Share of the replicas by weight, and as it is. */
  readonly wantedShare: number;
  readonly share: number;
}
export interface VerifyInfo {
  readonly fragment: number;
  readonly primary: string;
  readonly copies: number;
  readonly lsn: number;
  readonly verified: {
    readonly lsn: number;
    readonly agree: readonly string[];
    /** Copies that differ, each with keys between which it does. */
    readonly differ: readonly { readonly node: string; readonly from: string; readonly to: string }[];
  } | null;
}
export interface IncidentInfo {
  readonly atMs: number;
  readonly node: string;
  readonly what: string;
  readonly outcome: "healed" | "refused" | "noticed";
  readonly fragments: readonly number[];
  readonly note: string;
}
export type MoveStrategy = "log-shipping" | "copy-on-write" | "leader-only";
export interface MoveInfo {
  readonly move: number;
  readonly table: string;
  readonly fragment: number;
  readonly strategy: MoveStrategy;
  readonly from: string;
  readonly to: string;
  /** The primary role moves along. */
  readonly role: boolean;
  readonly cause: string;
  readonly by: string;
  readonly why: string;
  readonly phase: string;
  readonly phases: readonly { readonly phase: string; readonly atMs: number; readonly note: string }[];
  readonly startedMs: number;
  /** When the copy should be there, 0 = no hurry. */
  readonly deadlineMs: number;
  readonly waitsFor: string;
  readonly progress?: {
    readonly rows: number;
    readonly bytes: number;
    readonly totalRows: number;
    readonly totalBytes: number;
    readonly lagLsn: number;
    readonly bytesPerSecond: number;
  };
  /** Of a move that ended. */
  readonly outcome?: "done" | "cancelled" | "rolledBack" | "failed";
  readonly endedMs?: number;
  readonly end?: string;
  /** Of one that the planner began: what would have been without it. */
  readonly verdict?: string;
}
export interface MoveWish extends Deadline {
  readonly table: string;
  readonly fragment: number;
  readonly to: string;
  /** Whose replica goes (default: the primary's). */
  readonly from?: string;
  /** Default: leader-only where `to` holds a replica, else log-shipping. */
  readonly strategy?: MoveStrategy;
  /** Give the primary role to `to` although `from` is not primary. */
  readonly role?: boolean;
  /** The copy should be there by then. */
  readonly withinMs?: number;
  readonly why?: string;
}

export interface TableWish extends Deadline {
  readonly name: string;
  /** `hash` (default) spreads rows evenly; `range` keeps them in key order. */
  readonly partitioning?: "hash" | "range";
  readonly key?: KeyTypeName | { readonly partition: KeyTypeName; readonly sort?: KeyTypeName };
  /** Of a hash table. */
  readonly fragments?: number;
  /** Keys at which a range table is cut. */
  readonly splitAt?: readonly Key[];
  /** 0 (default): as many as there are nodes, at most 3. */
  readonly replicas?: number;
}

/** Questions to the cluster about itself; any router answers. */
export class Cluster {
  constructor(private readonly call: Call) {}

  /** Which router answers. */
  async ping(): Promise<{ readonly router: string }> {
    const { router } = await this.ask("ping");
    return { router: String(router) };
  }
  /** All tables. */
  async tables(): Promise<readonly TableInfo[]> {
    const { tables } = await this.ask("tables");
    return tables as readonly TableInfo[];
  }
  /** One table and its fragments; `UNKNOWN_TABLE`. */
  async table(name: string): Promise<{ readonly table: TableInfo; readonly fragments: readonly FragmentInfo[] }> {
    const { table, fragments } = await this.ask("table", { name });
    return { table: table as TableInfo, fragments: fragments as readonly FragmentInfo[] };
  }
  /** The nodes, and who leads each control partition. */
  async nodes(): Promise<{ readonly nodes: readonly NodeInfo[]; readonly partitions: readonly PartitionInfo[] }> {
    const { nodes, partitions } = await this.ask("nodes");
    return { nodes: nodes as readonly NodeInfo[], partitions: partitions as readonly PartitionInfo[] };
  }
  /** All fragments, or those of one table. */
  async fragments(table?: string): Promise<readonly FragmentInfo[]> {
    const all: FragmentInfo[] = [];
    for (let skip: number | null = 0; skip !== null; ) {
      const answer: Fields = await this.ask("fragments", { table, skip });
      all.push(...(answer.fragments as readonly FragmentInfo[]));
      skip = typeof answer.next === "number" && answer.next > skip ? answer.next : null;
    }
    return all;
  }
  /** How much each node should hold, and holds. */
  async ring(): Promise<readonly RingShare[]> {
    const { ring } = await this.ask("ring");
    return ring as readonly RingShare[];
  }
  /** What went wrong and was healed, or was not; the newest first. */
  async incidents(): Promise<readonly IncidentInfo[]> {
    const { incidents } = await this.ask("incidents");
    return incidents as readonly IncidentInfo[];
  }

  /** What a table, one of its fragments, or a client group is expected to be asked. */
  async forecast(wish: ForecastWish): Promise<ForecastAnswer> {
    return (await this.ask("forecast", wish)) as unknown as ForecastAnswer;
  }

  /** What the last comparisons of the copies of a table's fragments found. `begin`: has them compared anew; ask again until the results are beyond `lsn` of now. */
  async verify(table: string, fragment: number | undefined, begin: boolean): Promise<readonly VerifyInfo[]> {
    const { fragments } = await this.ask("verify", { table, ...(fragment === undefined ? {} : { fragment }), begin });
    return fragments as readonly VerifyInfo[];
  }

  /** Moves under way, or those that ended, oldest first. */
  async moves(history = false): Promise<readonly MoveInfo[]> {
    const { moves } = await this.ask("moves", { history });
    return moves as readonly MoveInfo[];
  }

  /** What the planner would do now and why, by control partition. */
  async plan(): Promise<readonly PlanAnswer[]> {
    const { plans } = await this.ask("plan");
    return plans as readonly PlanAnswer[];
  }

  /** Keys that are asked for most, by fragment; of one table, or of all. */
  async hot(table?: string): Promise<HotAnswer> {
    return (await this.ask("hot", { table })) as unknown as HotAnswer;
  }

  /** Users for clients that were added while the cluster ran. */
  async users(): Promise<readonly UserInfo[]> {
    const { users } = await this.ask("users");
    return users as readonly UserInfo[];
  }

  /** Who asked for changes of the cluster, and what was decided; newest first. */
  async audit(limit?: number, before?: number): Promise<AuditAnswer> {
    return (await this.ask("audit", { limit, before })) as unknown as AuditAnswer;
  }

  /** How far the last rolling restart is. */
  async restartState(): Promise<RestartState> {
    return (await this.ask("restartState")) as unknown as RestartState;
  }

  /** Declared demand, with when each comes next. */
  async profiles(): Promise<readonly ProfileInfo[]> {
    const { profiles } = await this.ask("profiles");
    return profiles as readonly ProfileInfo[];
  }

  private ask(op: string, body: object = {}): Promise<Fields> {
    return this.call(`foreshard.query._cluster.${op}`, given(body));
  }
}

export interface HotAnswer {
  readonly fragments: readonly {
    readonly fragment: number;
    readonly table: string;
    readonly primary: string;
    readonly perSecond: number;
    readonly keys: readonly { readonly key: Key; readonly share: number; readonly perSecond: number }[];
  }[];
  /** Nodes that did not answer. */
  readonly silent: readonly string[];
}

export interface UserWish {
  readonly user: string;
  readonly role: "reader" | "writer" | "operator";
  /** Tables of the role; absent: all. */
  readonly tables?: readonly string[];
  /** More tables that a writer may only read. */
  readonly reads?: readonly string[];
  readonly limits?: {
    readonly maxConnections?: number;
    readonly maxSubscriptions?: number;
    readonly maxPayloadBytes?: number;
  };
}

export interface UserInfo extends Required<UserWish> {
  readonly sinceMs: number;
}

/** What a new user signs in with; nobody can ask for the password again. */
export interface UserLogin {
  readonly user: string;
  readonly pass: string;
  readonly inboxPrefix: string;
  readonly servers: readonly string[];
}

export interface AuditAct {
  readonly seq: number;
  readonly atMs: number;
  /** The same for the asking and the decision. */
  readonly id: string;
  readonly user: string;
  readonly op: string;
  readonly what: Readonly<Record<string, unknown>>;
  readonly phase: "asked" | "decided";
  readonly decision?: string;
}

export interface AuditAnswer {
  readonly acts: readonly AuditAct[];
  /** To ask for what is before; null: nothing is. */
  readonly next: number | null;
}

export interface RestartState {
  readonly running: boolean;
  readonly done: readonly string[];
  readonly left: readonly string[];
  readonly now: string | null;
  readonly failed: string | null;
}

export interface SplitWish {
  readonly table: string;
  readonly fragment: number;
  /** The first key of the new fragment, or the first part of one. */
  readonly at?: Key;
  readonly deadlineMs?: number;
}

export interface MergeWish {
  readonly table: string;
  readonly left: number;
  readonly right: number;
  readonly deadlineMs?: number;
}

/** Orders that change the cluster. Each needs the permission for its subject, `foreshard.query._cluster.<op>`: else `FORBIDDEN`. */
export class Admin {
  constructor(private readonly call: Call) {}

  /** Makes a table and answers when it serves; `TABLE_EXISTS`, `BAD_NAME`. */
  async createTable(
    wish: TableWish,
  ): Promise<{ readonly table: string; readonly fragments: number; readonly replicas: number }> {
    const { table, fragments, replicas } = await this.ask("createTable", wish);
    return { table: String(table), fragments: Number(fragments), replicas: Number(replicas) };
  }
  /** Removes a table with all its rows; there is no way back. */
  async dropTable(name: string): Promise<void> {
    await this.ask("dropTable", { name });
  }
  /** Cuts a fragment in two: at a key, or where its load is halved. */
  async split(wish: SplitWish): Promise<{ readonly fragment: number; readonly child: number }> {
    const { fragment, child } = await this.ask("split", wish);
    return { fragment: Number(fragment), child: Number(child) };
  }
  /** Makes one fragment of two neighbours. */
  async merge(wish: MergeWish): Promise<void> {
    await this.ask("merge", wish);
  }
  /** Declares demand, or declares it anew under its name. */
  async putProfile(wish: ProfileWish): Promise<void> {
    await this.ask("putProfile", wish);
  }
  /** Takes a declaration back; `UNKNOWN_PROFILE`. */
  async removeProfile(name: string): Promise<void> {
    await this.ask("removeProfile", { name });
  }
  /** Moves everything away from a node, and nothing to it. */
  async drain(node: string): Promise<void> {
    await this.ask("drain", { node });
  }
  /** Lets a node take fragments again. */
  async undrain(node: string): Promise<void> {
    await this.ask("undrain", { node });
  }
  /** Lets somebody in; the answer alone holds the password. */
  async addUser(wish: UserWish): Promise<UserLogin> {
    return (await this.ask("addUser", wish)) as unknown as UserLogin;
  }
  /** Takes a user away; its connections end. */
  async removeUser(user: string): Promise<void> {
    await this.ask("removeUser", { user });
  }
  /** A new password; connections with the old one end. */
  async rotateUser(user: string): Promise<UserLogin> {
    return (await this.ask("rotateUser", { user })) as unknown as UserLogin;
  }
  /** Answers when it has begun: `cluster.restartState` tells how far it is. */
  async rollingRestart(): Promise<void> {
    await this.ask("rollingRestart", { deadlineMs: 60_000 });
  }
  /** Forgets a node that is down for good. */
  async removeNode(node: string): Promise<void> {
    await this.ask("removeNode", { node });
  }

  /** Answers when the move has begun, with its number. */
  async move(wish: MoveWish): Promise<number> {
    const { move } = await this.ask("move", wish);
    return Number(move);
  }
  /** Before the hand-over. */
  async cancelMove(move: number): Promise<void> {
    await this.ask("cancelMove", { move });
  }
  /** After the hand-over, until the second verification has passed. */
  async rollbackMove(move: number): Promise<void> {
    await this.ask("rollbackMove", { move });
  }
  /** Changes how the planner may act; fields that are not given stay as they are. */
  async setPolicy(policy: object): Promise<void> {
    await this.ask("setPolicy", { policy });
  }
  /** How many copies this fragment has; 0 = as its table says. `NOT_POSSIBLE` where there are too few nodes. */
  async setReplicas(table: string, fragment: number, replicas: number): Promise<void> {
    await this.ask("replicas", { table, fragment, replicas });
  }

  private ask(op: string, body: object): Promise<Fields> {
    return this.call(`foreshard.query._cluster.${op}`, { deadlineMs: adminDeadlineMs, ...given(body) });
  }
}

const adminDeadlineMs = 15_000;
