// Client. Owns the front of the library: `connect`, and what a connected client offers.
//   const db = await connect("nats://client:…@127.0.0.1:4222");
//   await db.table<User>("users").put("ann", { name: "Ann" });
// The router is built in: operations go straight to the nodes, and all of one turn of the event loop for one node travel together.

import { fault } from "../../src/kernel/fault.js";
import { isName } from "../../src/protocol/subjects.js";
import { registeredProvider, tracingOf } from "../trace/tracing.js";
import { openConnection } from "../world/connection.js";
import { addressOf, type ConnectOptions } from "./address.js";
import { createCall, type Fields } from "./call.js";
import { Admin, Cluster } from "./cluster.js";
import { type EdgeWorld, openEdgeWorld } from "./edge-world.js";
import { FaultError } from "./fault-error.js";
import { Table } from "./table.js";
import { createTracedCall } from "./traced-call.js";

export type { Fault, FaultCode } from "../../src/kernel/fault.js";
export type { ConnectOptions } from "./address.js";
export type {
  AuditAct,
  AuditAnswer,
  FragmentInfo,
  HotAnswer,
  IncidentInfo,
  KeyTypeName,
  MergeWish,
  MoveInfo,
  MoveStrategy,
  MoveWish,
  NodeInfo,
  PartitionInfo,
  RestartState,
  RingShare,
  SplitWish,
  TableInfo,
  TableWish,
  UserInfo,
  UserLogin,
  UserWish,
  VerifyInfo,
} from "./cluster.js";
export { Admin, Cluster } from "./cluster.js";
export { FaultError } from "./fault-error.js";
export type {
  ForecastAnswer,
  ForecasterInfo,
  ForecastRecord,
  ForecastWish,
  ProfileInfo,
  ProfileWish,
  SeriesForecastInfo,
} from "./forecasts.js";
export type { PlanAction, PlanAnswer } from "./plans.js";
export type {
  AggregateAnswer,
  AggregateAsk,
  AggregateOptions,
  BatchStep,
  Change,
  Deadline,
  DeleteRangeOptions,
  Filter,
  GetOptions,
  Key,
  Level,
  Page,
  PageOptions,
  RangeOptions,
  ReadOptions,
  Row,
  ScanOptions,
  WatchOptions,
  WriteOptions,
} from "./table.js";
export { Table, Watch } from "./table.js";

/** A connection with a router inside. */
export interface Client {
  /** A table's typed view; that it exists is checked when it is asked. */
  table<Doc extends object = Fields>(name: string): Table<Doc>;
  /** Orders that change the cluster. */
  readonly admin: Admin;
  /** Questions about it. */
  readonly cluster: Cluster;
  /** Ends the connection; what is still under way fails with UNAVAILABLE. May be called more than once. */
  close(): Promise<void>;
  /** The same as `close`: `await using db = await connect(url)`. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** Connects to a cluster; throws a `FaultError` when no server can be reached. */
export async function connect(wish: string | ConnectOptions): Promise<Client> {
  const address = await addressOf(wish);
  if (!address.ok) throw new FaultError(address.fault);
  const name = (typeof wish === "string" ? undefined : wish.name) ?? "foreshard-client";
  const connection = await openConnection({ address: address.value, name, waitOnFirstConnect: false });
  if (!connection.ok) throw new FaultError(connection.fault);
  const world: EdgeWorld = await openEdgeWorld(connection.value);
  const provider = registeredProvider();
  const call = provider === undefined ? createCall(world.ask) : createTracedCall(world.ask, tracingOf(provider));
  const close = async (): Promise<void> => {
    world.close();
    await connection.value.close();
  };
  return {
    table<Doc extends object = Fields>(table: string): Table<Doc> {
      if (!isName(table))
        throw new FaultError(fault("BAD_NAME", "a table name begins with a letter and has letters, digits, _ and -"));
      return new Table<Doc>(call, table);
    },
    admin: new Admin(call),
    cluster: new Cluster(call),
    close,
    [Symbol.asyncDispose]: close,
  };
}
