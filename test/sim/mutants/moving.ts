// Mistakes of moves: verification, hand-over, sparse replicas, the end of a source.

import { bookkeepingRange } from "../../../src/fragment/layout.js";
import { bookkeeping, latin1 } from "../../../src/fragment/replica.js";
import type { StoreWrite } from "../../../src/kernel/effect.js";
import type { LedgerEvent } from "../../../src/ledger/event.js";
import type { Heartbeat } from "../../../src/protocol/control.js";
import { type Mutant, onEffects, onMessages, onRecords, replicaIn, rowWrites } from "./tools.js";

export const moving: readonly Mutant[] = [
  {
    name: "sourceGoesAtOnce",
    what: "a leader lets the source of a move go in the record that begins it",
    needs: ["move"],
    tamper: () =>
      onRecords((events) =>
        events.flatMap((event): readonly LedgerEvent[] => {
          if (event.kind !== "moveStarted" || event.move.strategy !== "log-shipping") return [event];
          const { fragment, from: node } = event.move;
          return [event, { kind: "replicasRemoved", replicas: [{ fragment, node }], cause: "move" }];
        }),
      ),
  },
  {
    name: "verificationSkipped",
    what: "a primary says that all copies agree, and compared nothing",
    needs: ["move"],
    tamper: onEffects("node", (effect) => {
      if (effect.kind !== "ask" || !effect.subject.endsWith(".heartbeat")) return effect;
      const beat = effect.body as Heartbeat;
      const agree = [1, 2, 3, 4, 5, 6, 7].map((number) => `n${number}`);
      const statuses = beat.statuses.map((status) =>
        status.state === "serving" ? { ...status, verified: { lsn: status.lsn, agree, differ: [] } } : status,
      );
      return { ...effect, body: { ...beat, statuses } };
    }),
  },
  {
    name: "handOverUnfenced",
    what: "a primary goes on when its role has moved, and the log takes what it appends",
    needs: ["move", "copyOnWrite", "handOver"],
    prepare: (world) => {
      world.log.fenced = (_writer, { stream }) => !stream.startsWith("FORESHARD_LOG_");
    },
    tamper: () => {
      const primaries = new Set<string>();
      return onMessages("shard/", (message, { host, actor }) => {
        const assignment = message.assignment as { primary?: string } | undefined;
        if (message.kind !== "assign" || assignment === undefined) return message;
        const name = `${host} ${actor}`;
        if (assignment.primary === host) primaries.add(name);
        return assignment.primary !== host && primaries.has(name) ? undefined : message;
      })();
    },
  },
  {
    name: "pullOverwrites",
    what: "a sparse replica does not mark what records touch: a pull writes its older row over a newer one",
    needs: ["copyOnWrite"],
    tamper: onEffects("shard/", (effect) =>
      effect.kind === "commit" ? { ...effect, writes: effect.writes.filter(({ key }) => key[0] !== markRoom) } : effect,
    ),
  },
  {
    name: "deletionComesBack",
    what: "a sparse replica does not mark deletions: a pull brings the deleted row back",
    needs: ["copyOnWrite"],
    tamper: onEffects("shard/", (effect) => {
      if (effect.kind !== "commit") return effect;
      const deleted = new Set(
        rowWrites(effect.writes).flatMap(({ key, value }) => (value === undefined ? [nameOf(key)] : [])),
      );
      const unmarked = ({ key }: StoreWrite): boolean => key[0] === markRoom && deleted.has(nameOf(key));
      return { ...effect, writes: effect.writes.filter((write) => !unmarked(write)) };
    }),
  },
  {
    name: "missingIsAbsent",
    what: "a sparse replica loses the rows that a pull brings, and thinks that they are not there",
    needs: ["copyOnWrite"],
    tamper: () => {
      const lsnOf = new Map<string, number>();
      return onEffects("shard/", (effect, { host, actor }) => {
        const replica = effect.kind === "commit" ? replicaIn(effect.writes) : undefined;
        if (effect.kind !== "commit" || replica === undefined) return effect;
        const before = lsnOf.get(`${host} ${actor}`);
        lsnOf.set(`${host} ${actor}`, replica.lsn);
        // A record moves the replica on; a pull does not.
        const isPull = before === replica.lsn && replica.baseLsn > 0 && !replica.copying;
        return isPull ? { ...effect, writes: effect.writes.filter(({ key }) => key[0] !== 0x10) } : effect;
      })();
    },
  },
  {
    name: "sparseForgotten",
    what: "a sparse replica does not write down what it lacks: after a restart it serves, and gives copies, as if it were whole",
    needs: ["copyOnWrite"],
    tamper: onEffects("shard/", (effect) => {
      const replica = effect.kind === "commit" ? replicaIn(effect.writes) : undefined;
      if (effect.kind !== "commit" || replica === undefined || replica.missing.length === 0) return effect;
      const { value } = bookkeeping({ ...replica, missing: [] });
      const isOld = ({ key }: StoreWrite): boolean => key[0] === bookkeepingRange.from[0];
      return { ...effect, writes: effect.writes.map((write) => (isOld(write) ? { key: write.key, value } : write)) };
    }),
  },
];

const markRoom = 0x05;

/** Shelf and position of a row or a mark. */
function nameOf(key: Uint8Array): string {
  return latin1.decode(key.subarray(1));
}
