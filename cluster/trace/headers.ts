// Headers. Owns how contexts travel in the headers of a NATS message: `traceparent` for a message that is one request, and `Foreshard-Trace` for each operation
// of a batch that has one, as `<traceparent> <part> <index>`.
// H1 whoever does not know these headers loses nothing by it. H2 a message carries at most `limits.tracesPerMessage`; further operations go without.

import type { SpanContext } from "@opentelemetry/api";
import { headers, Match, type MsgHdrs } from "nats";
import { limits } from "../../src/config/limits.js";
import type { OnBehalf } from "../../src/kernel/effect.js";
import { readTraceparent } from "./traceparent.js";

const whole = "traceparent";
const ofOperation = "Foreshard-Trace";
/** More than the longest of these lines. */
const lineBytes = 96;
/** So much do the headers of one message take at most. */
export const traceHeaderBytes = lineBytes * limits.tracesPerMessage;

export interface OperationContext {
  readonly context: SpanContext;
  readonly place: readonly [part: number, index: number];
}

export function headersOnBehalf(behalf: readonly OnBehalf[]): MsgHdrs {
  const named = headers();
  for (const { trace, place } of behalf.slice(0, limits.tracesPerMessage)) {
    if (place === undefined) named.set(whole, trace);
    else named.append(ofOperation, `${trace} ${place[0]} ${place[1]}`);
  }
  return named;
}

/** The one context of a request; none where there are several, or where the text is not in the form. */
export function contextIn(given: MsgHdrs | undefined): SpanContext | undefined {
  const [text, ...more] = given?.values(whole, Match.IgnoreCase) ?? [];
  return text === undefined || more.length > 0 ? undefined : readTraceparent(text);
}

export function operationContextsIn(given: MsgHdrs | undefined): readonly OperationContext[] {
  if (given === undefined) return none;
  return given.values(ofOperation).slice(0, limits.tracesPerMessage).flatMap(readLine);
}

const none: readonly OperationContext[] = [];

function readLine(line: string): readonly OperationContext[] {
  const [text = "", part, index, ...more] = line.split(" ");
  const context = readTraceparent(text);
  const place = [placeIn(part), placeIn(index)] as const;
  if (context === undefined || place[0] === undefined || place[1] === undefined || more.length > 0) return none;
  return [{ context, place: [place[0], place[1]] }];
}

function placeIn(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,5}$/.test(text) ? Number(text) : undefined;
}
