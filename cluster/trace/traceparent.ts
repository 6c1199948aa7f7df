// Traceparent. Owns the text in which the context of a trace travels: W3C Trace Context, `00-<trace id>-<span id>-<flags>`.
// TP1 what is not in that form is no context: whoever asked is answered as if nothing had been sent.

import { isSpanContextValid, type SpanContext, TraceFlags } from "@opentelemetry/api";

/** Longer versions of the form may come; their beginning stays as it is. */
const form = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;
const firstVersion = "00";
const noVersion = "ff";
const longestText = 256;

export function readTraceparent(text: string): SpanContext | undefined {
  if (text.length > longestText) return undefined;
  const [, version, traceId = "", spanId = "", flags = "", more] = form.exec(text) ?? [];
  if (version === undefined || version === noVersion || (version === firstVersion && more !== undefined))
    return undefined;
  const context = { traceId, spanId, traceFlags: Number.parseInt(flags, 16) & TraceFlags.SAMPLED, isRemote: true };
  return isSpanContextValid(context) ? context : undefined;
}

export function writeTraceparent({ traceId, spanId, traceFlags }: SpanContext): string {
  return `${firstVersion}-${traceId}-${spanId}-${(traceFlags & TraceFlags.SAMPLED).toString(16).padStart(2, "0")}`;
}
