// Mistakes of leading: leases, promises, and who may take over.

import { latin1 } from "../../../src/fragment/replica.js";
import type { LogRecord, ReadOutcome } from "../../../src/kernel/effect.js";
import type { Message } from "../../../src/kernel/machine.js";
import { subjects } from "../../../src/protocol/subjects.js";
import type { Tamper } from "../tap.js";
import { type Fields, type Mutant, onMessages, replicaIn, replied } from "./tools.js";

export const leading: readonly Mutant[] = [
  {
    name: "leaseFromGrant",
    what: "a node counts its lease from the answer, and three times as long",
    needs: ["leftBehind"],
    tamper: onMessages("node", (message) => {
      const outcome = message.outcome as { kind?: string; body?: Fields } | undefined;
      const body = outcome?.body;
      if (message.kind !== "answered" || typeof body?.leaseMs !== "number") return message;
      return { ...message, outcome: { ...outcome, body: { ...body, leaseMs: body.leaseMs * 3 } } };
    }),
  },
  {
    name: "successorAtOnce",
    what: "a node that is paused or cut off is declared dead though it lives",
    needs: ["leftBehind"],
    prepare: (world) => {
      const watch = (): void => {
        for (const seat of world.seatsOf("node")) {
          const { host } = seat;
          const cut = world.seatsOf("control").every(({ name }) => world.network.isBlocked(seat.name, name));
          if (host === undefined || !(host.paused || cut)) continue;
          const body = { kind: "hostDied", node: seat.name, incarnation: host.incarnation };
          world.network.publish("supervisor", subjects.hostDied, body);
        }
        world.clock.after(100, watch);
      };
      watch();
    },
  },
  {
    name: "noPromise",
    what: "a replica that tells its position does not promise silence below the new epoch",
    needs: ["handOver"],
    tamper: onMessages("shard/", (message) => {
      const request = message.request as Fields | undefined;
      if (message.kind !== "peer" || request?.kind !== "position") return message;
      return { ...message, request: { ...request, epoch: 0 } };
    }),
  },
  {
    name: "laggingPromoted",
    what: "a new primary takes where it stands for the end of the log, and hears of nobody who holds more",
    needs: ["handOver", "crashNode"],
    tamper: laggingPromoted,
  },
];

function laggingPromoted(): Tamper {
  /** Every record that passed a replica, by shard and hash: the last eight bytes. */
  const passed = new Map<string, Uint8Array>();
  const lastApplied = new Map<string, Uint8Array>();
  const primaries = new Set<string>();
  const tails = new Set<string>();
  const note = (actor: string, bytes: Uint8Array): void => {
    passed.set(`${actor} ${latin1.decode(bytes.subarray(-8))}`, bytes);
  };
  const hearsNothing = replied((body) =>
    "position" in body ? { position: { ...(body.position as Fields), lsn: 0, partial: true } } : body,
  );
  return {
    effects: (effects, { host, actor }) => {
      if (!actor.startsWith("shard/")) return effects;
      const name = `${host} ${actor}`;
      return effects.map((effect) => {
        if (effect.kind === "append") note(actor, effect.bytes);
        if (effect.kind === "readLog" && effect.at === "last") tails.add(`${name} ${effect.ticket}`);
        const replica = effect.kind === "commit" ? replicaIn(effect.writes) : undefined;
        const bytes = replica === undefined ? undefined : passed.get(`${actor} ${latin1.decode(replica.hash)}`);
        if (bytes !== undefined) lastApplied.set(name, bytes);
        return hearsNothing(effect);
      });
    },
    message: (message, { host, actor }) => {
      if (!actor.startsWith("shard/")) return message;
      const name = `${host} ${actor}`;
      const { assignment, record, outcome, ticket } = message as Message & {
        assignment?: { primary: string };
        record?: LogRecord;
        outcome?: ReadOutcome;
        ticket?: number;
      };
      if (message.kind === "assign" && assignment !== undefined) {
        if (assignment.primary === host) primaries.add(name);
        else primaries.delete(name);
        return { ...message, assignment: { ...assignment, activatedLsn: 0 } } as Message;
      }
      if (message.kind === "record" && record !== undefined) note(actor, record.bytes);
      if (message.kind !== "logRead" || outcome?.kind !== "record") return message;
      note(actor, outcome.record.bytes);
      const bytes = lastApplied.get(name);
      const isTail = tails.delete(`${name} ${ticket}`) && primaries.has(name);
      return isTail && bytes !== undefined
        ? ({ ...message, outcome: { ...outcome, record: { ...outcome.record, bytes } } } as Message)
        : message;
    },
  };
}
