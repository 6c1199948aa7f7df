// Timers. Owns the wake-ups of a host's actors: one per actor and name, armed anew by the same name.
// A wake after 0 ms comes at the end of the turn, after the messages that wait already: that is how an actor gathers what came together.

import type { ActorId } from "../../src/kernel/effect.js";

export interface Timers {
  wake(actor: ActorId, name: string, afterMs: number): void;
  unwake(actor: ActorId, name: string): void;
  forget(actor: ActorId): void;
  count(): number;
  close(): void;
}

/** Node's timers fire at once, with a warning, past this. */
const longestMs = 2 ** 31 - 1;

export function createTimers(woke: (actor: ActorId, name: string) => void): Timers {
  /** How to cancel each armed timer. */
  const armed = new Map<ActorId, Map<string, () => void>>();

  function fire(actor: ActorId, name: string): void {
    armed.get(actor)?.delete(name);
    woke(actor, name);
  }
  function forget(actor: ActorId): void {
    for (const cancel of armed.get(actor)?.values() ?? []) cancel();
    armed.delete(actor);
  }
  function arm(actor: ActorId, name: string, afterMs: number): () => void {
    if (afterMs <= 0) {
      const immediate = setImmediate(fire, actor, name);
      return () => clearImmediate(immediate);
    }
    const timer = setTimeout(fire, Math.min(longestMs, afterMs), actor, name);
    return () => clearTimeout(timer);
  }
  function ofActor(actor: ActorId): Map<string, () => void> {
    const found = armed.get(actor);
    if (found !== undefined) return found;
    const made = new Map<string, () => void>();
    armed.set(actor, made);
    return made;
  }

  return {
    wake(actor, name, afterMs) {
      const timers = ofActor(actor);
      timers.get(name)?.();
      timers.set(name, arm(actor, name, afterMs));
    },
    unwake(actor, name) {
      const timers = armed.get(actor);
      timers?.get(name)?.();
      timers?.delete(name);
    },
    forget,
    count: () => [...armed.values()].reduce((sum, timers) => sum + timers.size, 0),
    close() {
      for (const actor of [...armed.keys()]) forget(actor);
    },
  };
}
