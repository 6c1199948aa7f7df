// Operations. Owns what the query service says about each operation to whoever discovers it: a sentence, and the shape of body and answer.
// The handlers are in the router; a test checks that both know the same operations.

import { isQueryOp } from "../../src/query/decode.js";
import { shapes } from "../../src/query/request.js";

export interface OperationInfo {
  readonly description: string;
  /** Fields of the body. */
  readonly body: string;
  readonly answer: string;
}

const words: { readonly [O in keyof typeof shapes]: Omit<OperationInfo, "body"> } = {
  get: {
    description: "one row by key",
    answer: "{row: {key, version, doc} | null}",
  },
  getMany: {
    description: "several rows by key, in the order of the keys",
    answer: "{rows: [{key, version, doc} | null]}",
  },
  put: {
    description: "write a row, whatever was there",
    answer: "{version}",
  },
  insert: {
    description: "write a row that must not be there yet",
    answer: "{version}",
  },
  update: {
    description: "merge a patch into a row (RFC 7386)",
    answer: "{version}",
  },
  delete: {
    description: "delete a row",
    answer: "{version}",
  },
  batch: {
    description: "several writes of one fragment, all or none",
    answer: "{versions}",
  },
  scan: {
    description: "rows of a range in key order, in pages",
    answer: "{rows: [{key, version, doc}], cursor: string | null}",
  },
  aggregate: {
    description: "count, sum, min, max, avg over a range, in groups",
    answer: "{groups: [{group, <as>: value}], rowsSeen}",
  },
  watch: {
    description: "changes after a cursor, or from now on; waits for the first",
    answer: "{changes: [{key, version, doc | null}], cursor}",
  },
};

/** The fields are those of the decoder, so that they cannot disagree. */
export const tableOperations: Readonly<Record<string, OperationInfo>> = Object.fromEntries(
  Object.entries(words).map(([op, info]) => [op, { ...info, body: fieldsOf(op) }]),
);

function fieldsOf(op: string): string {
  const shape = isQueryOp(op) ? shapes[op].shape : {};
  return `{${Object.keys(shape).join(", ")}}`;
}

export const clusterOperations: Readonly<Record<string, OperationInfo>> = {
  ping: { description: "is a router there", body: "{}", answer: "{pong, router}" },
  tables: {
    description: "all tables",
    body: "{}",
    answer: "{tables: [{name, partitioning, key, replicas, fragments, serving}]}",
  },
  table: { description: "one table and its fragments", body: "{name}", answer: "{table, fragments}" },
  nodes: { description: "all nodes, and the leaders", body: "{}", answer: "{nodes, partitions}" },
  fragments: { description: "fragments, of one table or all", body: "{table?, skip?}", answer: "{fragments, next}" },
  ring: { description: "share of each node", body: "{}", answer: "{ring}" },
  view: {
    description: "compact locations for client libraries",
    body: "{partition, seq?, skip?}",
    answer: "{view} | {unchanged, seq}",
  },
  forecast: {
    description:
      "queries per second of a table's fragments in the next steps, as quantiles, with the forecasters' own record",
    body: "{table, fragment?, group?, horizon?, skip?, deadlineMs?}",
    answer: "{table, horizon, stepMs, levels, total, series, next, forecasters}",
  },
  profiles: { description: "demand that client groups have declared", body: "{}", answer: "{profiles}" },
  putProfile: {
    description: "declare demand of a client group, or a calendar event for all groups",
    body: "{name, group, tables, schedule, timeZone?, duration, rates | factor, expires, deadlineMs?}",
    answer: "{profile}",
  },
  removeProfile: { description: "take a declared profile back", body: "{name}", answer: "{removed}" },
  incidents: { description: "what was found wrong and what became of it", body: "{}", answer: "{incidents}" },
  createTable: {
    description: "make a table",
    body: "{name, partitioning?, key?, fragments?, splitAt?, replicas?, deadlineMs?}",
    answer: "{table, fragments, replicas}",
  },
  dropTable: { description: "drop a table and its rows", body: "{name}", answer: "{dropped}" },
  drain: { description: "move everything away from a node", body: "{node}", answer: "{done}" },
  undrain: { description: "let a drained node hold data again", body: "{node}", answer: "{done}" },
  removeNode: { description: "forget a node that is down", body: "{node}", answer: "{done}" },
  split: {
    description: "cut a fragment in two: at a key, or where its load is halved",
    body: "{table, fragment, at?, deadlineMs?}",
    answer: "{fragment, child}",
  },
  merge: {
    description: "make one fragment of two neighbours",
    body: "{table, left, right, deadlineMs?}",
    answer: "{fragment, merged}",
  },
  hot: { description: "keys that are asked for most", body: "{table?}", answer: "{fragments, silent}" },
  move: {
    description: "move a fragment's replica, or its primary role, to another node",
    body: "{table, fragment, to, from?, strategy?, role?, withinMs?, why?}",
    answer: "{move}",
  },
  cancelMove: { description: "end a move before its hand-over", body: "{move}", answer: "{cancelled}" },
  rollbackMove: { description: "take a move back after its hand-over", body: "{move}", answer: "{rollingBack}" },
  moves: { description: "moves under way, or past ones", body: "{history?}", answer: "{moves}" },
  verify: {
    description: "whether the copies of a table's fragments are the same, and where not",
    body: "{table, fragment?, begin?}",
    answer: "{fragments}",
  },
  plan: {
    description:
      "what the planner would do now and why, what it rejected, risks before and after, advice, and its policy",
    body: "{}",
    answer: "{plans: [{partition, policy, actions, rejected, findings, risks, advice} | {partition, policy, silence}]}",
  },
  setPolicy: {
    description: "change how the planner may act; fields that are not given stay as they are",
    body: "{policy}",
    answer: "{changed}",
  },
  replicas: {
    description: "give a fragment another number of replicas than its table; 0 takes that back",
    body: "{table, fragment, replicas}",
    answer: "{table, fragment, replicas}",
  },
  users: { description: "users that were added for clients", body: "{}", answer: "{users}" },
  addUser: {
    description: "let somebody in: a user with a role on tables; the answer alone holds the password",
    body: "{user, role, tables?, reads?, limits?}",
    answer: "{user, pass, inboxPrefix, servers}",
  },
  removeUser: { description: "shut a user out; its connections end", body: "{user}", answer: "{removed}" },
  rotateUser: {
    description: "give a user a new password; its connections with the old one end",
    body: "{user}",
    answer: "{user, pass, inboxPrefix, servers}",
  },
  audit: {
    description: "who asked for changes of the cluster, and what was decided, newest first",
    body: "{limit?, before?}",
    answer: "{acts: [{seq, atMs, user, op, what, phase, decision?}], next}",
  },
  rollingRestart: {
    description: "restart all hosts, and the nats-servers if there are three, one after the other",
    body: "{}",
    answer: "{begun}",
  },
  restartState: {
    description: "how far a rolling restart is",
    body: "{}",
    answer: "{running, done, left, now, failed}",
  },
};
