// TLS. Owns which certificate files a cluster uses, and what is wrong with them before anything starts.
// L1 with an authority (`ca`) everybody who connects, servers among themselves included, shows a certificate of it: mutual TLS. Without one the servers show theirs only.
// L2 a file that cannot be read, is no certificate, has run out, or does not belong to its key is named before a process is started.

import { createPrivateKey, X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { fail, ok, type Result } from "../../src/kernel/fault.js";
import type { TlsPaths } from "../world/nats-address.js";

export interface TlsWish {
  readonly tlsCert?: string | undefined;
  readonly tlsKey?: string | undefined;
  readonly tlsCa?: string | undefined;
}

/** Undefined: no TLS is wished. */
export async function tlsFilesOf({ tlsCert, tlsKey, tlsCa }: TlsWish): Promise<Result<TlsPaths | undefined>> {
  if (tlsCert === undefined && tlsKey === undefined && tlsCa === undefined) return ok(undefined);
  const files: TlsPaths = {
    ...(tlsCert === undefined ? {} : { cert: resolve(tlsCert) }),
    ...(tlsKey === undefined ? {} : { key: resolve(tlsKey) }),
    ...(tlsCa === undefined ? {} : { ca: resolve(tlsCa) }),
  };
  const mistake = await mistakeIn(files);
  return mistake === undefined ? ok(files) : fail("CONFIG", mistake);
}

async function mistakeIn({ cert, key, ca }: TlsPaths): Promise<string | undefined> {
  if ((cert === undefined) !== (key === undefined)) return "tlsCert and tlsKey belong together: give both or neither";
  const authority = ca === undefined ? undefined : await certificateIn(ca);
  if (typeof authority === "string") return authority;
  if (cert === undefined || key === undefined) return undefined;
  const own = await certificateIn(cert);
  if (typeof own === "string") return own;
  const text = await readFile(key).catch(() => undefined);
  if (text === undefined) return `the key ${key} cannot be read`;
  try {
    if (!own.checkPrivateKey(createPrivateKey(text)))
      return `the key ${key} does not belong to the certificate ${cert}`;
  } catch {
    return `${key} is no private key in PEM form`;
  }
  if (authority !== undefined && !own.checkIssued(authority))
    return `the certificate ${cert} was not issued by the authority in ${ca}`;
  return undefined;
}

async function certificateIn(path: string): Promise<X509Certificate | string> {
  const text = await readFile(path).catch(() => undefined);
  if (text === undefined) return `the certificate ${path} cannot be read`;
  try {
    const found = new X509Certificate(text);
    if (Date.parse(found.validTo) < Date.now()) return `the certificate ${path} ran out on ${found.validTo}`;
    return found;
  } catch {
    return `${path} is no certificate in PEM form`;
  }
}
