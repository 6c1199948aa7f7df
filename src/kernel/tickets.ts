// Tickets. Owns the numbers that tie an answer to the effect that asked; one counter per actor, shared by its sub-machines.

import type { Ticket } from "./effect.js";

export interface Tickets {
  next(): Ticket;
}

export function countingTickets(): Tickets {
  let last = 0;
  return { next: () => ++last };
}
