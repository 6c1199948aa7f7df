// Keeper. Owns the door of the supervisor: what routers pass on because it concerns processes and users, of which no actor knows.
// K1 every ask is answered once, with a fault where it failed. K2 changes of users happen one after the other. K3 whoever is let in by the routers' subjects may ask:
//    the grant stands in the NATS permissions of `foreshard.query._cluster.<op>`.

import { fault, type Result } from "../../src/kernel/fault.js";
import { type KeeperOp, keeperOps } from "../../src/protocol/keeper.js";
import { subjects } from "../../src/protocol/subjects.js";
import type { Log } from "../log.js";
import type { Connection } from "../world/connection.js";
import { openInbox } from "../world/inbox.js";
import { createRequests } from "../world/requests.js";

export type KeeperAnswer = Result<object>;
/** What a keeper can do; `by` is the user who asks. */
export type KeeperDesk = { readonly [O in KeeperOp]: (body: unknown, by: string) => Promise<KeeperAnswer> };

export interface Keeper {
  close(): void;
}

export function openKeeper(connection: Connection, desk: KeeperDesk, log: Log): Keeper {
  const inbox = openInbox(connection);
  const requests = createRequests({
    connection,
    inbox,
    request(_actor, { body, from }) {
      void answer(body).then((said) => requests.reply(from, said.ok ? said.value : { fault: said.fault }));
    },
  });

  async function answer(asked: unknown): Promise<KeeperAnswer> {
    const { op, by, body }: Readonly<Record<string, unknown>> = typeof asked === "object" ? { ...asked } : {};
    const known = keeperOps.find((name) => name === op);
    if (known === undefined)
      return { ok: false, fault: fault("UNKNOWN_OPERATION", "the supervisor does no such thing") };
    try {
      return await desk[known](body, typeof by === "string" ? by : "");
    } catch (error) {
      log("error", "keeperFailed", {
        op: known,
        why: error instanceof Error ? (error.stack ?? error.message) : String(error),
      });
      return { ok: false, fault: fault("INTERNAL", "the supervisor failed at this; see its log") };
    }
  }

  const close = requests.openDoor({ subject: subjects.keeperAsk, actor: "keeper" });
  return {
    close() {
      close();
      requests.close();
      inbox.close();
    },
  };
}
