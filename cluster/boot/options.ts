// Options. Owns what a person may choose when starting a cluster: names, defaults, bounds, and the sentence that helps when a choice is wrong.
// The command line and the configuration file use the same names; the command line wins.
// O1 what leaves here is complete and consistent. What a data folder fixed when it was made (`natsServers`, `logGroups`, `controlPartitions`)
//    stays undefined when nobody chose it.

import { z } from "zod";
import { limits } from "../../src/config/limits.js";
import { fail, ok, type Result } from "../../src/kernel/fault.js";
import { otherGroup } from "../../src/load/group.js";
import type { Ceiling } from "../../src/load/power.js";
import { isName } from "../../src/protocol/subjects.js";
import { reservedUsers } from "../engine/credentials.js";
import { pageMistake } from "../page/address.js";

const whole = (what: string, least: number, most: number) => {
  const message = `${what} must be a whole number from ${least} to ${most}`;
  return z
    .union([z.number(), z.string().trim().min(1).transform(Number)], { error: message })
    .refine((count) => Number.isInteger(count) && count >= least && count <= most, { message });
};
const oneOf = <const W extends readonly [string, ...string[]]>(what: string, words: W) =>
  z.enum(words, { error: `${what} must be ${words.join(" or ")}` });
const text = (what: string) =>
  z.string({ error: `${what} must be text` }).min(1, { error: `${what} must not be empty` });

const zones = z
  .union([z.array(z.string()), z.string().transform((list) => list.split(",").map((zone) => zone.trim()))], {
    error: "zones must be names, with commas between them",
  })
  .refine((names) => names.length > 0 && names.every(isName), {
    message: "zones must be names (a letter, then letters, digits, _ or -), with commas between them",
  });

const oneOrThree = "natsServers must be 1 or 3";
const natsServers = z
  .union([z.number(), z.string().transform(Number)], { error: oneOrThree })
  .refine((count): count is 1 | 3 => count === 1 || count === 3, { message: oneOrThree });

const intervalRule = `sampleInterval must be from 100ms to ${limits.sampleIntervalMs / 1000}s, such as 10s or 500ms`;
/** `10s`, `500ms`, or a number of milliseconds. */
const sampleInterval = z
  .union([z.number(), z.string().transform(millisecondsIn)], { error: intervalRule })
  .refine((ms) => Number.isInteger(ms) && ms >= 100 && ms <= limits.sampleIntervalMs, { message: intervalRule });

function millisecondsIn(words: string): number {
  const [, amount, unit] = /^(\d+(?:\.\d+)?)(ms|s)$/.exec(words.trim()) ?? [];
  return amount === undefined ? Number.NaN : Math.round(Number(amount) * (unit === "s" ? 1000 : 1));
}

const capacityRule =
  "capacity must be queries per second (such as 500) or a share of one core (such as 50%), for all nodes or with commas for each";
/** `500`, `50%`, or several with commas between them. */
const capacity = z
  .union(
    [
      z.array(z.union([z.number(), z.string()])),
      z.number().transform((one): (number | string)[] => [one]),
      z.string().transform((list): (number | string)[] => list.split(",")),
    ],
    { error: capacityRule },
  )
  .transform((list) => list.map(ceilingIn))
  .refine((list): list is Ceiling[] => list.length > 0 && list.every((one) => one !== undefined), {
    message: capacityRule,
  });

function ceilingIn(word: number | string): Ceiling | undefined {
  const [, amount, percent] = /^(\d+(?:\.\d+)?)(%?)$/.exec(String(word).trim()) ?? [];
  const value = Number(amount ?? Number.NaN);
  if (percent === "%") return value >= 1 && value <= 100 ? { kind: "cpu", share: value / 100 } : undefined;
  return value >= 1 && value <= 10_000_000 ? { kind: "queries", perSecond: value } : undefined;
}

const addresses = (what: string) =>
  z
    .union([z.array(z.string()), z.string().transform((list) => list.split(",").map((address) => address.trim()))], {
      error: `${what} must be addresses as host:port, with commas between them`,
    })
    .refine((list) => list.length > 0 && list.every((address) => /^[A-Za-z0-9.-]+:\d{1,5}$/.test(address)), {
      message: `${what} must be addresses as host:port, with commas between them`,
    });

const edgeUsers = z.array(
  z.strictObject({
    user: z.string().refine((name) => isName(name) && !reservedUsers.some((taken) => taken === name), {
      message:
        "users: a user must be a name (a letter, then letters, digits, _ or -) that the cluster has no use for itself",
    }),
    pass: z.string().min(8, { error: "users: a password must have at least 8 characters" }),
    /** Users of one group are one client group in load samples and forecasts. */
    group: z
      .string()
      .refine((name) => isName(name) && name !== otherGroup, {
        message: `users: a group must be a name (a letter, then letters, digits, _ or -) other than ${otherGroup}`,
      })
      .optional(),
    publish: z.array(
      z.string().regex(/^foreshard\.query\.([A-Za-z0-9_*-]+\.)*([A-Za-z0-9_*-]+|>)$/, {
        error: "users: publish must list subjects below foreshard.query, e.g. foreshard.query.orders.get",
      }),
    ),
  }),
  { error: "users must be a list of {user, pass, publish, group?}" },
);

const tracesRule = "traces must be the address that takes OTLP over HTTP, such as http://127.0.0.1:4318";
const traces = z
  .string({ error: tracesRule })
  .refine((url) => URL.canParse(url) && ["http:", "https:"].includes(new URL(url).protocol), { message: tracesRule });

const machineLetters = 32;
const machineRule = `machine must be a name (a letter, then letters, digits, _ or -) of at most ${machineLetters} letters`;

const schema = z.strictObject({
  nodes: whole("nodes", 1, 64).default(3),
  routers: whole("routers", 0, 16).default(1),
  control: whole("control", 0, 9).default(2),
  /** Hosts that forecast the load; they divide the series among themselves. 0: nothing is forecast. */
  forecasters: whole("forecasters", 0, 16).default(1),
  controlPartitions: whole("controlPartitions", 1, limits.controlPartitions).optional(),
  logGroups: whole("logGroups", 1, 256).optional(),
  /** Copies of each fragment where a table does not say. 0: three, or as many as there are nodes. */
  replicas: whole("replicas", 0, limits.replicas).default(0),
  dataDir: text("dataDir").default("./data"),
  port: whole("port", 0, 65_535).optional(),
  durability: oneOf("durability", ["always", "interval"]).default("always"),
  nats: text("nats").optional(),
  creds: text("creds").optional(),
  /** This machine's name among several that share a NATS cluster: its hosts' names begin with it, and it is their zone where no other is chosen. */
  machine: z
    .string()
    .refine((name) => isName(name) && name.length <= machineLetters, { message: machineRule })
    .optional(),
  natsServer: text("natsServer").optional(),
  natsServers: natsServers.optional(),
  /** PEM files: certificate and key of the servers, which the hosts show too; and the authority that everybody's certificate must come from. */
  tlsCert: text("tlsCert").optional(),
  tlsKey: text("tlsKey").optional(),
  tlsCa: text("tlsCa").optional(),
  /** Where the nats-servers are reached instead of at their own ports, through a proxy or a tunnel: one address for each. */
  natsAdvertise: addresses("natsAdvertise").optional(),
  /** The same for the links between three servers. */
  routeAdvertise: addresses("routeAdvertise").optional(),
  isolation: oneOf("isolation", ["threads", "processes"]).default("threads"),
  zones: zones.default([]),
  restart: oneOf("restart", ["always", "never"]).default("always"),
  readyFile: text("readyFile").optional(),
  logLevel: oneOf("logLevel", ["debug", "info", "warn", "error"]).default("info"),
  logTo: oneOf("logTo", ["files", "stderr"]).default("files"),
  /** Time between two load samples of a node, in milliseconds once decoded. */
  sampleInterval: sampleInterval.default(10_000),
  loadHistoryDays: whole("loadHistoryDays", 1, 366).default(30),
  /** How slow and how fast copies of fragments to one node may go, MiB per second. */
  copyFloor: whole("copyFloor", 1, 10_000).default(2),
  copyCeiling: whole("copyCeiling", 1, 10_000).default(256),
  /** How fast a node has the copies that it leads compared when nobody asks for it, MiB per second; 0 = never. */
  scrubRate: whole("scrubRate", 0, 10_000).default(4),
  /** Where the live page and the metrics are: HOST:PORT or `off`. Absent: 127.0.0.1:8220, or another port if that is taken. */
  page: text("page").optional(),
  /** Orders may be given on the page, with the operator's token. */
  pageActions: z.boolean({ error: "pageActions must be true or false" }).default(false),
  /** What each node may be asked of: one for all, or one for each node. Empty: as much as it can bear. */
  capacity: capacity.default([]),
  /** Requests per second that one user may ask of one router. 0: no limit. */
  userRate: whole("userRate", 0, 1_000_000).default(0),
  /** Where routers and nodes send their traces, by OTLP over HTTP. Absent: nothing is traced. */
  traces: traces.optional(),
  /** More users for clients, each limited to the subjects it is granted. */
  users: edgeUsers.default([]),
});

export type StartOptions = Readonly<z.output<typeof schema>>;

export const fixedByFolder = { natsServers: 1, logGroups: limits.logGroups, controlPartitions: 1 } as const;

/** Options that mean something only for the nats-server that we start ourselves. */
const embeddedOnly = ["port", "natsServer", "natsServers", "natsAdvertise", "routeAdvertise", "users"] as const;

export function decodeOptions(chosen: Readonly<Record<string, unknown>>): Result<StartOptions> {
  const found = schema.safeParse(chosen);
  if (!found.success) return fail("CONFIG", found.error.issues.map(sentence).join("; "));
  const options = found.data;
  const mistake = contradiction(options, chosen);
  return mistake === undefined ? ok(options) : fail("CONFIG", mistake);
}

function sentence(issue: z.core.$ZodIssue): string {
  if (issue.code === "unrecognized_keys") return `there is no option ${issue.keys.join(", ")}: see --help`;
  return issue.message;
}

/** A machine among others may do without what another has; one that is alone may not. */
function lonelyMistake({ machine, nats, routers, control }: StartOptions): string | undefined {
  if (machine !== undefined)
    return nats === undefined
      ? "machine names one of several machines, which meet in a NATS cluster that runs already: name that with nats"
      : undefined;
  const missing = routers === 0 ? "routers" : control === 0 ? "control" : undefined;
  if (missing === undefined) return undefined;
  return `${missing} must be at least 1: only one machine of several (option machine) may leave that to the others`;
}

function contradiction(options: StartOptions, chosen: Readonly<Record<string, unknown>>): string | undefined {
  if ((options.tlsCert === undefined) !== (options.tlsKey === undefined))
    return "tlsCert and tlsKey belong together: give both or neither";
  if (options.nats === undefined) {
    if (options.tlsCa !== undefined && options.tlsCert === undefined)
      return "tlsCa without tlsCert and tlsKey: the servers need a certificate of their own";
    if (options.creds !== undefined) return "creds belongs to an existing NATS cluster: name it with --nats URL";
  } else {
    const stray = embeddedOnly.find((name) => chosen[name] !== undefined);
    if (stray !== undefined)
      return `${stray} belongs to the nats-server that is started here, and nats names another: leave one out`;
  }
  const lonely = lonelyMistake(options);
  if (lonely !== undefined) return lonely;
  if (options.machine === undefined && options.replicas > options.nodes)
    return `replicas is ${options.replicas} with nodes ${options.nodes}: each copy of a fragment lies on a node of its own, so choose at most as many`;
  const groups = options.logGroups ?? fixedByFolder.logGroups;
  const partitions = options.controlPartitions ?? fixedByFolder.controlPartitions;
  if (groups < partitions)
    return `logGroups is ${groups} with controlPartitions ${partitions}: each control partition needs a log group of its own`;
  const page = pageMistake(options.page);
  if (page !== undefined) return page;
  if (options.copyFloor > options.copyCeiling)
    return `copyFloor is ${options.copyFloor} with copyCeiling ${options.copyCeiling}: the floor must not be above the ceiling`;
  if (options.capacity.length > 1 && options.capacity.length !== options.nodes)
    return `there are ${options.capacity.length} capacities for nodes ${options.nodes}: give one for all, or one for each node`;
  if (options.zones.length > options.nodes)
    return `there are ${options.zones.length} zones for nodes ${options.nodes}: choose at most as many zones as nodes`;
  return undefined;
}
