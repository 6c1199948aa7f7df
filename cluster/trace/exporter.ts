// Exporter. Owns the sending of a host's spans by OTLP over HTTP, with OpenTelemetry's own packages. They are large and most clusters do without, so they come
// with whoever wants traces, and are loaded only here.
// E1 what cannot be sent is dropped, within bounds, and said once until it can be sent again. E2 an end waits for the last spans, but not for long.

import type { TracerProvider } from "@opentelemetry/api";
import type { SpanExporter } from "@opentelemetry/sdk-trace-base";
import { fail, ok, type Result } from "../../src/kernel/fault.js";
import type { Log } from "../log.js";

export interface Exporter {
  readonly provider: TracerProvider;
  close(): Promise<void>;
}

export interface ExporterSpec {
  /** `http://host:port`, or with a path of its own instead of OTLP's `/v1/traces`. */
  readonly url: string;
  /** Of the host whose spans they are. */
  readonly id: string;
  readonly version: string;
  readonly log: Log;
}

/** Those that this was tried with; the same ranges stand in package.json. */
const packages =
  "@opentelemetry/sdk-trace-base@2 @opentelemetry/resources@2 @opentelemetry/exporter-trace-otlp-http@0.223";
const sendEveryMs = 1000;
const sendLimitMs = 5000;
const lastLimitMs = 1000;
const tracesPath = "/v1/traces";

/** CONFIG where the packages are not installed. */
export async function checkExporter(): Promise<Result<void>> {
  const loaded = await load();
  return loaded.ok ? ok(undefined) : loaded;
}

export async function openExporter({ url, id, version, log }: ExporterSpec): Promise<Result<Exporter>> {
  const loaded = await load();
  if (!loaded.ok) return loaded;
  const [{ BasicTracerProvider, BatchSpanProcessor }, { resourceFromAttributes }, { OTLPTraceExporter }] = loaded.value;
  const sender = watched(new OTLPTraceExporter({ url: addressOf(url), timeoutMillis: sendLimitMs }), log);
  const processor = new BatchSpanProcessor(sender, {
    scheduledDelayMillis: sendEveryMs,
    exportTimeoutMillis: sendLimitMs,
  });
  const provider = new BasicTracerProvider({
    resource: resourceFromAttributes({
      "service.name": "foreshard",
      "service.version": version,
      "service.instance.id": id,
    }),
    spanProcessors: [processor],
  });
  return ok({ provider, close: () => within(lastLimitMs, provider.shutdown()) });
}

async function load() {
  try {
    return ok(
      await Promise.all([
        import("@opentelemetry/sdk-trace-base"),
        import("@opentelemetry/resources"),
        import("@opentelemetry/exporter-trace-otlp-http"),
      ]),
    );
  } catch (error) {
    const why = (error instanceof Error ? error.message : String(error)).split(/\n| imported from /, 1)[0];
    return fail(
      "CONFIG",
      `traces needs OpenTelemetry's packages, which do not come with foreshard: npm install ${packages} (${why})`,
    );
  }
}

function addressOf(url: string): string {
  const address = new URL(url);
  if (address.pathname === "/") address.pathname = tracesPath;
  return address.href;
}

function watched(inner: SpanExporter, log: Log): SpanExporter {
  let failed = false;
  return {
    export(spans, done) {
      inner.export(spans, (result) => {
        if (result.error !== undefined && !failed) log("warn", "tracesNotSent", { why: result.error.message });
        failed = result.error !== undefined;
        done(result);
      });
    },
    shutdown: () => inner.shutdown(),
    forceFlush: async () => inner.forceFlush?.(),
  };
}

async function within(limitMs: number, work: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, limitMs);
  });
  await Promise.race([work.catch(() => undefined), limit]);
  clearTimeout(timer);
}
