// Certificates. Owns the authorities and certificates that a test draws for itself with openssl: good ones, one that ran out, one of a foreign authority.

import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

export interface Pair {
  readonly cert: string;
  readonly key: string;
}

export interface Certificates {
  readonly ca: string;
  readonly server: Pair;
  readonly client: Pair;
  readonly expired: Pair;
  /** Of another authority, `foreignCa`. */
  readonly foreign: Pair;
  readonly foreignCa: string;
}

const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];

/** Undefined: there is no openssl on this machine. */
export async function drawCertificates(folder: string): Promise<Certificates | undefined> {
  const at = (name: string): string => join(folder, name);
  const openssl = (...words: string[]) => run("openssl", words, { cwd: folder });
  const authority = async (name: string): Promise<void> => {
    const ends = ["-keyout", `${name}.key`, "-out", `${name}.pem`, "-subj", `/CN=${name}`, "-days", "2"];
    await openssl("req", "-x509", ...curve, ...ends);
  };
  const pair = async (name: string, ca: string, days: number): Promise<Pair> => {
    const ends = ["-keyout", `${name}.key`, "-out", `${name}.csr`, "-subj", `/CN=${name}`];
    await openssl("req", ...curve, ...ends, "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost");
    const signed = ["-CA", `${ca}.pem`, "-CAkey", `${ca}.key`, "-CAcreateserial", "-copy_extensions", "copy"];
    await openssl("x509", "-req", "-in", `${name}.csr`, ...signed, "-days", String(days), "-out", `${name}.pem`);
    return { cert: at(`${name}.pem`), key: at(`${name}.key`) };
  };
  const isThere = await openssl("version").then(
    () => true,
    () => false,
  );
  if (!isThere) return undefined;
  await Promise.all([authority("ca"), authority("foreign-ca")]);
  const server = await pair("server", "ca", 2);
  const client = await pair("client", "ca", 2);
  const expired = await pair("expired", "ca", -1);
  const foreign = await pair("foreign", "foreign-ca", 2);
  return { ca: at("ca.pem"), server, client, expired, foreign, foreignCa: at("foreign-ca.pem") };
}
