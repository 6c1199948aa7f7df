// docs/deploy/kubernetes: every document fits the API that it is written for, the options are ours, and the documents agree with each other.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { parse, parseAllDocuments } from "yaml";
import type { z } from "zod";
import { decodeOptions, type StartOptions } from "../../cluster/boot/options.js";
import { findBinary } from "../../cluster/engine/binary.js";
import { drawCredentials } from "../../cluster/engine/credentials.js";
import { machineFiles, machinesIn } from "../../cluster/engine/machines.js";
import { packageVersion } from "../../cluster/version.js";
import { must } from "../results.js";
import { type Document, document, kustomization, natsValues, type StatefulSet } from "./kubernetes-schema.js";

const run = promisify(execFile);
const folder = fileURLToPath(new URL("../../../docs/deploy/kubernetes/", import.meta.url));
const startScript = fileURLToPath(new URL("../../scripts/start.js", import.meta.url));

describe("docs/deploy/kubernetes", () => {
  let documents: readonly Document[];
  let kustom: z.infer<typeof kustomization>;
  let values: z.infer<typeof natsValues>;
  before(async () => {
    kustom = kustomization.parse(parse(await text("kustomization.yaml")));
    values = natsValues.parse(parse(await text("nats-values.yaml")));
    documents = (await Promise.all(kustom.resources.map(documentsOf))).flat();
  });

  async function text(name: string): Promise<string> {
    return readFile(join(folder, name), "utf8");
  }

  async function documentsOf(name: string): Promise<readonly Document[]> {
    return parseAllDocuments(await text(name), { uniqueKeys: true, strict: true }).map((one) => {
      assert.deepEqual(one.errors, [], name);
      const read = document.safeParse(one.toJS());
      assert(read.success, `${name}: ${read.error}`);
      return read.data;
    });
  }

  function of<K extends Document["kind"]>(kind: K): readonly Extract<Document, { kind: K }>[] {
    const found = documents.filter((one): one is Extract<Document, { kind: K }> => one.kind === kind);
    assert(found.length > 0, `no ${kind}`);
    return found;
  }

  /** Containers with the set that they are in: one each. */
  function containers() {
    return of("StatefulSet").flatMap((set) =>
      set.spec.template.spec.containers.map((one) => ({ set, container: one })),
    );
  }

  it("lists every file, and its schemas refuse what the API does not know", async () => {
    const files = (await readdir(folder)).filter((name) => name.endsWith(".yaml")).sort();
    assert.deepEqual(files, [...kustom.resources, "kustomization.yaml", "nats-values.yaml"].sort());
    assert.equal(new Set(documents.map(({ kind, metadata: { name } }) => `${kind}/${name}`)).size, documents.length);
    assert.equal(of("Namespace")[0]?.metadata.name, kustom.namespace);
    const [first] = of("StatefulSet");
    assert(!document.safeParse({ ...first, spec: { ...first?.spec, replica: 3 } }).success);
    assert(!document.safeParse({ ...first, apiVersion: "apps/v1beta1" }).success);
  });

  it("starts with options that there are, and that make sense together with those of the file", async () => {
    const { stdout: help } = await run(process.execPath, [startScript, "--help"]);
    for (const { set, container } of containers()) {
      const options = await optionsOf(set, container.args, help);
      const pod = `${set.metadata.name}-0`;
      assert.equal(options.machine, pod, "the machine is named by its pod");
      assert.equal(options.replicas, 0);
      const carries = options.routers + options.control + options.forecasters;
      assert.equal(carries, set.metadata.labels?.["app.kubernetes.io/component"] === "machine" ? 3 : 0, pod);
    }
  });

  async function optionsOf(set: StatefulSet, args: readonly string[], help: string): Promise<StartOptions> {
    const given: Record<string, unknown> = {};
    for (const arg of args) {
      const [, flag = "", value = ""] = /^--([a-z-]+)=(.+)$/.exec(arg) ?? assert.fail(`${arg}: write --option=value`);
      assert.match(help, new RegExp(`--${flag} <`), `${arg}: foreshard-start has no such option`);
      const name = flag.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase());
      given[name] = value.replace("$(POD_NAME)", `${set.metadata.name}-0`);
    }
    const { config, ...rest } = given;
    return must(decodeOptions({ ...fileAt(set, String(config)), ...rest }));
  }

  /** What stands in the mounted file `path`, as JSON. */
  function fileAt(set: StatefulSet, path: string): Record<string, unknown> {
    const { volumes, containers: within } = set.spec.template.spec;
    const mount = within[0]?.volumeMounts.find(({ mountPath }) => path.startsWith(`${mountPath}/`));
    const volume = volumes.find(({ name }) => name === mount?.name);
    assert(mount !== undefined && volume !== undefined && "configMap" in volume, `${path} is in no config map`);
    const map = of("ConfigMap").find(({ metadata }) => metadata.name === volume.configMap.name);
    const content: unknown = JSON.parse(map?.data[path.slice(mount.mountPath.length + 1)] ?? assert.fail(`no ${path}`));
    assert(typeof content === "object" && content !== null);
    return { ...content };
  }

  it("mounts what is there: volumes, claims, secrets and their files", () => {
    for (const { set, container } of containers()) {
      const { volumes } = set.spec.template.spec;
      const there = [...volumes, ...set.spec.volumeClaimTemplates.map(({ metadata }) => metadata)].map(
        ({ name }) => name,
      );
      assert.deepEqual(container.volumeMounts.map(({ name }) => name).sort(), there.sort());
      for (const volume of volumes) if ("secret" in volume) secretFiles(volume.secret.secretName);
      const options = fileAt(set, "/etc/foreshard/options/options.json");
      const creds = container.volumeMounts.find(({ name }) => name === "creds")?.mountPath;
      assert.deepEqual(
        secretFiles("foreshard-creds").map((file) => `${creds}/${file}`),
        [options.creds],
      );
      assert(
        String(options.dataDir).startsWith(`${container.volumeMounts.find(({ name }) => name === "data")?.mountPath}/`),
      );
      assert(container.image.endsWith(`:${packageVersion()}`), container.image);
      assert.deepEqual(
        container.env.map(({ name }) => name),
        ["POD_NAME"],
      );
    }
  });

  function secretFiles(name: string): readonly string[] {
    const secret = kustom.secretGenerator.find((made) => made.name === name) ?? assert.fail(`no secret ${name}`);
    return secret.files.map((file) => file.slice(file.lastIndexOf("/") + 1));
  }

  it("probes and services mean the port where the page is; services and budgets choose pods that there are", () => {
    for (const { set, container } of containers()) {
      const page = container.ports.find(({ name }) => name === "page");
      assert.equal(fileAt(set, "/etc/foreshard/options/options.json").page, `0.0.0.0:${page?.containerPort}`);
      const { startupProbe, livenessProbe, readinessProbe } = container;
      for (const { httpGet } of [startupProbe, livenessProbe, readinessProbe]) assert.equal(httpGet.port, "page");
      assert.deepEqual([livenessProbe.httpGet.path, readinessProbe.httpGet.path], ["/healthz", "/readyz"]);
      const { labels } = set.spec.template.metadata;
      assert.deepEqual(set.spec.selector.matchLabels, labels);
      for (const { labelSelector } of set.spec.template.spec.topologySpreadConstraints)
        assert.deepEqual(labelSelector.matchLabels, labels);
      const headless = of("Service").find(({ metadata: { name } }) => name === set.spec.serviceName);
      assert.equal(headless?.spec.clusterIP, "None");
      assert(chooses(headless.spec.selector, labels), "the headless service names every pod");
    }
    const pods = of("StatefulSet").map(({ spec }) => spec.template.metadata.labels);
    for (const { spec, metadata } of of("Service")) {
      assert(
        pods.some((labels) => chooses(spec.selector, labels)),
        metadata.name,
      );
      for (const { port, targetPort } of spec.ports) assert.deepEqual([port, targetPort], [8220, "page"]);
    }
    const [budget] = of("PodDisruptionBudget");
    for (const labels of pods) assert(chooses(budget?.spec.selector.matchLabels ?? {}, labels));
  });

  it("names the servers that the NATS chart makes, on the ports that the network lets in", () => {
    const { replicas } = values.config.cluster;
    const release = "nats";
    const urls = Array.from({ length: replicas }, (_, at) => `nats://${release}-${at}.${release}-headless:4222`);
    for (const { set } of containers())
      assert.equal(fileAt(set, "/etc/foreshard/options/options.json").nats, urls.join(","));
    const [policy] = of("NetworkPolicy");
    const allowed = policy?.spec.ingress.map(({ from, ports }) => [from === undefined, ports.map(({ port }) => port)]);
    assert.deepEqual(allowed, [
      [true, [4222]],
      [false, [6222]],
    ]);
    for (const { podSelector } of policy?.spec.ingress[1]?.from ?? [])
      assert.deepEqual(podSelector, policy?.spec.podSelector);
  });

  it("has a real nats-server take the accounts that the README makes, within the limits that we start our own with", async function () {
    this.timeout(20_000);
    const servers = /--servers (\S+)/.exec(await text("README.md"))?.[1] ?? assert.fail("README.md names no servers");
    const machines = must(machinesIn(servers));
    const wish = { machines, port: 4222, routePort: 6222, monitorPort: 8222, folder: "/data", maxFileBytes: 2 ** 30 };
    const files = machineFiles({ ...wish, durability: "always" }, drawCredentials());
    const own: Record<string, unknown> = JSON.parse(files.find(({ path }) => path === "nats-0/nats.conf")?.text ?? "");
    const { accounts, system_account } = own;
    const { "00$include": include, ...limits } = values.config.merge;
    for (const [name, value] of Object.entries(limits)) assert.equal(own[name], value, name);
    const { jetstream } = own;
    assert.equal(
      new Map(Object.entries(jetstream ?? {})).get("sync_interval"),
      values.config.jetstream.merge.sync_interval,
    );
    const [mount] = values.container.patch;
    const [volume] = values.podTemplate.patch;
    assert.equal(mount?.value.name, volume?.value.name);
    const [file = ""] = secretFiles(volume?.value.secret.secretName ?? "");
    assert.equal(normalize(`/etc/nats-config/${include}`), `${mount?.value.mountPath}/${file}`);
    const place = await mkdtemp(join(tmpdir(), "foreshard-kubernetes-"));
    try {
      await mkdir(join(place, "nats-config"));
      await mkdir(join(place, "foreshard-nats"));
      await writeFile(join(place, "foreshard-nats", file), JSON.stringify({ accounts, system_account }));
      const config = join(place, "nats-config", "nats.conf");
      await writeFile(config, `{\ninclude ${include};\n${JSON.stringify({ ...limits, port: 4222 }).slice(1, -1)}\n}\n`);
      const binary = must(await findBinary(undefined));
      const { stderr } = await run(binary.path, ["-t", "-c", config]);
      assert.match(stderr, /configuration file .* is valid/);
      await writeFile(join(place, "foreshard-nats", file), JSON.stringify({ accounts, noSuchOption: 1 }));
      await assert.rejects(run(binary.path, ["-t", "-c", config]), "the accounts were not read");
    } finally {
      await rm(place, { recursive: true });
    }
  });
});

function chooses(selector: Readonly<Record<string, string>>, labels: Readonly<Record<string, string>>): boolean {
  return Object.entries(selector).every(([name, value]) => labels[name] === value);
}
