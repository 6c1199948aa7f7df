// Machines command. Owns `foreshard machines`: the files that several machines need to be one cluster, written into a folder for each.

import { chmod, mkdir, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import type { Command } from "commander";
import { FaultError } from "../../cluster/client/index.js";
import { drawCredentials, writePrivate } from "../../cluster/engine/credentials.js";
import { machineFiles, machinesIn, serversText } from "../../cluster/engine/machines.js";
import type { TlsPaths } from "../../cluster/world/nats-address.js";
import { UsageError } from "./failure.js";
import { note, write, writeJson } from "./output.js";
import { positive } from "./session.js";

interface Flags {
  readonly servers: string;
  readonly out: string;
  readonly folder: string;
  readonly port: number;
  readonly routePort: number;
  readonly monitorPort: number;
  readonly durability: string;
  readonly maxStore: number;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly tlsCa?: string;
  readonly json?: boolean;
}

const gib = 2 ** 30;
const example = `
Examples:
  $ foreshard machines --servers east=10.0.0.1,west=10.0.0.2,north=10.0.0.3 --out machines
Each folder goes to its machine, as docs/OPERATIONS.md tells. The passwords are drawn anew at every call: a cluster has one set.`;

export function addMachinesCommand(program: Command): void {
  program
    .command("machines")
    .description("write what several machines need to be one cluster: NATS configurations, passwords, systemd units")
    .requiredOption("--servers <list>", "name=address of each machine, with commas between them; 3, 5, 7 or 9")
    .requiredOption("--out <folder>", "where the files are written, in a folder for each machine; must not exist")
    .option("--folder <path>", "where the cluster is kept on the machines", "/var/lib/foreshard")
    .option("--port <port>", "port of the nats-servers for clients", positive("--port"), 4222)
    .option("--route-port <port>", "port of the nats-servers among themselves", positive("--route-port"), 6222)
    .option("--monitor-port <port>", "port of their monitoring, on loopback", positive("--monitor-port"), 8222)
    .option("--durability <when>", "always or interval: see foreshard-start --help", "always")
    .option("--max-store <GiB>", "what a nats-server may take of its disk", positive("--max-store"), 20)
    .option("--tls-cert <path>", "certificate on each machine; with --tls-key and --tls-ca everything is encrypted")
    .option("--tls-key <path>", "its key")
    .option("--tls-ca <path>", "authority that all certificates come from")
    .option("--json", "as JSON")
    .addHelpText("after", example)
    .action((flags: Flags) => writeMachines(flags));
}

async function writeMachines(flags: Flags): Promise<void> {
  const machines = machinesIn(flags.servers);
  if (!machines.ok) throw new FaultError(machines.fault);
  const { port, routePort, monitorPort, folder } = flags;
  const durability = (["always", "interval"] as const).find((known) => known === flags.durability);
  if (durability === undefined) throw new UsageError("--durability must be always or interval");
  if (!/^\/[A-Za-z0-9._/-]+$/.test(folder)) throw new UsageError("--folder must be an absolute path without spaces");
  const tls = tlsIn(flags);
  const wish = {
    ...{ machines: machines.value, port, routePort, monitorPort, folder, durability },
    maxFileBytes: flags.maxStore * gib,
    ...(tls === undefined ? {} : { tls }),
  } as const;
  const out = resolve(flags.out);
  await mkdir(dirname(out), { recursive: true });
  await mkdir(out, { mode: 0o700 }).catch(() => {
    throw new UsageError(
      `${out} exists, or cannot be made: its passwords may be in use; name another folder with --out`,
    );
  });
  for (const { path, text, isPrivate } of machineFiles(wish, drawCredentials())) {
    const file = join(out, path);
    await mkdir(dirname(file), { recursive: true, mode: 0o700 });
    if (isPrivate) await writePrivate(file, text);
    else {
      await writeFile(file, text);
      await chmod(file, 0o644);
    }
  }
  const servers = serversText(wish, machines.value[0]?.name ?? "");
  const folders = machines.value.map(({ name }) => ({ name, folder: join(flags.out, name) }));
  if (flags.json === true) return writeJson({ machines: folders, servers });
  for (const { folder: where } of folders)
    await write(`${where}: nats.conf creds.json foreshard-nats.service foreshard.service\n`);
  note(
    `each goes to ${folder} on its machine (the units to /etc/systemd/system); clients use ${servers} with the "client" of creds.json`,
  );
}

function tlsIn({ tlsCert, tlsKey, tlsCa }: Flags): Required<TlsPaths> | undefined {
  if (tlsCert === undefined && tlsKey === undefined && tlsCa === undefined) return undefined;
  if (tlsCert === undefined || tlsKey === undefined || tlsCa === undefined)
    throw new UsageError("--tls-cert, --tls-key and --tls-ca belong together: machines show each other certificates");
  return { cert: tlsCert, key: tlsKey, ca: tlsCa };
}
