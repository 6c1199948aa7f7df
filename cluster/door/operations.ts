// Operations. Owns what the query service says about each operation to whoever discovers it: a sentence, and the shape of body and answer.
// The handlers are in the router; a test checks that both know the same operations.

export interface OperationInfo {
  readonly description: string;
  readonly body: string;
  readonly answer: string;
}

export const tableOperations: Readonly<Record<string, OperationInfo>> = {
  get: {
    description: "one row by key",
    body: "{key, read?, fields?, deadlineMs?}",
    answer: "{row: {key, version, doc} | null}",
  },
  getMany: {
    description: "several rows by key, in the order of the keys",
    body: "{keys, read?, fields?, deadlineMs?}",
    answer: "{rows: [{key, version, doc} | null]}",
  },
  put: {
    description: "write a row, whatever was there",
    body: "{key, doc, ifVersion?, requestId?, deadlineMs?}",
    answer: "{version}",
  },
  insert: {
    description: "write a row that must not be there yet",
    body: "{key, doc, requestId?, deadlineMs?}",
    answer: "{version}",
  },
  update: {
    description: "merge a patch into a row (RFC 7386)",
    body: "{key, patch, ifVersion?, requestId?, deadlineMs?}",
    answer: "{version}",
  },
  delete: {
    description: "delete a row",
    body: "{key, ifVersion?, requestId?, deadlineMs?}",
    answer: "{version}",
  },
  batch: {
    description: "several writes of one fragment, all or none",
    body: "{steps: [{act, key, doc?, patch?, ifVersion?}], requestId?, deadlineMs?}",
    answer: "{versions}",
  },
  scan: {
    description: "rows of a range in key order, in pages",
    body: "{partition?, from?, to?, reverse?, limit?, filter?, fields?, cursor?, read?, deadlineMs?}",
    answer: "{rows: [{key, version, doc}], cursor: string | null}",
  },
  aggregate: {
    description: "count, sum, min, max, avg over a range, in groups",
    body: "{aggregates: [{fn, field?, as?}], groupBy?, partition?, from?, to?, filter?, read?, deadlineMs?}",
    answer: "{groups: [{group, <as>: value}], rowsSeen}",
  },
  watch: {
    description: "changes after a cursor, or from now on; waits for the first",
    body: "{cursor?, waitMs?, limit?, filter?}",
    answer: "{changes: [{key, version, doc | null}], cursor}",
  },
};

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
};
