// Machines. Owns what several machines need to be one cluster: for each the configuration of its nats-server, the passwords of its hosts, and two systemd units.
// Pure: a value in, the texts of files out. M1 all servers know all others, and the same users. M2 what holds a password is marked private.

import { isIP } from "node:net";
import { fail, ok, type Result } from "../../src/kernel/fault.js";
import { isName } from "../../src/protocol/subjects.js";
import type { TlsPaths } from "../world/nats-address.js";
import { configText, type Durability, seatCount } from "./config.js";
import type { Credentials } from "./credentials.js";

export interface Machine {
  readonly name: string;
  /** Where the others reach it: an IP address or a name. */
  readonly address: string;
}

export interface MachinesWish {
  readonly machines: readonly Machine[];
  /** Of its nats-server, the same on every machine: for clients, and for the other servers. */
  readonly port: number;
  readonly routePort: number;
  readonly monitorPort: number;
  /** On the machines: where configuration, log and rows are kept. */
  readonly folder: string;
  readonly durability: Durability;
  readonly maxFileBytes: number;
  /** Paths on the machines. */
  readonly tls?: Required<TlsPaths>;
}

export interface MachineFile {
  /** Below the folder that is handed to the machine's operator. */
  readonly path: string;
  readonly text: string;
  readonly isPrivate: boolean;
}

const mostMachines = 9;

/** `east=10.0.0.1,west=10.0.0.2,north=10.0.0.3`. Three at least: two cannot tell who of them is cut off. */
export function machinesIn(text: string): Result<readonly Machine[]> {
  const machines = text.split(",").map((word): Machine => {
    const [name = "", address = ""] = word.trim().split("=");
    return { name, address };
  });
  const wrong = machines.find(({ name, address }) => !isName(name) || !/^[A-Za-z0-9.:-]+$/.test(address));
  if (wrong !== undefined)
    return fail(
      "CONFIG",
      `${JSON.stringify(`${wrong.name}=${wrong.address}`)} is no machine: write name=address, such as east=10.0.0.1`,
    );
  if (new Set(machines.map(({ name }) => name)).size < machines.length)
    return fail("CONFIG", "two machines have one name");
  if (machines.length < 3 || machines.length > mostMachines || machines.length % 2 === 0)
    return fail(
      "CONFIG",
      `${machines.length} machines are named: choose 3, 5, 7 or 9, so that more than half of them can always tell who is cut off`,
    );
  return ok(machines);
}

export function machineFiles(wish: MachinesWish, credentials: Credentials): readonly MachineFile[] {
  return wish.machines.flatMap((machine) => [
    { path: `${machine.name}/nats.conf`, text: serverText(wish, machine, credentials), isPrivate: true },
    { path: `${machine.name}/creds.json`, text: loginText(credentials), isPrivate: true },
    { path: `${machine.name}/foreshard-nats.service`, text: serverUnit(wish), isPrivate: false },
    { path: `${machine.name}/foreshard.service`, text: clusterUnit(wish, machine), isPrivate: false },
  ]);
}

function serverText(wish: MachinesWish, { name, address }: Machine, credentials: Credentials): string {
  const { machines, port, routePort, monitorPort, folder, durability, maxFileBytes, tls } = wish;
  const advertised = isIP(address) === 0 ? { advertise: `${address}:${port}` } : {};
  return configText({
    name,
    port,
    monitorPort,
    // A name may mean another address on each side of a network: such a server listens everywhere.
    address: isIP(address) === 0 ? "0.0.0.0" : hostOf(address),
    ...advertised,
    cluster: {
      port: routePort,
      ...(isIP(address) === 0 ? { advertise: `${address}:${routePort}` } : {}),
      routes: machines.filter((other) => other.name !== name).map((other) => `${hostOf(other.address)}:${routePort}`),
    },
    folder: `${folder}/nats`,
    durability,
    maxFileBytes,
    credentials,
    ...(tls === undefined ? {} : { tls }),
    seats: Array.from({ length: seatCount }, () => undefined),
  });
}

function hostOf(address: string): string {
  return isIP(address) === 6 ? `[${address}]` : address;
}

/** What `--creds` takes: a user for each kind of host, and for clients. */
function loginText({ core, client, keeper, node, router, control, forecaster }: Credentials): string {
  return `${JSON.stringify({ ...core, client, keeper, node, router, control, forecaster }, null, 2)}\n`;
}

/** What the hosts of every machine are told: all servers, so that they find another when their own is gone. */
export function serversText(
  { machines, port, tls }: Pick<MachinesWish, "machines" | "port" | "tls">,
  first: string,
): string {
  const own = machines.filter(({ name }) => name === first);
  const others = machines.filter(({ name }) => name !== first);
  return [...own, ...others]
    .map(({ address }) => `${tls === undefined ? "nats" : "tls"}://${hostOf(address)}:${port}`)
    .join(",");
}

function serverUnit({ folder }: MachinesWish): string {
  return unitText({
    description: "NATS server of a Foreshard cluster",
    after: "network-online.target",
    start: `/usr/local/bin/nats-server -c ${folder}/nats.conf`,
    folder,
    more: ["ExecReload=/bin/kill -HUP $MAINPID", "LimitNOFILE=65536"],
  });
}

function clusterUnit(wish: MachinesWish, { name }: Machine): string {
  const { folder, tls } = wish;
  const files = tls === undefined ? "" : ` --tls-cert ${tls.cert} --tls-key ${tls.key} --tls-ca ${tls.ca}`;
  return unitText({
    description: `Foreshard, machine ${name}`,
    after: "foreshard-nats.service",
    start: `/usr/bin/env npx --no-install foreshard-start --nats ${serversText(wish, name)} --creds ${folder}/creds.json --machine ${name} --control 1 --isolation processes --data-dir ${folder}/data${files}`,
    folder,
    // SIGTERM ends it in order, within 40 s.
    more: ["WorkingDirectory=/opt/foreshard", "TimeoutStopSec=60", "KillMode=mixed"],
  });
}

interface Unit {
  readonly description: string;
  readonly after: string;
  readonly start: string;
  readonly folder: string;
  readonly more: readonly string[];
}

function unitText({ description, after, start, folder, more }: Unit): string {
  return `[Unit]
Description=${description}
Wants=${after}
After=${after}

[Service]
ExecStart=${start}
${more.join("\n")}
User=foreshard
Restart=always
RestartSec=2
ReadWritePaths=${folder}
ProtectSystem=strict
ProtectHome=true
NoNewPrivileges=true

[Install]
WantedBy=multi-user.target
`;
}
