// Refusals. Owns the sentences of refusals that more than one part of the router gives.

import { type Fault, fault } from "../../src/kernel/fault.js";

export function unknownTable(name: string): Fault {
  const shown = name.length > 80 ? `${name.slice(0, 80)}…` : name;
  return fault(
    "UNKNOWN_TABLE",
    `there is no table ${JSON.stringify(shown)}; make it with \`foreshard table create\` or a request to foreshard.query._cluster.createTable, and list tables with \`foreshard table list\``,
    { table: shown },
  );
}

export function unknownOperation(op: string, known: readonly string[]): Fault {
  const shown = op.length > 80 ? `${op.slice(0, 80)}…` : op;
  return fault("UNKNOWN_OPERATION", `there is no operation ${JSON.stringify(shown)}; there are ${known.join(", ")}`, {
    operations: known,
  });
}
