// User desk. Owns changes of the users for clients while the cluster runs: the book on disk and the servers always know the same.
// D1 one change at a time. D2 the book is written first; where the servers do not take it, it is written back. D3 a password leaves once, in the answer to whoever
//    asked for the user.

import type { z } from "zod";
import { fail, ok, type Result } from "../../src/kernel/fault.js";
import type { EngineAccess } from "../engine/access.js";
import { infoOf, type UserBook, type UserLine, userName, userWish } from "../engine/users.js";
import type { KeeperAnswer } from "./keeper.js";

export interface UserDesk {
  users(): Promise<KeeperAnswer>;
  addUser(body: unknown): Promise<KeeperAnswer>;
  removeUser(body: unknown): Promise<KeeperAnswer>;
  rotateUser(body: unknown): Promise<KeeperAnswer>;
}

export function createUserDesk(first: UserBook | undefined, access: EngineAccess): UserDesk {
  let book = first;
  let last: Promise<unknown> = Promise.resolve();

  function inTurn(work: () => Promise<KeeperAnswer>): Promise<KeeperAnswer> {
    const done = last.then(work, work);
    last = done;
    return done;
  }
  async function turnTo(next: UserBook, held: UserBook): Promise<Result<void>> {
    const saved = await next.save();
    if (!saved.ok) return saved;
    const seated = await access.reseat(next.seats());
    if (!seated.ok) {
      await held.save();
      return seated;
    }
    book = next;
    return ok(undefined);
  }
  async function change(
    step: (held: UserBook) => Result<{ readonly book: UserBook; readonly said: object }>,
  ): Promise<KeeperAnswer> {
    if (book === undefined)
      return fail(
        "NOT_POSSIBLE",
        "the users of these NATS servers are in the hands of who runs them, not of this cluster",
      );
    const stepped = step(book);
    if (!stepped.ok) return stepped;
    const turned = await turnTo(stepped.value.book, book);
    return turned.ok ? ok(stepped.value.said) : turned;
  }
  const loginOf = ({ user, pass }: UserLine): object => ({
    user,
    pass,
    inboxPrefix: `_INBOX_${user}`,
    servers: access.client.servers,
  });

  return {
    users: async () => ok({ users: (book?.list() ?? []).map(infoOf) }),
    addUser: (body) =>
      inTurn(() =>
        change((held) => {
          const wish = userWish.safeParse(withoutDeadline(body));
          if (!wish.success) return badRequest(wish.error);
          const next = held.with(wish.data, Date.now());
          return next.ok ? ok({ book: next.value.book, said: loginOf(next.value.line) }) : next;
        }),
      ),
    removeUser: (body) =>
      inTurn(() =>
        change((held) => {
          const named = userName.safeParse(withoutDeadline(body));
          if (!named.success) return badRequest(named.error);
          const next = held.without(named.data.user);
          return next.ok ? ok({ book: next.value, said: { removed: true } }) : next;
        }),
      ),
    rotateUser: (body) =>
      inTurn(() =>
        change((held) => {
          const named = userName.safeParse(withoutDeadline(body));
          if (!named.success) return badRequest(named.error);
          const next = held.rotated(named.data.user);
          return next.ok ? ok({ book: next.value.book, said: loginOf(next.value.line) }) : next;
        }),
      ),
  };
}

/** The router has looked at it. */
export function withoutDeadline(body: unknown): unknown {
  if (typeof body !== "object" || body === null) return body;
  const { deadlineMs: _deadlineMs, ...rest }: Readonly<Record<string, unknown>> = { ...body };
  return rest;
}

export function badRequest(error: z.ZodError): { ok: false; fault: { code: "BAD_REQUEST"; message: string } } {
  const [issue] = error.issues;
  const where = issue?.path.join(".") ?? "";
  const words = `${where === "" ? "" : `${where}: `}${issue?.message ?? "not understood"}`;
  return { ok: false, fault: { code: "BAD_REQUEST", message: words } };
}
