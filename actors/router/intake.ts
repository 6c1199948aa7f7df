// Intake. Owns the beginning of every request: whose it is, admission, decoding, and the table of what handles which operation.
// N1 nothing behind it sees an unchecked body. N2 a request that comes before the views, or for a table that was made a moment ago,
//    waits a little instead of being denied.

import { limits } from "../../src/config/limits.js";
import type { AskOutcome, Effect, Effects, Request, Ticket } from "../../src/kernel/effect.js";
import { none } from "../../src/kernel/effect.js";
import { type Fault, fault } from "../../src/kernel/fault.js";
import type { Hash } from "../../src/kernel/hash.js";
import type { Context } from "../../src/kernel/machine.js";
import type { Tickets } from "../../src/kernel/tickets.js";
import { type ClientGroups, groupOf } from "../../src/load/group.js";
import type { KeeperAsk } from "../../src/protocol/keeper.js";
import { subjects } from "../../src/protocol/subjects.js";
import { decodeQuery, queryOps } from "../../src/query/decode.js";
import type { Query } from "../../src/query/query.js";
import type { Admin } from "./admin.js";
import { clusterOpNames, clusterOps, type Fields, isKeeperOp } from "./cluster-ops.js";
import type { Inquiry } from "./desk.js";
import { forecastQuery } from "./forecasts.js";
import type { Kit, QueryHandler } from "./kit.js";
import type { Located, ViewSource } from "./locations.js";
import { startAggregate } from "./queries/aggregate.js";
import { startGet, startGetMany } from "./queries/get.js";
import { startScan } from "./queries/scan.js";
import { startWatch } from "./queries/watch.js";
import { startWrite } from "./queries/write.js";
import { unknownOperation, unknownTable } from "./refusals.js";

export interface Intake {
  accept(request: Request, context: Context): Effects;
  answered(ticket: Ticket, outcome: AskOutcome, context: Context): Effects | undefined;
  viewChanged(context: Context): Effects;
  expire(context: Context): Effects;
}

/** A request that waits for the views to know its table. */
interface Waiting {
  readonly inquiry: Inquiry;
  readonly table: string;
  readonly op: string;
  readonly body: unknown;
  readonly partition: number;
  /** A look that begins from now on must have ended before the table is denied. */
  readonly look: number;
  /** Give up and say that there is no such table; undefined until the views are there. */
  untilMs: number | undefined;
}

const starters: { readonly [K in Query["op"]]: QueryHandler<K> } = {
  get: startGet,
  getMany: startGetMany,
  write: startWrite,
  scan: startScan,
  aggregate: startAggregate,
  watch: startWatch,
};

export const graceTimer = "router/grace";
/** How long a table may be unknown before it is denied: longer than news takes to travel. */
const graceMs = 120;
const clusterTable = "_cluster";

export function createIntake(kit: Kit, admin: Admin, source: ViewSource, hash: Hash, tickets: Tickets): Intake {
  const { desk, locations } = kit;
  const passedOn = new Map<Ticket, { readonly inquiry: Inquiry; readonly nobody: Fault }>();
  let waiting: Waiting[] = [];
  let armed = false;

  function begin(inquiry: Inquiry, table: Located, op: string, body: unknown, context: Context): Effects {
    const query = decodeQuery(op, body, table.def, hash);
    if (!query.ok) return desk.refuse(inquiry, query.fault);
    desk.grant(inquiry, query.value.deadlineMs, context);
    return start(inquiry, table, query.value, context);
  }

  function start<K extends Query["op"]>(
    inquiry: Inquiry,
    table: Located,
    query: Extract<Query, { op: K }>,
    context: Context,
  ): Effects {
    const starter = starters[query.op] as QueryHandler<K>;
    return starter(kit, inquiry, table, query as Parameters<QueryHandler<K>>[3], context);
  }

  function onTable(inquiry: Inquiry, table: string, op: string, body: unknown, context: Context): Effects {
    if (!queryOps.includes(op)) return desk.refuse(inquiry, unknownOperation(op, queryOps));
    const located = locations.table(table);
    if (located !== undefined) return begin(inquiry, located, op, body, context);
    inquiry.waitingFor = "the cluster's tables are not known here yet";
    const untilMs = locations.ready() ? context.nowMs + graceMs : undefined;
    const partition = locations.partitionOf(table);
    const look = source.looks(partition).begun + 1;
    waiting.push({ inquiry, table, op, body, partition, look, untilMs });
    return [...source.hint(partition, 0), ...arm()];
  }

  function arm(): Effects {
    if (armed || waiting.length === 0) return none;
    armed = true;
    return [{ kind: "wake", name: graceTimer, afterMs: graceMs / 4 }];
  }

  function onCluster(inquiry: Inquiry, op: string, body: unknown, context: Context): Effects {
    const handler = Object.hasOwn(clusterOps, op) ? clusterOps[op] : undefined;
    if (handler === undefined) return desk.refuse(inquiry, unknownOperation(op, clusterOpNames));
    const fields = body === undefined || body === null || body === "" ? {} : body;
    if (!isFields(fields)) return desk.refuse(inquiry, fault("BAD_REQUEST", "the body must be an object"));
    const deadline = fields.deadlineMs ?? limits.defaultDeadlineMs * 2;
    if (typeof deadline !== "number" || !(deadline > 0) || deadline > limits.deadlineMs)
      return desk.refuse(
        inquiry,
        fault("BAD_REQUEST", `deadlineMs is a number above 0, at most ${limits.deadlineMs}`, {
          limit: limits.deadlineMs,
        }),
      );
    desk.grant(inquiry, deadline, context);
    if (kit.config.reach === "edge")
      return passOn(inquiry, subjects.cluster(op), { ...fields, deadlineMs: deadline }, deadline, noRouter);
    if (isKeeperOp(op)) {
      const asked: KeeperAsk = { op, by: inquiry.user, body: fields };
      return passOn(inquiry, subjects.keeperAsk, asked, deadline, noKeeper);
    }
    return op === "forecast" ? onForecast(inquiry, fields, deadline) : handler(kit, admin, inquiry, fields, context);
  }

  /** What another answers: for an edge router a router of the cluster, for forecasts a forecaster, for what concerns processes and users the supervisor. */
  function passOn(inquiry: Inquiry, subject: string, body: object, deadlineMs: number, nobody: Fault): Effects {
    const ticket = tickets.next();
    passedOn.set(ticket, { inquiry, nobody });
    const ask = { kind: "ask", subject, body, timeoutMs: deadlineMs, ticket } as const;
    return [inquiry.trace === undefined ? ask : { ...ask, behalf: [{ trace: inquiry.trace }] }];
  }

  function onForecast(inquiry: Inquiry, fields: Fields, deadlineMs: number): Effects {
    const query = forecastQuery(locations, fields);
    if (!query.ok) return desk.refuse(inquiry, query.fault);
    return passOn(inquiry, subjects.forecasterAsk, query.value, deadlineMs, noForecaster);
  }

  /** Starts what can start; denies what has waited long enough. */
  function look(context: Context): Effects {
    const effects: Effect[] = [];
    const still: Waiting[] = [];
    const all = waiting;
    waiting = [];
    for (const wait of all) {
      if (wait.inquiry.finished) continue;
      const located = locations.table(wait.table);
      if (located !== undefined) {
        wait.inquiry.waitingFor = undefined;
        effects.push(...begin(wait.inquiry, located, wait.op, wait.body, context));
        continue;
      }
      if (wait.untilMs === undefined && locations.ready()) wait.untilMs = context.nowMs + graceMs;
      const looked = source.looks(wait.partition).ended >= wait.look;
      if (looked && wait.untilMs !== undefined && context.nowMs >= wait.untilMs) {
        effects.push(...desk.refuse(wait.inquiry, unknownTable(wait.table)));
        continue;
      }
      if (!looked && source.looks(wait.partition).begun < wait.look) effects.push(...source.hint(wait.partition, 0));
      still.push(wait);
    }
    waiting.push(...still);
    return effects;
  }

  return {
    accept(request, context) {
      const group = groupOf(request.user, kit.config.clientGroups ?? noGroups);
      const admitted = desk.admit(request.from, { user: request.user, group, trace: request.trace }, context);
      if (!admitted.ok) return [{ kind: "reply", to: request.from, body: { fault: admitted.fault } }];
      const { table, op, isKnown } = asked(request.subject);
      if (!isKnown) return desk.refuse(admitted.value, unknownOperation(op, queryOps));
      return table === clusterTable
        ? onCluster(admitted.value, op, request.body, context)
        : onTable(admitted.value, table, op, request.body, context);
    },
    answered(ticket, outcome) {
      const passed = passedOn.get(ticket);
      if (passed === undefined) return undefined;
      passedOn.delete(ticket);
      const { inquiry, nobody } = passed;
      if (outcome.kind === "answer" && typeof outcome.body === "object" && outcome.body !== null)
        return desk.answer(inquiry, outcome.body);
      return desk.refuse(inquiry, outcome.kind === "nobody" ? nobody : noAnswer);
    },
    viewChanged: (context) => (waiting.length === 0 ? none : look(context)),
    expire(context) {
      armed = false;
      return [...look(context), ...arm()];
    },
  };
}

interface Asked {
  readonly table: string;
  readonly op: string;
  /** The subject has the form of one that can be asked. */
  readonly isKnown: boolean;
}

const noGroups: ClientGroups = {};
const mostSubjects = 1024;
/** What was asked of late: the same few subjects come again and again. */
const subjectsSeen = new Map<string, Asked>();

function asked(subject: string): Asked {
  const seen = subjectsSeen.get(subject);
  if (seen !== undefined) return seen;
  const [, , table = "", ...rest] = subject.split(".");
  const op = rest.join(".");
  const made = { table, op, isKnown: rest.length === 1 && op !== "" };
  if (subjectsSeen.size >= mostSubjects) subjectsSeen.clear();
  subjectsSeen.set(subject, made);
  return made;
}

const noRouter = fault("UNAVAILABLE", "no router of the cluster answers: is it running, and may this user ask it?");
const noKeeper = fault(
  "UNAVAILABLE",
  "the supervisor of the cluster does not answer: is it running, on the machine where the cluster was started?",
);
const noForecaster = fault(
  "UNAVAILABLE",
  "no forecaster answers: is one starting, or was the cluster started with --forecasters 0?",
);
const noAnswer = fault(
  "UNKNOWN_OUTCOME",
  "the router did not answer in time; look whether it was carried out before trying again",
);

function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
