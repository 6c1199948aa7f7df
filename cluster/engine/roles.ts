// Roles. Owns what each inner user may say and hear on NATS: one user per kind of actor, each with a list of what it needs and nothing more.
// R1 nobody has `>`, and no actor has a wildcard over another kind's subjects. R2 only who appends to a stream may publish on its subjects: nodes to logs and
//    load samples, control hosts to ledgers, snapshots and leases. R3 nobody may delete a stream; only control hosts may trim one. R4 answers go to the inboxes
//    of those who may ask, and to `_R_`, where the server expects answers to clients.

import type { InnerUser } from "./credentials.js";

export interface Permissions {
  readonly publish: readonly string[];
  readonly subscribe: readonly string[];
}

export const queryService = "foreshard.query.>";
export const discovery = "$SRV.>";
/** What leaders tell: nothing can be asked there, and clients only listen. */
export const events = "foreshard.event.>";

const clientAnswers = "_R_.>";
const inboxesOf = (...names: readonly InnerUser[]): string[] => names.map((name) => `_INBOX_${name}.>`);
/** To follow and to read streams. */
const reading = [
  "$JS.API.STREAM.INFO.*",
  "$JS.API.STREAM.MSG.GET.*",
  "$JS.API.CONSUMER.CREATE.*.>",
  "$JS.API.CONSUMER.DELETE.*.*",
  "$JS.FC.>",
];
/** To make a stream that is missing. */
const making = ["$JS.API.STREAM.INFO.*", "$JS.API.STREAM.CREATE.*", "$JS.API.STREAM.UPDATE.*"];

/** Without the own inbox, which everybody may hear. */
export const permissionsOf: { readonly [U in InnerUser]: Permissions } = {
  node: {
    publish: [
      ...reading,
      // A log stream that was lost is made again by whoever finds it missing.
      ...making,
      "foreshard.log.*.*",
      "foreshard.load.*",
      "foreshard.control.*.heartbeat",
      "foreshard.control.*.heartbeat.*",
      "foreshard.node.*.peer",
      clientAnswers,
      ...inboxesOf("router", "node", "core"),
    ],
    subscribe: [
      "foreshard.node.*.exec",
      "foreshard.node.*.peer",
      "foreshard.query.*.read.*",
      "foreshard.query.*.write.*",
    ],
  },
  router: {
    publish: [
      ...reading,
      "foreshard.node.*.exec",
      "foreshard.node.*.peer",
      "foreshard.control.*.admin",
      "foreshard.forecaster.ask",
      "foreshard.keeper.ask",
      "foreshard.audit",
      clientAnswers,
      ...inboxesOf("keeper", "core"),
    ],
    subscribe: ["foreshard.query.*.*", discovery],
  },
  control: {
    publish: [
      ...reading,
      ...making,
      "$JS.API.STREAM.PURGE.*",
      "foreshard.ledger.*",
      "foreshard.snapshot.*",
      "foreshard.lease.*",
      "foreshard.event.move",
      ...inboxesOf("node", "router", "core"),
    ],
    subscribe: [
      "foreshard.control.*.heartbeat",
      "foreshard.control.*.heartbeat.*",
      "foreshard.control.*.admin",
      "foreshard.control.hostDied",
      "foreshard.forecaster.said",
    ],
  },
  forecaster: {
    publish: [
      ...reading,
      ...making,
      "foreshard.forecaster.alive",
      "foreshard.forecaster.said",
      ...inboxesOf("router", "core"),
    ],
    subscribe: ["foreshard.forecaster.alive", "foreshard.forecaster.said", "foreshard.forecaster.ask"],
  },
  // The supervisor: it makes the streams, tells of deaths, and watches.
  keeper: {
    publish: [
      ...making,
      "$JS.API.INFO",
      "$JS.API.STREAM.LIST",
      "$JS.API.STREAM.MSG.GET.*",
      "foreshard.control.hostDied",
      "foreshard.query._cluster.*",
      "foreshard.audit",
      "$SRV.STATS.foreshard",
      ...inboxesOf("router", "core"),
    ],
    subscribe: [
      "foreshard.load.*",
      "foreshard.lease.*",
      "foreshard.control.*.heartbeat",
      "foreshard.control.*.heartbeat.*",
      "foreshard.forecaster.said",
      "foreshard.event.move",
      "foreshard.keeper.ask",
    ],
  },
  // Whoever holds the data folder, behind the cluster's back: planned hand-overs of streams, repair. Nothing that runs on connects as this.
  core: {
    publish: ["foreshard.>", "$JS.API.>", "$JS.ACK.>", "$JS.FC.>", clientAnswers, discovery],
    subscribe: ["foreshard.>", "$JS.EVENT.ADVISORY.>", discovery],
  },
};
