// Desk. Owns the wiring of what the supervisor can be asked.

import { fail } from "../../src/kernel/fault.js";
import type { EngineAccess } from "../engine/access.js";
import type { UserBook } from "../engine/users.js";
import type { Supervisor } from "../hosts/supervisor.js";
import type { Log } from "../log.js";
import type { Inbox } from "../world/inbox.js";
import { readAudit } from "./audit-log.js";
import type { KeeperAnswer, KeeperDesk } from "./keeper.js";
import { createRolling } from "./rolling.js";
import { createUserDesk } from "./user-desk.js";

export interface DeskPorts {
  readonly access: EngineAccess;
  /** Undefined: the users are not ours. */
  readonly book: UserBook | undefined;
  readonly supervisor: Supervisor;
  readonly inbox: Inbox;
  readonly log: Log;
  /** Another machine's supervisor has hosts of this cluster too. */
  readonly isOneOfSeveral: boolean;
  notice(text: string): void;
}

export function keeperDesk({ access, book, supervisor, inbox, log, isOneOfSeveral, notice }: DeskPorts): KeeperDesk {
  const rolling = createRolling({
    inbox,
    hosts: () => supervisor.hosts(),
    restartHost: (id) => supervisor.restart(id),
    servers: () => access.servers().length,
    restartServer: (index) => access.restartServer(index),
    log,
    notice,
  });
  return {
    ...createUserDesk(book, access),
    audit: (body) => readAudit(inbox, body),
    rollingRestart: async () => (isOneOfSeveral ? eachAlone() : rolling.begin()),
    restartState: () => rolling.state(),
  };
}

/** No supervisor may end what another one started. */
function eachAlone(): KeeperAnswer {
  return fail(
    "NOT_POSSIBLE",
    "this cluster runs on several machines, each under a supervisor of its own: restart one machine after the other, the next once foreshard doctor finds nothing",
  );
}
