// Machine. Owns the contract of every actor: eat one message, return effects.
// K1 step never awaits, reads no clock, draws no chance of its own, does no input or output.
// K2 effects of one step are carried out in order; tells are delivered in order.

import type { Effects } from "./effect.js";
import type { Random } from "./random.js";

/** What a step may know of the world. */
export interface Context {
  /** Monotonic clock of this host, milliseconds. Leases and time-outs use only this. */
  readonly nowMs: number;
  /** Wall clock, milliseconds since 1970. For stamps that people read; never for safety. */
  readonly wallMs: number;
  /** This actor's own fork of the seed. */
  readonly random: Random;
}

/** Anything with a kind. Each actor narrows it by its own decoder-checked union. */
export interface Message {
  readonly kind: string;
}

export interface Actor<M extends Message = never> {
  /** How many requests may wait; one more is answered OVERLOADED. */
  readonly mailboxLimit: number;
  step(message: M, context: Context): Effects;
}

/** A total table: a forgotten kind does not compile. */
export type Handlers<S, M extends Message> = {
  readonly [K in M["kind"]]: (state: S, message: Extract<M, { kind: K }>, context: Context) => Effects;
};

/** Steps `message` through the table. */
export function dispatch<S, M extends Message>(
  handlers: Handlers<S, M>,
  state: S,
  message: M,
  context: Context,
): Effects {
  const handler = handlers[message.kind as M["kind"]] as (state: S, message: M, context: Context) => Effects;
  return handler(state, message, context);
}
