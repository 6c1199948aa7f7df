// Monitor. Owns the questions to a nats-server's monitoring port (loopback only): is it well, and does it run as we told it?
// The full /healthz is asked: its `js-enabled-only` and `js-server-only` forms stay 200 while a stream is dead (FACTS R19).

import { get } from "node:http";
import { z } from "zod";
import { valueOfJson } from "../../src/protocol/json-text.js";
import { loopback } from "./config.js";

const settings = z.object({
  version: z.string(),
  max_payload: z.number(),
  jetstream: z
    .object({ config: z.object({ max_storage: z.number(), sync_always: z.boolean().optional() }).optional() })
    .optional(),
});
const loaded = z.object({ config_load_time: z.string() });
const meta = z.object({ meta_cluster: z.object({ leader: z.string().optional() }).optional() });
const health = z.object({ status: z.string(), error: z.string().optional() });

export interface ServerSettings {
  readonly version: string;
  readonly maxPayloadBytes: number;
  /** Absent: no JetStream. */
  readonly jetstream?: { readonly maxFileBytes: number; readonly syncAlways: boolean };
}

/** "ok", or what is wrong. */
export async function askHealth(monitorPort: number): Promise<string> {
  const answer = await fetchText(monitorPort, "/healthz");
  if (answer === undefined) return "does not answer";
  const found = health.safeParse(valueOfJson(answer));
  if (!found.success) return "answers what is not a health report";
  return found.data.status === "ok" ? "ok" : (found.data.error ?? found.data.status);
}

export async function askSettings(monitorPort: number): Promise<ServerSettings | undefined> {
  const answer = await fetchText(monitorPort, "/varz");
  const found = settings.safeParse(answer === undefined ? undefined : valueOfJson(answer));
  if (!found.success) return undefined;
  const { version, max_payload, jetstream } = found.data;
  const config = jetstream?.config;
  if (config === undefined) return { version, maxPayloadBytes: max_payload };
  return {
    version,
    maxPayloadBytes: max_payload,
    jetstream: { maxFileBytes: config.max_storage, syncAlways: config.sync_always ?? false },
  };
}

/** When it read its configuration last, in its own words. */
export async function askLoadTime(monitorPort: number): Promise<string | undefined> {
  const answer = await fetchText(monitorPort, "/varz");
  const found = loaded.safeParse(answer === undefined ? undefined : valueOfJson(answer));
  return found.success ? found.data.config_load_time : undefined;
}

/** Name of the server that leads JetStream's own bookkeeping; absent on a single server. */
export async function askMetaLeader(monitorPort: number): Promise<string | undefined> {
  const answer = await fetchText(monitorPort, "/jsz");
  const found = meta.safeParse(answer === undefined ? undefined : valueOfJson(answer));
  return found.success ? found.data.meta_cluster?.leader : undefined;
}

function fetchText(port: number, path: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const asked = get({ host: loopback, port, path, timeout: 1_000, agent: false }, (answer) => {
      let text = "";
      answer.setEncoding("utf8");
      answer.on("data", (chunk: string) => {
        text += chunk;
      });
      answer.on("end", () => resolve(text));
      answer.on("error", () => resolve(undefined));
    });
    asked.on("timeout", () => asked.destroy());
    asked.on("error", () => resolve(undefined));
  });
}
