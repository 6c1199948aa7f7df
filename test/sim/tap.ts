// Tap. Owns the thin skin around every actor of a simulated host: it sees each message and effect, and may tamper with the effects.
// P1 without a tamper the actor's effects pass unchanged. P2 what an actor throws is reported and thrown on, so that supervision stays real.

import type { ActorId, Effect, Effects } from "../../src/kernel/effect.js";
import type { Actor, Context, Message } from "../../src/kernel/machine.js";

export interface Taps {
  onMessage(actor: ActorId, message: Message): void;
  onThrow(actor: ActorId, message: Message, error: unknown): void;
  /** A planted mistake: what it returns is carried out instead. */
  readonly tamper?: Tamper | undefined;
}

export interface Tampered {
  readonly host: string;
  readonly actor: ActorId;
  readonly message: Message;
  readonly nowMs: number;
}

export interface Tamper {
  /** Effects to carry out instead of the actor's own. */
  effects(effects: Effects, where: Tampered): Effects;
  /** Message to deliver instead, or undefined to keep it from the actor. */
  message?(message: Message, where: Omit<Tampered, "message">): Message | undefined;
  /** Context to step in instead: a planted mistake of the clock. */
  context?(context: Context, where: Tampered): Context;
}

export function tapped(host: string, id: ActorId, actor: Actor, taps: Taps): Actor {
  const inner = actor as Actor<Message>;
  const { tamper } = taps;
  const skin: Actor<Message> = {
    mailboxLimit: inner.mailboxLimit,
    step(message, context) {
      taps.onMessage(id, message);
      const seen =
        tamper?.message === undefined ? message : tamper.message(message, { host, actor: id, nowMs: context.nowMs });
      if (seen === undefined) return [];
      const where: Tampered = { host, actor: id, message: seen, nowMs: context.nowMs };
      let effects: Effects;
      try {
        effects = inner.step(seen, tamper?.context?.(context, where) ?? context);
      } catch (error) {
        taps.onThrow(id, seen, error);
        throw error;
      }
      return (tamper === undefined ? effects : tamper.effects(effects, where)).map((effect) =>
        skinned(host, effect, taps),
      );
    },
  };
  return skin as unknown as Actor;
}

/** A spawned child gets its own skin. */
function skinned(host: string, effect: Effect, taps: Taps): Effect {
  return effect.kind === "spawn" ? { ...effect, actor: tapped(host, effect.id, effect.actor, taps) } : effect;
}
