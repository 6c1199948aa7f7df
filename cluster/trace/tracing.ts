// Tracing. Owns the spans of this package, by OpenTelemetry's API: what a span is named, what it says, how it ends.
// T1 it is off until a program registers a tracer provider, or a host is told where to send (`exporter.ts`): then nothing here is called at all.
// T2 only what is sampled goes on: a request that is not recorded carries no context.

import {
  type Attributes,
  context as contexts,
  ProxyTracerProvider,
  ROOT_CONTEXT,
  type SpanContext,
  SpanKind,
  SpanStatusCode,
  TraceFlags,
  type TracerProvider,
  trace,
} from "@opentelemetry/api";
import { isName } from "../../src/protocol/subjects.js";
import { packageVersion } from "../version.js";
import { writeTraceparent } from "./traceparent.js";

/** One span under way. */
export interface Visit {
  /** Its context as text, for what is asked on its behalf; undefined: it is not recorded. */
  readonly trace: string | undefined;
  /** `code`: of the fault that it ends with. */
  end(code?: string): void;
}

export interface Tracing {
  /** A call of a client, below whatever span is active in the program. */
  called(subject: string): Visit;
  /** A request at a router, below the span of whoever asks. */
  routed(subject: string, router: string, parent: SpanContext | undefined): Visit;
  /** An operation at a node. */
  executed(what: Attributes, node: string, parent: SpanContext): Visit;
}

const library = "foreshard";
const system = { "db.system.name": "foreshard" } as const;

/** What a program has registered; undefined: nothing, so nobody would see a span. */
export function registeredProvider(): TracerProvider | undefined {
  const provider = trace.getTracerProvider();
  const isEmpty = provider instanceof ProxyTracerProvider && provider.getDelegateTracer(library) === undefined;
  return isEmpty ? undefined : provider;
}

export function tracingOf(provider: TracerProvider): Tracing {
  const tracer = provider.getTracer(library, packageVersion());

  function begin(name: string, kind: SpanKind, attributes: Attributes, parent = ROOT_CONTEXT): Visit {
    const span = tracer.startSpan(name, { kind, attributes }, parent);
    const own = span.spanContext();
    return {
      trace: (own.traceFlags & TraceFlags.SAMPLED) === 0 ? undefined : writeTraceparent(own),
      end(code) {
        if (code !== undefined) span.setAttribute("error.type", code).setStatus({ code: SpanStatusCode.ERROR });
        span.end();
      },
    };
  }
  function below(parent: SpanContext | undefined) {
    return parent === undefined ? ROOT_CONTEXT : trace.setSpanContext(ROOT_CONTEXT, parent);
  }

  return {
    called(subject) {
      const { attributes, op } = queryIn(subject);
      return begin(`foreshard ${op}`, SpanKind.CLIENT, attributes, contexts.active());
    },
    routed(subject, router, parent) {
      const attributes = { ...queryIn(subject).attributes, "foreshard.router": router };
      return begin("foreshard.route", SpanKind.SERVER, attributes, below(parent));
    },
    executed(what, node, parent) {
      const attributes = { ...system, ...what, "foreshard.node": node };
      return begin("foreshard.execute", SpanKind.SERVER, attributes, below(parent));
    },
  };
}

/** Of `foreshard.query.<table>.<op>`; what a subject names that is no name is left out: whoever asks could write anything there. */
function queryIn(subject: string): { readonly attributes: Attributes; readonly op: string } {
  const [, , table, op] = subject.split(".");
  const named = isName(op) ? op : "unknown";
  const attributes = { ...system, "db.operation.name": named };
  return { op: named, attributes: isName(table) ? { ...attributes, "db.collection.name": table } : attributes };
}
