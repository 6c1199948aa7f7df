// JetStream. Owns the calls of the `$JS.API` and the decoding of their answers; the numbers of its errors are spelt here only.

import type { Answer, Inbox } from "./inbox.js";

/** Error numbers of nats-server 2.12 to 2.14 (server/errors.json). */
export const jsErrors = {
  noSuitablePeers: 10005,
  insufficientResources: 10023,
  serverMemoryOrStorage: 10028,
  noMessage: 10037,
  storageResources: 10047,
  streamNameInUse: 10058,
  streamNotFound: 10059,
  wrongLastSequence: 10071,
  storeFailed: 10077,
  consumerNotFound: 10014,
  expectedSequenceInFlight: 10164,
  ingestQueueFull: 10167,
} as const;

export interface ApiError {
  readonly code: number;
  readonly errCode: number;
  readonly words: string;
}

export type ApiAnswer =
  | { readonly kind: "ok"; readonly body: Fields }
  | { readonly kind: "error"; readonly error: ApiError }
  /** Nobody answered: no JetStream at the moment, or the call never left. */
  | { readonly kind: "nobody" }
  /** It may have been carried out. */
  | { readonly kind: "unknown" };

/** A decoded JSON object, its fields not yet checked. */
export type Fields = Readonly<Record<string, unknown>>;

const text = new TextEncoder();
const decoder = new TextDecoder();

export function callApi(
  inbox: Inbox,
  call: string,
  body: object | undefined,
  timeoutMs: number,
  done: (answer: ApiAnswer) => void,
): void {
  const payload = text.encode(body === undefined ? "" : JSON.stringify(body));
  inbox.ask(`$JS.API.${call}`, payload, { timeoutMs }, (answer) => done(apiAnswer(answer)));
}

/** The same, as a promise, for the parts that run before the actors do. */
export function callApiLater(
  inbox: Inbox,
  call: string,
  body: object | undefined,
  timeoutMs: number,
): Promise<ApiAnswer> {
  return new Promise((resolve) => callApi(inbox, call, body, timeoutMs, resolve));
}

export function apiAnswer(answer: Answer): ApiAnswer {
  switch (answer.kind) {
    case "message":
      return decodeApi(answer.msg.data);
    case "nobody":
    case "unsent":
      return { kind: "nobody" };
    case "timeout":
    case "cut":
      return { kind: "unknown" };
  }
}

function decodeApi(bytes: Uint8Array): ApiAnswer {
  const body = parse(bytes);
  if (body === undefined) return { kind: "unknown" };
  const { error } = body;
  if (error === undefined) return { kind: "ok", body };
  const fields = isFields(error) ? error : {};
  return {
    kind: "error",
    error: {
      code: numberOf(fields.code),
      errCode: numberOf(fields.err_code),
      words: String(fields.description ?? ""),
    },
  };
}

function parse(bytes: Uint8Array): Fields | undefined {
  try {
    const value: unknown = JSON.parse(decoder.decode(bytes));
    return isFields(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

export function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function fieldsOf(value: unknown): Fields {
  return isFields(value) ? value : {};
}

export function numberOf(value: unknown): number {
  return typeof value === "number" ? value : 0;
}

export function stringOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}
