// Collector. Owns a small receiver of OTLP over HTTP, as JSON: it keeps what spans it was sent.

import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { z } from "zod";
import { until } from "../../cluster/engine/until.js";

const value = z.object({ stringValue: z.string().optional(), intValue: z.union([z.number(), z.string()]).optional() });
const attributes = z
  .array(z.object({ key: z.string(), value }))
  .transform((list) =>
    Object.fromEntries(list.map(({ key, value: { stringValue, intValue } }) => [key, stringValue ?? Number(intValue)])),
  );
const span = z.object({
  traceId: z.string(),
  spanId: z.string(),
  parentSpanId: z.string().default(""),
  name: z.string(),
  kind: z.number(),
  attributes,
});
const sent = z.object({
  resourceSpans: z.array(
    z.object({ resource: z.object({ attributes }), scopeSpans: z.array(z.object({ spans: z.array(span) })) }),
  ),
});

export type SentSpan = z.output<typeof span> & { readonly host: unknown };

export class Collector {
  readonly spans: SentSpan[] = [];
  readonly paths = new Set<string>();
  private readonly server: Server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on("data", (part: Buffer) => parts.push(part));
    request.on("end", () => {
      this.paths.add(request.url ?? "");
      this.take(Buffer.concat(parts).toString("utf8"));
      response.setHeader("Content-Type", "application/json").end("{}");
    });
  });

  async open(): Promise<string> {
    await new Promise<void>((resolve) => this.server.listen(0, "127.0.0.1", resolve));
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  private take(body: string): void {
    for (const { resource, scopeSpans } of sent.parse(JSON.parse(body)).resourceSpans)
      for (const { spans } of scopeSpans)
        for (const one of spans) this.spans.push({ ...one, host: resource.attributes["service.instance.id"] });
  }

  /** The one span of a trace under a parent, once it was sent. */
  async child(traceId: string, parentSpanId: string): Promise<SentSpan> {
    let found: SentSpan | undefined;
    await until(() => {
      found = this.spans.find((one) => one.traceId === traceId && one.parentSpanId === parentSpanId);
      return found !== undefined;
    }, 10_000);
    if (found === undefined) throw new Error(`no span under ${traceId} ${parentSpanId}`);
    return found;
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
}
