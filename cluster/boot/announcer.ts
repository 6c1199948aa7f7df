// Announcer. Owns the news that a host's process or thread is certainly gone, told to the leaders so that nobody waits for its lease.
// It is said several times, for a leader that is just being elected; a leader that has heard it ignores the rest.

import { pack } from "../../src/protocol/codec.js";
import type { HostDied } from "../../src/protocol/control.js";
import { subjects } from "../../src/protocol/subjects.js";
import type { Connection } from "../world/connection.js";

const afterMs = [0, 100, 250, 500, 1_000, 1_500, 3_000] as const;

export function announceDeath(connection: Connection, node: string, incarnation: string): void {
  const news: HostDied = { kind: "hostDied", node, incarnation };
  for (const pauseMs of afterMs) setTimeout(() => say(connection, news), pauseMs).unref();
}

function say(connection: Connection, news: HostDied): void {
  // What is published while the connection is down would be dropped in silence, or arrive too late to help.
  if (connection.isUp()) connection.nats.publish(subjects.hostDied, pack(news));
}
