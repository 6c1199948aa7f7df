// Admin. Owns requests that change the cluster: decoded here, carried to the leader of the right partition, tried again until the deadline.
// M1 a table is created once: when an earlier try may have worked, finding the same table is success.
// M2 `createTable` answers when this router's own view has the table and its fragments serve, or when time is nearly over.

import { decodeProfile } from "../../src/forecast/profile-form.js";
import type { AskOutcome, Effect, Effects, Ticket } from "../../src/kernel/effect.js";
import { none } from "../../src/kernel/effect.js";
import { type Fault, fail, fault, type Result, retryOf } from "../../src/kernel/fault.js";
import type { Hash } from "../../src/kernel/hash.js";
import type { Context } from "../../src/kernel/machine.js";
import type { Tickets } from "../../src/kernel/tickets.js";
import { partitionOfMove } from "../../src/ledger/move.js";
import type { ClusterView } from "../../src/ledger/view.js";
import type { AdminAnswer, AdminRequest } from "../../src/protocol/control.js";
import { decodeAdminAnswer, type LooseAdminRequest } from "../../src/protocol/control-codec.js";
import { subjects } from "../../src/protocol/subjects.js";
import type { RouterConfig } from "../router.js";
import type { Fields } from "./cluster-ops.js";
import { createTableRequest, nameIn } from "./create-table.js";
import type { Desk, Inquiry } from "./desk.js";
import { faultIn } from "./faults.js";
import { createHot } from "./hot.js";
import type { Locations } from "./locations.js";
import { listRequest, moveRequest, namedMove, replicasRequest, verifyRequest } from "./move-requests.js";
import { unknownTable } from "./refusals.js";
import { endOf, mergeRequest, splitRequest } from "./reshape-requests.js";

export interface Admin {
  createTable(inquiry: Inquiry, body: Fields, context: Context): Effects;
  dropTable(inquiry: Inquiry, body: Fields, context: Context): Effects;
  drainNode(inquiry: Inquiry, body: Fields, draining: boolean, context: Context): Effects;
  removeNode(inquiry: Inquiry, body: Fields, context: Context): Effects;
  move(inquiry: Inquiry, body: Fields, context: Context): Effects;
  /** `cancel` before the hand-over, roll back after it. */
  endMove(inquiry: Inquiry, body: Fields, cancel: boolean, context: Context): Effects;
  moves(inquiry: Inquiry, body: Fields, context: Context): Effects;
  verify(inquiry: Inquiry, body: Fields, context: Context): Effects;
  setReplicas(inquiry: Inquiry, body: Fields, context: Context): Effects;
  putProfile(inquiry: Inquiry, body: Fields, context: Context): Effects;
  removeProfile(inquiry: Inquiry, body: Fields, context: Context): Effects;
  /** Both answer when it is done, or cannot be. */
  plan(inquiry: Inquiry, context: Context): Effects;
  setPolicy(inquiry: Inquiry, body: Fields, context: Context): Effects;
  split(inquiry: Inquiry, body: Fields, context: Context): Effects;
  merge(inquiry: Inquiry, body: Fields, context: Context): Effects;
  hot(inquiry: Inquiry, body: Fields): Effects;
  answered(ticket: Ticket, outcome: AskOutcome, context: Context): Effects | undefined;
  /** The pause of a refused order is over. */
  retry(context: Context): Effects;
  viewChanged(): Effects;
}

/** One request on its way to one leader. */
interface Order {
  readonly inquiry: Inquiry;
  readonly partition: number;
  readonly request: AdminRequest | LooseAdminRequest;
  tries: number;
  maybeDone: boolean;
  done(answer: Done): Effects;
}

type Done = Extract<AdminAnswer, { done: true }>;

export const adminTimer = "router/admin";
const mostOrders = 256;
const pauseMs = 60;

export function createAdmin(
  config: RouterConfig,
  desk: Desk,
  locations: Locations,
  hash: Hash,
  tickets: Tickets,
): Admin {
  const hot = createHot(desk, locations, tickets, config.timing.askTimeoutMs);
  const asked = new Map<Ticket, Order>();
  let paused: Order[] = [];
  let waiting: { readonly inquiry: Inquiry; ready(): object | undefined }[] = [];

  function submit(order: Order, context: Context): Effects {
    if (asked.size + paused.length >= mostOrders)
      return desk.refuse(
        order.inquiry,
        fault("OVERLOADED", "too many changes are under way; try again later", { retryAfterMs: 200 }),
      );
    return ask(order, context);
  }

  function ask(order: Order, context: Context): Effects {
    const leftMs = Math.max(1, Math.ceil(order.inquiry.deadlineMs - context.nowMs));
    const ticket = tickets.next();
    asked.set(ticket, order);
    return [
      {
        kind: "ask",
        subject: subjects.admin(order.partition),
        body: order.request,
        timeoutMs: Math.min(leftMs, config.timing.appendTimeoutMs * 2),
        ticket,
      },
    ];
  }

  function pause(order: Order, why: string): Effects {
    order.inquiry.waitingFor = why;
    order.tries++;
    paused.push(order);
    return paused.length === 1 ? [{ kind: "wake", name: adminTimer, afterMs: pauseMs }] : none;
  }

  function onAnswer(order: Order, outcome: AskOutcome): Effects {
    if (order.inquiry.finished) return none;
    const leader = `the leader of control partition ${order.partition}`;
    if (outcome.kind === "nobody") return pause(order, `${leader} is not there`);
    if (outcome.kind === "timeout") {
      order.maybeDone = true;
      return pause(order, `${leader} did not answer in time`);
    }
    const carried = faultIn(outcome.body);
    if (carried !== undefined) return onRefusal(order, carried);
    const answer = decodeAdminAnswer(outcome.body);
    if (!answer.ok) return desk.refuse(order.inquiry, answer.fault);
    return "fault" in answer.value ? onRefusal(order, answer.value.fault) : order.done(answer.value);
  }

  function onRefusal(order: Order, why: Fault): Effects {
    const retry = retryOf(why.code);
    if (retry === "ask") order.maybeDone = true;
    if (retry !== "no") return pause(order, why.message);
    if (order.maybeDone && sameOutcome(order, why)) return order.done(doneBefore(why));
    return desk.refuse(order.inquiry, why);
  }

  /** A try that got no answer did it: the refusal of the next try says so. */
  function sameOutcome({ request }: Order, why: Fault): boolean {
    if (request.kind === "dropTable") return why.code === "UNKNOWN_TABLE";
    if (request.kind === "removeNode") return why.code === "UNKNOWN_NODE";
    if (request.kind === "removeProfile") return why.code === "UNKNOWN_PROFILE";
    if (request.kind === "moveFragment") return why.detail?.to === request.to;
    if (request.kind === "cancelMove") return why.detail?.outcome === "cancelled";
    if (request.kind === "rollbackMove") return why.detail?.outcome === "rolledBack";
    if (request.kind !== "createTable" || why.code !== "TABLE_EXISTS") return false;
    const found = locations.table(request.name)?.def;
    return (
      found === undefined ||
      (found.partitioning === request.partitioning &&
        found.key.partition === request.key.partition &&
        found.key.sort === request.key.sort)
    );
  }

  function waitFor(inquiry: Inquiry, what: string, ready: () => object | undefined): Effects {
    const now = ready();
    if (now !== undefined) return desk.answer(inquiry, now);
    inquiry.waitingFor = what;
    waiting.push({ inquiry, ready });
    return none;
  }

  /** A request to every partition; answers when all have done it. */
  function everywhere(
    inquiry: Inquiry,
    request: AdminRequest,
    context: Context,
    summary: (answers: readonly Done[]) => object = () => ({ done: true }),
  ): Effects {
    const views = locations.views();
    const answers: Done[] = [];
    const effects: Effect[] = [];
    for (const { partition } of views) {
      const done = (answer: Done): Effects => {
        answers.push(answer);
        return answers.length === views.length ? desk.answer(inquiry, summary(answers)) : none;
      };
      effects.push(...submit({ inquiry, partition, request, tries: 0, maybeDone: false, done }, context));
    }
    return effects;
  }

  /** To the leader of a table's partition. */
  function toTable(
    inquiry: Inquiry,
    table: string,
    request: AdminRequest,
    context: Context,
    summary: (answer: Done) => object,
  ): Effects {
    if (locations.table(table) === undefined) return desk.refuse(inquiry, unknownTable(table));
    const done = (answer: Done): Effects => desk.answer(inquiry, summary(answer));
    const partition = locations.partitionOf(table);
    return submit({ inquiry, partition, request, tries: 0, maybeDone: false, done }, context);
  }

  /** To the leader of the first control partition. */
  function toFirst(inquiry: Inquiry, request: AdminRequest, answer: object, context: Context): Effects {
    const done = (): Effects => desk.answer(inquiry, answer);
    return submit({ inquiry, partition: 0, request, tries: 0, maybeDone: false, done }, context);
  }

  function reshape(
    inquiry: Inquiry,
    request: Extract<LooseAdminRequest, { kind: "splitFragment" | "mergeFragments" }>,
    kind: "split" | "merge",
    fragment: number,
    context: Context,
  ): Effects {
    if (locations.table(request.table) === undefined) return desk.refuse(inquiry, unknownTable(request.table));
    const partition = locations.partitionOf(request.table);
    const view = (): ClusterView | undefined => locations.views().find((one) => one.partition === partition);
    const done = ({ viewSeq }: Done): Effects =>
      waitFor(inquiry, `the ${kind} of fragment ${fragment} has begun`, () => endOf(view(), kind, fragment, viewSeq));
    return submit({ inquiry, partition, request, tries: 0, maybeDone: false, done }, context);
  }

  function nodeIn(body: Fields): Result<string> {
    const node = nameIn(body, "node");
    if (!node.ok) return node;
    const known = locations.views().flatMap((view) => [...view.nodes.keys()]);
    if (known.includes(node.value)) return node;
    return fail("UNKNOWN_NODE", `there is no node ${node.value}; there are ${[...new Set(known)].sort().join(", ")}`, {
      node: node.value,
    });
  }

  function serving(name: string): object | undefined {
    const table = locations.table(name);
    if (table === undefined) return undefined;
    const fragments = locations.fragmentsIn(table, new Uint8Array(0), undefined);
    if (fragments.length === 0 || fragments.some((fragment) => fragment.activatedEpoch === 0)) return undefined;
    return { table: name, fragments: fragments.length, replicas: table.def.replicas };
  }

  return {
    createTable(inquiry, body, context) {
      const request = createTableRequest(body, hash, config.tableReplicas);
      if (!request.ok) return desk.refuse(inquiry, request.fault);
      const { name } = request.value;
      const done = (): Effects =>
        waitFor(inquiry, `table ${name} was created; its fragments are still opening`, () => serving(name));
      const partition = locations.partitionOf(name);
      return submit({ inquiry, partition, request: request.value, tries: 0, maybeDone: false, done }, context);
    },
    dropTable(inquiry, body, context) {
      const name = nameIn(body, "name");
      if (!name.ok) return desk.refuse(inquiry, name.fault);
      if (locations.table(name.value) === undefined) return desk.refuse(inquiry, unknownTable(name.value));
      const gone = (): object | undefined =>
        locations.table(name.value) === undefined ? { dropped: name.value } : undefined;
      const done = (): Effects => waitFor(inquiry, `table ${name.value} was dropped`, gone);
      const partition = locations.partitionOf(name.value);
      const request: AdminRequest = { kind: "dropTable", name: name.value };
      return submit({ inquiry, partition, request, tries: 0, maybeDone: false, done }, context);
    },
    drainNode(inquiry, body, draining, context) {
      const node = nodeIn(body);
      if (!node.ok) return desk.refuse(inquiry, node.fault);
      return everywhere(inquiry, { kind: "drainNode", node: node.value, draining, by: inquiry.group }, context);
    },
    removeNode(inquiry, body, context) {
      const node = nodeIn(body);
      if (!node.ok) return desk.refuse(inquiry, node.fault);
      return everywhere(inquiry, { kind: "removeNode", node: node.value }, context);
    },
    move(inquiry, body, context) {
      const request = moveRequest(body, inquiry.group);
      if (!request.ok) return desk.refuse(inquiry, request.fault);
      return toTable(inquiry, request.value.table, request.value, context, ({ move }) => ({ move: move ?? null }));
    },
    endMove(inquiry, body, cancel, context) {
      const move = namedMove(body, cancel ? "cancelMove" : "rollbackMove");
      if (!move.ok) return desk.refuse(inquiry, move.fault);
      const by = inquiry.group;
      const request: AdminRequest = { kind: cancel ? "cancelMove" : "rollbackMove", move: move.value, by };
      const partition = partitionOfMove(move.value, Math.max(1, locations.views().length));
      const done = (): Effects =>
        desk.answer(inquiry, cancel ? { cancelled: move.value } : { rollingBack: move.value });
      return submit({ inquiry, partition, request, tries: 0, maybeDone: false, done }, context);
    },
    moves(inquiry, body, context) {
      const request = listRequest(body);
      if (!request.ok) return desk.refuse(inquiry, request.fault);
      return everywhere(inquiry, request.value, context, (answers) => ({
        moves: answers.flatMap(({ moves }) => moves ?? []).sort((a, b) => a.startedMs - b.startedMs),
      }));
    },
    verify(inquiry, body, context) {
      const request = verifyRequest(body);
      if (!request.ok) return desk.refuse(inquiry, request.fault);
      return toTable(inquiry, request.value.table, request.value, context, ({ verify }) => ({
        fragments: verify ?? [],
      }));
    },
    setReplicas(inquiry, body, context) {
      const request = replicasRequest(body);
      if (!request.ok) return desk.refuse(inquiry, request.fault);
      const { table, fragment, count } = request.value;
      return toTable(inquiry, table, request.value, context, () => ({ table, fragment, replicas: count }));
    },
    putProfile(inquiry, body, context) {
      const { deadlineMs: _, ...form } = body;
      const profile = decodeProfile(form, (name) => locations.table(name)?.def, hash, context.wallMs);
      if (!profile.ok) return desk.refuse(inquiry, profile.fault);
      const { name } = profile.value;
      return toFirst(inquiry, { kind: "putProfile", profile: profile.value }, { profile: name }, context);
    },
    removeProfile(inquiry, body, context) {
      const name = nameIn(body, "name");
      if (!name.ok) return desk.refuse(inquiry, name.fault);
      return toFirst(inquiry, { kind: "removeProfile", name: name.value }, { removed: name.value }, context);
    },
    plan(inquiry, context) {
      return everywhere(inquiry, { kind: "showPlan" }, context, (answers) => ({
        plans: answers.flatMap(({ plan }) => plan ?? []),
      }));
    },
    setPolicy(inquiry, body, context) {
      const { deadlineMs: _, policy } = body;
      const request: AdminRequest = { kind: "setPolicy", change: policy, by: inquiry.group };
      return everywhere(inquiry, request, context, () => ({ changed: true }));
    },
    split(inquiry, body, context) {
      const request = splitRequest(body, inquiry.group);
      if (!request.ok) return desk.refuse(inquiry, request.fault);
      return reshape(inquiry, request.value, "split", request.value.fragment, context);
    },
    merge(inquiry, body, context) {
      const request = mergeRequest(body, inquiry.group);
      if (!request.ok) return desk.refuse(inquiry, request.fault);
      return reshape(inquiry, request.value, "merge", request.value.left, context);
    },
    hot: (inquiry, body) => hot.ask(inquiry, body),
    answered(ticket, outcome) {
      const order = asked.get(ticket);
      if (order === undefined) return hot.answered(ticket, outcome);
      asked.delete(ticket);
      return onAnswer(order, outcome);
    },
    retry(context) {
      const due = paused.filter((order) => !order.inquiry.finished);
      paused = [];
      return due.flatMap((order) => ask(order, context));
    },
    viewChanged() {
      if (waiting.length === 0) return none;
      const effects: Effect[] = [];
      const still: typeof waiting = [];
      for (const wait of waiting) {
        if (wait.inquiry.finished) continue;
        const body = wait.ready();
        if (body === undefined) still.push(wait);
        else effects.push(...desk.answer(wait.inquiry, body));
      }
      waiting = still;
      return effects;
    },
  };
}

/** What an earlier try did, as the refusal of the next one tells it. */
function doneBefore({ detail }: Fault): Done {
  return { done: true, viewSeq: 0, ...(typeof detail?.move === "number" ? { move: detail.move } : {}) };
}
