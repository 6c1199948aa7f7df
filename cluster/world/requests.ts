// Requests. Owns what actors say to each other and to clients over NATS: asks, publications, doors and replies.
// Q1 a reply subject that names an inner subject is refused: whoever asks must not make us write where only we may.
// Q2 a door decodes the body, never its meaning; what cannot be decoded is answered with a fault and reaches no actor.
// Q3 nothing waits here: the way back to whoever asked is in the `ReplyTo` itself, so an actor that forgets one leaks nothing.
// Q4 what is too large to send becomes a fault that says so.

import { headers, Match, type Msg, type MsgHdrs } from "nats";
import { limits } from "../../src/config/limits.js";
import type { ActorId, AskOutcome, OnBehalf, ReplyTo, Request } from "../../src/kernel/effect.js";
import { fault, isFaultCode, retryOf } from "../../src/kernel/fault.js";
import type { Arrivals } from "../trace/arrivals.js";
import { headersOnBehalf, traceHeaderBytes } from "../trace/headers.js";
import { contentType, decodeBody, encodeBody, type Form, formOf, jsonType } from "./body.js";
import type { Connection } from "./connection.js";
import type { Answer, Inbox } from "./inbox.js";

export interface Door {
  readonly subject: string;
  /** Members of one queue share the requests. */
  readonly queue?: string;
  readonly actor: ActorId;
  /** Larger bodies are refused; absent: the limit of a client's request. */
  readonly maxBytes?: number;
  /** Messages here want no answer; a reply to one is dropped. */
  readonly oneWay?: boolean;
}

export interface RequestsPorts {
  readonly connection: Connection;
  readonly inbox: Inbox;
  request(actor: ActorId, request: Request): void;
  /** Makes spans of requests; absent where nothing is traced. */
  readonly arrivals?: Arrivals | undefined;
}

export interface RequestCounts {
  readonly taken: number;
  readonly refused: number;
  readonly noReply: number;
  readonly innerReply: number;
  readonly tooLargeReplies: number;
  readonly undelivered: number;
}

export interface Requests {
  ask(
    subject: string,
    body: unknown,
    timeoutMs: number,
    done: (outcome: AskOutcome) => void,
    behalf?: readonly OnBehalf[],
  ): void;
  publish(subject: string, body: unknown): void;
  reply(to: ReplyTo, body: unknown): void;
  /** Subscribes; returns how to close the door. */
  openDoor(door: Door): () => void;
  /** Hands in a message that somebody else subscribed for, such as the micro service. */
  take(actor: ActorId, msg: Msg, maxBytes?: number): void;
  /** Told of every reply before it leaves: to count, not to change. */
  onReply(listener: (to: ReplyTo, body: unknown) => void): void;
  counts(): RequestCounts;
  close(): void;
}

/** Room for headers within the server's limit of one message. */
const headerRoomBytes = 1024;
const innerPrefixes: readonly string[] = ["foreshard.", "$"];
const formMarks = { m: "msgpack", j: "json" } as const satisfies Record<string, Form>;

export function createRequests({ connection, inbox, request, arrivals }: RequestsPorts): Requests {
  const { nats } = connection;
  const counts = { taken: 0, refused: 0, noReply: 0, innerReply: 0, tooLargeReplies: 0, undelivered: 0 };
  const doors = new Set<() => void>();
  const listeners: ((to: ReplyTo, body: unknown) => void)[] = [];
  if (arrivals !== undefined) listeners.push(arrivals.answered);
  const mostBytes = (): number => (nats.info?.max_payload ?? 1024 * 1024) - headerRoomBytes;

  function ask(
    subject: string,
    body: unknown,
    timeoutMs: number,
    done: (outcome: AskOutcome) => void,
    behalf?: readonly OnBehalf[],
  ): void {
    const bytes = encodeBody(body, "msgpack");
    if (bytes.byteLength > mostBytes()) {
      const why = fault("TOO_LARGE", `a request of ${bytes.byteLength} bytes does not fit into one message`);
      return void setImmediate(done, { kind: "answer", body: { fault: why } } satisfies AskOutcome);
    }
    const carries = behalf !== undefined && bytes.byteLength + traceHeaderBytes <= mostBytes();
    const options = carries ? { timeoutMs, headers: headersOnBehalf(behalf) } : { timeoutMs };
    inbox.ask(subject, bytes, options, (answer) => done(askOutcome(answer)));
  }

  function reply(to: ReplyTo, body: unknown): void {
    for (const listener of listeners) listener(to, body);
    const way = wayBack(to);
    if (way === undefined || way.subject === "" || !connection.isUp()) {
      counts.undelivered++;
      return;
    }
    const bytes = fitting(body, way.form);
    const named = headersOf(body, way.form);
    nats.publish(way.subject, bytes, named === undefined ? {} : { headers: named });
  }

  function fitting(body: unknown, form: Form): Uint8Array {
    const bytes = encodeBody(body, form);
    if (bytes.byteLength <= mostBytes()) return bytes;
    counts.tooLargeReplies++;
    const why = `the answer of ${bytes.byteLength} bytes does not fit into one message; ask for less, by limit or fields`;
    return encodeBody({ fault: fault("TOO_LARGE", why) }, form);
  }

  function take(actor: ActorId, msg: Msg, maxBytes: number = limits.requestBytes, oneWay = false): void {
    const subject = msg.reply ?? "";
    if (subject === "" && !oneWay) {
      counts.noReply++;
      return;
    }
    if (isInner(subject)) {
      counts.innerReply++;
      return;
    }
    const form = formOf(msg.headers);
    const from = replyTo(subject, form ?? "json");
    const body = bodyOf(msg, form, maxBytes);
    if (!body.ok) {
      counts.refused++;
      return reply(from, { fault: body.fault });
    }
    counts.taken++;
    const asked = { kind: "request", subject: msg.subject, body: body.value, from, user: userOf(msg) } as const;
    const trace = arrivals?.arrived(msg, from, body.value);
    request(actor, trace === undefined ? asked : { ...asked, trace });
  }

  return {
    ask,
    publish(subject, body) {
      if (connection.isUp()) nats.publish(subject, encodeBody(body, "msgpack"));
    },
    reply,
    openDoor({ subject, queue, actor, maxBytes, oneWay }) {
      const subscription = nats.subscribe(subject, {
        ...(queue === undefined ? {} : { queue }),
        callback: (error, msg) => {
          if (error === null) take(actor, msg, maxBytes, oneWay);
        },
      });
      const close = (): void => {
        doors.delete(close);
        if (!nats.isClosed()) subscription.unsubscribe();
      };
      doors.add(close);
      return close;
    },
    take,
    onReply: (listener) => void listeners.push(listener),
    counts: () => ({ ...counts }),
    close() {
      for (const close of [...doors]) close();
    },
  };
}

/** Micro services speak in numbers; the code itself stands in the body. */
const statusOf = { no: 400, yes: 503, ask: 504 } as const;

/** JSON says that it is JSON; a fault also stands in the headers of NATS micro services. */
function headersOf(body: unknown, form: Form): MsgHdrs | undefined {
  const refused = typeof body === "object" && body !== null && "fault" in body ? faultIn(body.fault) : undefined;
  if (form === "msgpack" && refused === undefined) return undefined;
  const named = headers();
  if (form === "json") named.set(contentType, jsonType);
  if (refused === undefined) return named;
  named.set("Nats-Service-Error-Code", String(isFaultCode(refused.code) ? statusOf[retryOf(refused.code)] : 500));
  named.set("Nats-Service-Error", `${refused.code}: ${refused.message}`.replace(/[^\x20-\x7e]/g, "?"));
  return named;
}

function faultIn(value: unknown): { readonly code: string; readonly message: string } | undefined {
  if (typeof value !== "object" || value === null || !("code" in value) || !("message" in value)) return undefined;
  return { code: String(value.code), message: String(value.message) };
}

function askOutcome(answer: Answer): AskOutcome {
  switch (answer.kind) {
    case "message": {
      const body = decodeBody(answer.msg.data, formOf(answer.msg.headers) ?? "msgpack");
      return { kind: "answer", body: body.ok ? body.value : undefined };
    }
    case "nobody":
    case "unsent":
      return { kind: "nobody" };
    case "timeout":
    case "cut":
      return { kind: "timeout" };
  }
}

function bodyOf(msg: Msg, form: Form | undefined, maxBytes: number) {
  if (form === undefined) {
    const named = JSON.stringify(msg.headers?.get(contentType, Match.IgnoreCase).slice(0, 64));
    const why = `the content type ${named} is not spoken here; send application/json, or msgpack with no content type`;
    return { ok: false, fault: fault("UNSUPPORTED_CONTENT_TYPE", why) } as const;
  }
  const sizeBytes = msg.data.byteLength;
  if (sizeBytes > maxBytes) {
    const why = `a request may have ${maxBytes} bytes, this one has ${sizeBytes}; send less at a time`;
    return { ok: false, fault: fault("TOO_LARGE", why, { maxBytes }) } as const;
  }
  return decodeBody(msg.data, form);
}

/** The server stamps it on what crosses from the clients' account; nobody else can write there. */
function userOf(msg: Msg): string {
  const stamp = msg.headers?.get("Nats-Request-Info");
  if (!stamp) return "";
  try {
    const info: unknown = JSON.parse(stamp);
    return typeof info === "object" && info !== null && "user" in info && typeof info.user === "string"
      ? info.user
      : "";
  } catch {
    return "";
  }
}

function isInner(subject: string): boolean {
  return innerPrefixes.some((prefix) => subject.startsWith(prefix)) || /\s/.test(subject);
}

function replyTo(subject: string, form: Form): ReplyTo {
  return { reply: `${form === "json" ? "j" : "m"}${subject}` };
}

function wayBack({ reply }: ReplyTo): { readonly form: Form; readonly subject: string } | undefined {
  if (typeof reply !== "string") return undefined;
  const mark = reply[0];
  return mark === "m" || mark === "j" ? { form: formMarks[mark], subject: reply.slice(1) } : undefined;
}
