// Users. Owns the users for clients beside the client user: who they are, what their role grants, where they sit; in one file that only its owner reads.
// U1 a grant is a list of subjects that may be published, made from checked names; what is not listed is refused by the server. U2 a user keeps its seat as long as
//    it is there. U3 the file has mode 0600 from its first byte, and is written whole or not at all.

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { fail, ok, type Result } from "../../src/kernel/fault.js";
import { valueOfJson } from "../../src/protocol/json-text.js";
import { isName } from "../../src/protocol/subjects.js";
import { type EdgeUser, type SeatLimits, seatCount } from "./config.js";
import { drawPassword, reservedUsers, writePrivate } from "./credentials.js";
import { discovery, events, queryService } from "./roles.js";

export const userRoles = ["reader", "writer", "operator"] as const;
export type UserRole = (typeof userRoles)[number];

/** Tables that one user's grants may name. */
const mostTables = 256;
const name = z.string().refine(isName, { message: "a name is a letter, then letters, digits, _ or -, at most 64" });
const table = z.union([z.literal("*"), name]);
const limits = z.strictObject({
  maxConnections: z.int().min(1).max(10_000).optional(),
  maxSubscriptions: z.int().min(2).max(100_000).optional(),
  maxPayloadBytes: z
    .int()
    .min(1024)
    .max(1024 * 1024)
    .optional(),
});

/** What a new user is to be. */
export const userWish = z.strictObject({
  user: name.refine((word) => !reservedUsers.some((taken) => taken === word), {
    message: "this name belongs to the cluster itself",
  }),
  role: z.enum(userRoles),
  /** Tables of the role; `*`: all. */
  tables: z.array(table).min(1).max(mostTables).default(["*"]),
  /** More tables that a writer may only read. */
  reads: z.array(table).max(mostTables).default([]),
  limits: limits.default({}),
});
export type UserWish = z.output<typeof userWish>;

/** One that is there. */
export const userName = z.strictObject({ user: z.string() });

const userLine = userWish.extend({
  pass: z.string().min(16),
  seat: z
    .int()
    .min(0)
    .max(seatCount - 1),
  sinceMs: z.number(),
});
export type UserLine = Readonly<z.output<typeof userLine>>;
const schema = z.array(userLine);

/** What anybody signed in as an operator may know of a user. */
export type UserInfo = Omit<UserLine, "pass" | "seat">;

export function infoOf({ pass: _pass, seat: _seat, ...info }: UserLine): UserInfo {
  return info;
}

const readOps = ["get", "getMany", "scan", "aggregate", "watch"] as const;
const writeOps = ["put", "insert", "update", "delete", "batch"] as const;
/** What every client needs to find its way; it tells the names and bounds of all tables. */
const commonOps = ["ping", "view", "tables", "table"] as const;

/** The subjects of a role; nodes are asked through subjects of their own, one hop shorter. */
export function publishOf({ role, tables, reads }: Pick<UserWish, "role" | "tables" | "reads">): readonly string[] {
  if (role === "operator") return [queryService, discovery];
  const subjects = new Set(commonOps.map((op) => `foreshard.query._cluster.${op}`));
  for (const one of [...tables, ...reads]) {
    for (const op of readOps) subjects.add(`foreshard.query.${one}.${op}`);
    subjects.add(`foreshard.query.${one}.read.*`);
  }
  if (role === "writer") {
    for (const one of tables) {
      for (const op of writeOps) subjects.add(`foreshard.query.${one}.${op}`);
      subjects.add(`foreshard.query.${one}.write.*`);
    }
  }
  return [...subjects];
}

function edgeUserOf(line: UserLine): EdgeUser {
  const held: Partial<SeatLimits> = Object.fromEntries(
    Object.entries(line.limits).filter(([, value]) => value !== undefined),
  );
  return {
    user: line.user,
    pass: line.pass,
    publish: publishOf(line),
    ...(line.role === "operator" ? { subscribe: [events] } : {}),
    limits: held,
  };
}

export interface UserBook {
  list(): readonly UserLine[];
  seats(): readonly (EdgeUser | undefined)[];
  /** The book with one more; it is not written yet. */
  with(wish: UserWish, nowMs: number): Result<{ readonly book: UserBook; readonly line: UserLine }>;
  without(user: string): Result<UserBook>;
  /** The book with a new password for one. */
  rotated(user: string): Result<{ readonly book: UserBook; readonly line: UserLine }>;
  save(): Promise<Result<void>>;
}

/** `fixed`: users of the start options, which sit in the last seats and cannot be changed while it runs. */
export async function openUserBook(dataDir: string, fixed: readonly EdgeUser[]): Promise<Result<UserBook>> {
  const path = join(dataDir, "users.json");
  const text = await readFile(path, "utf8").catch(() => undefined);
  const found = schema.safeParse(text === undefined ? [] : valueOfJson(text));
  if (!found.success)
    return fail("DATA_DIR", `${path} is damaged: put it back from a copy, or delete it and add the users again`);
  const book = bookOf(path, fixed, found.data);
  const clash = found.data.find(({ user }) => fixed.some((other) => other.user === user));
  if (clash !== undefined)
    return fail("CONFIG", `the user ${clash.user} stands in the options and in ${path}: remove one of them`);
  const highest = Math.max(-1, ...found.data.map(({ seat }) => seat));
  if (fixed.length + highest >= seatCount)
    return fail("CONFIG", `there are more users than the ${seatCount} that one cluster has room for`);
  return ok(book);
}

function bookOf(path: string, fixed: readonly EdgeUser[], lines: readonly UserLine[]): UserBook {
  const seats = Array.from({ length: seatCount }, (_, seat): EdgeUser | undefined => {
    const line = lines.find((held) => held.seat === seat);
    return line === undefined ? fixed[seatCount - 1 - seat] : edgeUserOf(line);
  });
  const known = (user: string): Result<UserLine> => {
    const line = lines.find((held) => held.user === user);
    if (line !== undefined) return ok(line);
    const isFixed = fixed.some((held) => held.user === user);
    if (isFixed) return fail("NOT_POSSIBLE", `${user} comes from the start options: change it there, and start again`);
    return fail("NOT_FOUND", `there is no user ${user}: foreshard user list shows those that were added`);
  };
  return {
    list: () => lines,
    seats: () => seats,
    with(wish, nowMs) {
      if (seats.some((held) => held?.user === wish.user))
        return fail("EXISTS", `there is a user ${wish.user} already: remove it first, or choose another name`);
      const seat = seats.indexOf(undefined);
      if (seat < 0) return fail("NOT_POSSIBLE", `all ${seatCount} seats for users are taken: remove one first`);
      const line: UserLine = { ...wish, pass: drawPassword(), seat, sinceMs: nowMs };
      return ok({ book: bookOf(path, fixed, [...lines, line]), line });
    },
    without(user) {
      const held = known(user);
      if (!held.ok) return held;
      return ok(
        bookOf(
          path,
          fixed,
          lines.filter((line) => line.user !== user),
        ),
      );
    },
    rotated(user) {
      const held = known(user);
      if (!held.ok) return held;
      const line: UserLine = { ...held.value, pass: drawPassword() };
      return ok({
        book: bookOf(
          path,
          fixed,
          lines.map((other) => (other.user === user ? line : other)),
        ),
        line,
      });
    },
    async save() {
      try {
        await writePrivate(path, `${JSON.stringify(lines, null, 2)}\n`);
        return ok(undefined);
      } catch (error) {
        return fail("DATA_DIR", `${path} cannot be written: ${error instanceof Error ? error.message : String(error)}`);
      }
    },
  };
}
