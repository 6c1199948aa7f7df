// Host metrics. Owns the figures of processes and threads, of LMDB and of JetStream.

import type { HostFigures } from "../lookout/host-figures.js";
import type { Lookout } from "../lookout/lookout.js";
import type { Sheet } from "./sheet.js";

export function hostMetrics(sheet: Sheet, lookout: Lookout): () => void {
  const up = sheet.gauge("foreshard_host_up", "1: the host answers its supervisor", ["host", "role"]);
  const connected = sheet.gauge("foreshard_host_connected", "1: the host has its connection to NATS", ["host"]);
  const actors = sheet.gauge("foreshard_host_actors", "Actors that live in the host", ["host"]);
  const messages = sheet.gauge("foreshard_host_messages_waiting", "Messages in the mailboxes of the host", ["host"]);
  const requests = sheet.gauge("foreshard_host_requests_under_way", "Questions of the host that wait for an answer", [
    "host",
  ]);
  const follows = sheet.gauge("foreshard_host_follows", "Streams and subjects that the host follows", ["host"]);
  const resident = sheet.gauge(
    "foreshard_host_resident_bytes",
    "Memory of the process; hosts that are threads share one",
    ["host"],
  );
  const heap = sheet.gauge("foreshard_host_heap_bytes", "JavaScript heap of the host", ["host"]);
  const late = sheet.gauge("foreshard_event_loop_delay_p99_seconds", "How late the event loop was of late", ["host"]);
  const latest = sheet.gauge("foreshard_event_loop_delay_max_seconds", "The same, at worst", ["host"]);
  const taken = sheet.counter(
    "foreshard_host_requests_total",
    "Requests that came to the host by how they were received",
    ["host", "result"],
  );
  const cpu = sheet.counter("foreshard_node_cpu_seconds_total", "CPU time of the node's own thread", ["node"]);
  const read = sheet.counter("foreshard_node_read_bytes_total", "Read from disk by the node's process", ["node"]);
  const written = sheet.counter("foreshard_node_written_bytes_total", "Written to disk by the node's process", [
    "node",
  ]);
  const lost = sheet.counter("foreshard_node_samples_lost_total", "Load samples that could not be delivered", ["node"]);
  const waiting = sheet.gauge("foreshard_lmdb_waiting_bytes", "Committed and not yet on disk", ["node"]);
  const used = sheet.gauge("foreshard_lmdb_used_bytes", "Pages of the store that hold something", ["node"]);
  const file = sheet.gauge("foreshard_lmdb_file_bytes", "The store's file, free pages included", ["node"]);
  const entries = sheet.gauge("foreshard_lmdb_entries", "Entries of the store", ["node"]);
  const readers = sheet.gauge("foreshard_lmdb_readers", "Read transactions that are open", ["node"]);
  const storage = sheet.gauge("foreshard_jetstream_storage_bytes", "What JetStream stores for this account");
  const consumers = sheet.gauge("foreshard_jetstream_consumers", "Consumers of this account");
  const calls = sheet.counter("foreshard_jetstream_api_calls_total", "Calls of JetStream's API");
  const errors = sheet.counter("foreshard_jetstream_api_errors_total", "Those that failed");
  const streamMessages = sheet.gauge("foreshard_jetstream_stream_messages", "Messages in the stream", ["stream"]);
  const streamBytes = sheet.gauge("foreshard_jetstream_stream_bytes", "Bytes of the stream", ["stream"]);
  const lagging = sheet.gauge(
    "foreshard_jetstream_stream_lagging_copies",
    "Copies of the stream that are not up to date",
    ["stream"],
  );

  function writeHost(host: string, figures: HostFigures): void {
    connected(figures.connected ? 1 : 0, { host });
    actors(figures.actors, { host });
    messages(figures.messagesWaiting, { host });
    requests(figures.requestsUnderWay, { host });
    follows(figures.follows, { host });
    resident(figures.rssBytes, { host });
    heap(figures.heapBytes, { host });
    if (figures.role !== "node") {
      late(figures.loopDelayMs / 1000, { host });
      latest(figures.loopDelayMaxMs / 1000, { host });
    }
    taken(figures.requests.taken, { host, result: "taken" });
    taken(figures.requests.refused, { host, result: "refused" });
    taken(figures.requests.undelivered, { host, result: "undelivered" });
    const { store } = figures;
    if (store === undefined) return;
    waiting(figures.storeWaitingBytes, { node: host });
    used(store.usedBytes, { node: host });
    file(store.fileBytes, { node: host });
    entries(store.entries, { node: host });
    readers(store.readers, { node: host });
  }

  function writeJetStream(): void {
    const figures = lookout.engine.figures();
    if (figures === undefined) return;
    storage(figures.storageBytes);
    consumers(figures.consumers);
    calls(figures.apiCalls);
    errors(figures.apiErrors);
    for (const { name, messages: count, bytes, laggingCopies } of figures.streams) {
      streamMessages(count, { stream: name });
      streamBytes(bytes, { stream: name });
      lagging(laggingCopies, { stream: name });
    }
  }

  return () => {
    const figures = lookout.figures();
    for (const [host, role] of lookout.roles()) {
      const own = figures.get(host);
      up(own === undefined ? 0 : 1, { host, role });
      if (own !== undefined) writeHost(host, own);
    }
    for (const [node, count] of lookout.traffic.nodes()) {
      cpu(count.cpuMs / 1000, { node });
      read(count.readBytes, { node });
      written(count.writtenBytes, { node });
      lost(count.lostSamples, { node });
    }
    for (const [node, { load }] of lookout.traffic.now()) {
      late(load.loopDelayMs / 1000, { host: node });
      latest(load.loopDelayMaxMs / 1000, { host: node });
    }
    writeJetStream();
  };
}
