// Timers. Owns the wake-ups of a host's actors: one per actor and name, armed anew by the same name.

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
  const armed = new Map<ActorId, Map<string, NodeJS.Timeout>>();

  function fire(actor: ActorId, name: string): void {
    armed.get(actor)?.delete(name);
    woke(actor, name);
  }
  function forget(actor: ActorId): void {
    for (const timer of armed.get(actor)?.values() ?? []) clearTimeout(timer);
    armed.delete(actor);
  }
  function ofActor(actor: ActorId): Map<string, NodeJS.Timeout> {
    const found = armed.get(actor);
    if (found !== undefined) return found;
    const made = new Map<string, NodeJS.Timeout>();
    armed.set(actor, made);
    return made;
  }

  return {
    wake(actor, name, afterMs) {
      const timers = ofActor(actor);
      clearTimeout(timers.get(name));
      timers.set(name, setTimeout(fire, Math.min(longestMs, Math.max(0, afterMs)), actor, name));
    },
    unwake(actor, name) {
      const timers = armed.get(actor);
      clearTimeout(timers?.get(name));
      timers?.delete(name);
    },
    forget,
    count: () => [...armed.values()].reduce((sum, timers) => sum + timers.size, 0),
    close() {
      for (const actor of [...armed.keys()]) forget(actor);
    },
  };
}
