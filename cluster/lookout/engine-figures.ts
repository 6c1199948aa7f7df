// Engine figures. Owns what JetStream says of itself: the account's storage and calls, and each stream's size.
// J1 it is asked at most once in `freshMs`, over `$JS.API`, so that it works with any NATS; without an answer the last figures stay.

import type { Inbox } from "../world/inbox.js";
import { callApiLater, type Fields, fieldsOf, numberOf, stringOf } from "../world/jetstream.js";

export interface StreamFigures {
  readonly name: string;
  readonly messages: number;
  readonly bytes: number;
  readonly consumers: number;
  /** Copies that are not with the leader of the stream. */
  readonly laggingCopies: number;
}

export interface EngineFigures {
  readonly storageBytes: number;
  readonly streams: readonly StreamFigures[];
  readonly consumers: number;
  readonly apiCalls: number;
  readonly apiErrors: number;
}

const freshMs = 5_000;
const askTimeoutMs = 1_500;
const mostPages = 16;

export interface EngineWatch {
  refresh(): Promise<void>;
  /** Undefined: JetStream has not answered yet. */
  figures(): EngineFigures | undefined;
}

export function watchEngine(inbox: Inbox): EngineWatch {
  let figures: EngineFigures | undefined;
  let atMs = Number.NEGATIVE_INFINITY;
  let round: Promise<void> | undefined;

  async function call(name: string, body: object | undefined): Promise<Fields | undefined> {
    const answer = await callApiLater(inbox, name, body, askTimeoutMs);
    return answer.kind === "ok" ? answer.body : undefined;
  }
  async function streams(): Promise<StreamFigures[]> {
    const found: StreamFigures[] = [];
    for (let page = 0; page < mostPages; page++) {
      const answer = await call("STREAM.LIST", { offset: found.length });
      const list = Array.isArray(answer?.streams) ? answer.streams : [];
      found.push(...list.map(streamFigures));
      if (list.length === 0 || found.length >= numberOf(answer?.total)) break;
    }
    return found.filter(({ name }) => name.startsWith("FORESHARD_"));
  }
  async function run(): Promise<void> {
    const account = await call("INFO", undefined);
    if (account === undefined) return;
    const api = fieldsOf(account.api);
    const found = await streams();
    figures = {
      storageBytes: numberOf(account.storage),
      streams: found,
      consumers: numberOf(account.consumers),
      apiCalls: numberOf(api.total),
      apiErrors: numberOf(api.errors),
    };
    atMs = performance.now();
  }

  return {
    refresh() {
      if (round === undefined && performance.now() - atMs < freshMs) return Promise.resolve();
      round ??= run().finally(() => {
        round = undefined;
      });
      return round;
    },
    figures: () => figures,
  };
}

function streamFigures(given: unknown): StreamFigures {
  const { config, state, cluster } = fieldsOf(given);
  const { messages, bytes, consumer_count } = fieldsOf(state);
  const copies = fieldsOf(cluster).replicas;
  const lagging = Array.isArray(copies) ? copies.filter((copy: unknown) => fieldsOf(copy).current !== true).length : 0;
  return {
    name: stringOf(fieldsOf(config).name),
    messages: numberOf(messages),
    bytes: numberOf(bytes),
    consumers: numberOf(consumer_count),
    laggingCopies: lagging,
  };
}
