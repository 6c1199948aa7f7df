// Kernel. Owns the mailboxes and outboxes of one host's actors and the order in which they step.
// The same kernel runs in production (over NATS, LMDB, threads) and in the simulator: it is synchronous and touches nothing.
// K3 one message steps at a time; effects of a step are carried out before the next step.
// K4 requests are bounded by the actor's mailbox limit: past it they are answered OVERLOADED. Tells and answers of the world always fit:
//    each stems from a request that was let in, or from an effect that the actor itself asked for.
// K5 an actor that throws is stopped and its parent is told `childFailed`; one without a parent is reported to the world.

import type { ActorId, Effect, ReplyTo, Request, Ticket, WorldMessage } from "./effect.js";
import { type Fault, fault } from "./fault.js";
import { IdMap } from "./id-map.js";
import type { Actor, Context, Message } from "./machine.js";
import type { Random } from "./random.js";

/** What the kernel cannot do itself. The world answers through `deliver`. */
export interface World {
  nowMs(): number;
  wallMs(): number;
  /** Carries out everything but tell, settle, spawn, stop and held replies. */
  perform(actor: ActorId, effect: Outward): void;
  /** Sends a reply now. */
  reply(to: ReplyTo, body: unknown): void;
  /** The actor ended: drop its timers and follows. */
  forget(actor: ActorId): void;
  /** An actor without parent threw. */
  crashed(actor: ActorId, error: unknown): void;
  /** Something is waiting: call `run` soon. */
  scheduled(): void;
}

export type Outward = Exclude<Effect, { kind: "tell" | "reply" | "settle" | "spawn" | "stop" }>;

interface Held {
  readonly to: ReplyTo;
  readonly body: unknown;
}

interface Slot {
  readonly actor: Actor<Message>;
  readonly parent: ActorId | undefined;
  readonly random: Random;
  /** The outbox: replies that wait for their ticket (I1). */
  readonly held: IdMap<Held[]>;
  waiting: number;
}

interface Envelope {
  readonly to: ActorId;
  readonly message: Message;
  readonly bounded: boolean;
}

export class Kernel {
  private readonly slots = new Map<ActorId, Slot>();
  private queue: Envelope[] = [];
  private head = 0;
  private refused = 0;

  constructor(
    private readonly world: World,
    private readonly random: Random,
  ) {}

  /** Adds an actor. Throws when the id is taken: two owners of one name are a bug. */
  spawn(id: ActorId, actor: Actor, parent?: ActorId): void {
    if (this.slots.has(id)) throw new Error(`actor ${id} exists`);
    this.slots.set(id, {
      actor: actor as Actor<Message>,
      parent,
      random: this.random.fork(id),
      held: new IdMap(),
      waiting: 0,
    });
  }

  has(id: ActorId): boolean {
    return this.slots.has(id);
  }

  actorIds(): ActorId[] {
    return [...this.slots.keys()];
  }

  /** Hands an answer of the world, or a start message, to an actor; one that is gone is ignored. */
  deliver(to: ActorId, message: WorldMessage | Message): void {
    this.enqueue({ to, message, bounded: false });
  }

  /** Hands in a request; one that finds nobody or a full mailbox is answered with a fault at once. */
  request(to: ActorId, request: Request): void {
    const slot = this.slots.get(to);
    if (slot === undefined) {
      this.world.reply(request.from, { fault: fault("UNAVAILABLE", `nobody answers at ${to} right now; try again`) });
      return;
    }
    if (slot.waiting >= slot.actor.mailboxLimit) {
      this.refused++;
      this.world.reply(request.from, {
        fault: fault("OVERLOADED", "too many requests are waiting; try again later", { retryAfterMs: 50 }),
      });
      return;
    }
    this.enqueue({ to, message: request, bounded: true });
  }

  /** Messages waiting over all mailboxes, and requests refused since the start. */
  load(): { readonly waiting: number; readonly refused: number; readonly actors: number } {
    return { waiting: this.queue.length - this.head, refused: this.refused, actors: this.slots.size };
  }

  /** Steps up to `budget` messages; returns how many are left. */
  run(budget: number): number {
    for (let done = 0; done < budget && this.head < this.queue.length; done++) {
      const envelope = this.queue[this.head++] as Envelope;
      this.stepOne(envelope);
    }
    if (this.head === this.queue.length) {
      this.queue = [];
      this.head = 0;
    } else if (this.head > 4096) {
      this.queue = this.queue.slice(this.head);
      this.head = 0;
    }
    return this.queue.length - this.head;
  }

  private enqueue(envelope: Envelope): void {
    if (envelope.bounded) {
      const slot = this.slots.get(envelope.to);
      if (slot !== undefined) slot.waiting++;
    }
    this.queue.push(envelope);
    if (this.queue.length - this.head === 1) this.world.scheduled();
  }

  private stepOne(envelope: Envelope): void {
    const slot = this.slots.get(envelope.to);
    if (slot === undefined) return;
    if (envelope.bounded) slot.waiting--;
    const context: Context = { nowMs: this.world.nowMs(), wallMs: this.world.wallMs(), random: slot.random };
    try {
      const effects = slot.actor.step(envelope.message, context);
      for (const effect of effects) this.carryOut(envelope.to, slot, effect);
    } catch (error) {
      this.failed(envelope.to, slot, error);
    }
  }

  private failed(id: ActorId, slot: Slot, error: unknown): void {
    this.stop(
      id,
      fault(
        "UNKNOWN_OUTCOME",
        "the part that served this request failed and is being restarted; retry with the same request id",
      ),
    );
    if (slot.parent !== undefined && this.slots.has(slot.parent)) {
      this.deliver(slot.parent, {
        kind: "childFailed",
        id,
        error: error instanceof Error ? (error.stack ?? error.message) : String(error),
      });
    } else {
      this.world.crashed(id, error);
    }
  }

  private carryOut(id: ActorId, slot: Slot, effect: Effect): void {
    switch (effect.kind) {
      case "tell":
        return this.enqueue({ to: effect.to, message: effect.message as Message, bounded: false });
      case "reply":
        return this.replyOrHold(slot, effect);
      case "settle":
        return this.settle(slot, effect.ticket, effect.fault);
      case "spawn":
        return this.spawn(effect.id, effect.actor, id);
      case "stop":
        return this.stop(
          effect.id,
          fault("UNKNOWN_OUTCOME", "the part that served this request moved away; retry with the same request id"),
        );
      default:
        return this.world.perform(id, effect);
    }
  }

  private replyOrHold(slot: Slot, effect: Extract<Effect, { kind: "reply" }>): void {
    if (effect.after === undefined) return this.world.reply(effect.to, effect.body);
    const held = slot.held.get(effect.after);
    if (held === undefined) slot.held.set(effect.after, [{ to: effect.to, body: effect.body }]);
    else held.push({ to: effect.to, body: effect.body });
  }

  private settle(slot: Slot, ticket: Ticket, why: Fault | undefined): void {
    const held = slot.held.get(ticket);
    if (held === undefined) return;
    slot.held.delete(ticket);
    for (const { to, body } of held) this.world.reply(to, why === undefined ? body : { fault: why });
  }

  private stop(id: ActorId, why: Fault): void {
    const slot = this.slots.get(id);
    if (slot === undefined) return;
    this.slots.delete(id);
    for (const [ticket] of slot.held.entries()) this.settle(slot, ticket, why);
    this.world.forget(id);
    for (const [child, { parent }] of [...this.slots]) if (parent === id) this.stop(child, why);
  }
}
