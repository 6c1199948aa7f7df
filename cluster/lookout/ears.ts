// Ears. Owns what is heard of a cluster without asking anybody: samples, forecasts, heartbeats, lease renewals and news of moves.
// E1 it only listens: a cluster with a lookout works no more than one without. E2 what cannot be read is counted and passed over.

import type { Msg } from "nats";
import type { Result } from "../../src/kernel/fault.js";
import { decodeSample, type Sample } from "../../src/load/sample.js";
import { unpack } from "../../src/protocol/codec.js";
import type { Heartbeat } from "../../src/protocol/control.js";
import { decodeHeartbeat } from "../../src/protocol/control-codec.js";
import type { ForecastNews } from "../../src/protocol/forecast.js";
import { decodeNews } from "../../src/protocol/forecast-codec.js";
import { subjects } from "../../src/protocol/subjects.js";
import type { Connection } from "../world/connection.js";

export interface Listener {
  sample(sample: Sample): void;
  news(news: ForecastNews): void;
  heartbeat(heartbeat: Heartbeat): void;
  /** The leader of a partition renewed its lease. */
  lease(partition: number): void;
  /** A move began, took a step or ended: the event as it stands in the ledger. */
  move(event: Readonly<Record<string, unknown>>): void;
}

export interface Ears {
  /** Messages that could not be read. */
  unreadable(): number;
  close(): void;
}

export function openEars({ nats }: Connection, listener: Listener): Ears {
  let unreadable = 0;

  function hear(subject: string, take: (msg: Msg) => boolean): () => void {
    const subscription = nats.subscribe(subject, {
      callback(error, msg) {
        if (error === null && !take(msg)) unreadable++;
      },
    });
    return () => subscription.unsubscribe();
  }
  function give<T>(decoded: Result<T>, to: (value: T) => void): boolean {
    if (decoded.ok) to(decoded.value);
    return decoded.ok;
  }
  function body<T>({ data }: Msg, decode: (given: unknown) => Result<T>): Result<T> {
    const unpacked = unpack(data);
    return unpacked.ok ? decode(unpacked.value) : unpacked;
  }
  const beat = (msg: Msg): boolean => give(body(msg, decodeHeartbeat), listener.heartbeat);

  const closers = [
    hear(subjects.loads, ({ data }) => give(decodeSample(data), listener.sample)),
    hear(subjects.forecasts, (msg) => give(body(msg, decodeNews), listener.news)),
    hear(subjects.heartbeats, beat),
    hear(subjects.heartbeatsTo, beat),
    hear(subjects.leases, ({ subject }) => {
      listener.lease(Number(subject.slice(subject.lastIndexOf(".") + 1)));
      return true;
    }),
    hear(subjects.moveEvents, (msg) => give(body(msg, recordIn), listener.move)),
  ];
  return {
    unreadable: () => unreadable,
    close() {
      if (!nats.isClosed()) for (const close of closers) close();
    },
  };
}

function recordIn(given: unknown): Result<Readonly<Record<string, unknown>>> {
  if (typeof given === "object" && given !== null && !Array.isArray(given)) return { ok: true, value: { ...given } };
  return { ok: false, fault: { code: "UNDECODABLE", message: "not an event" } };
}
