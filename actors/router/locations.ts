// Locations. Owns the router's answer to "where does this lie": the location cache over one view per control partition.
// L1 it answers from what it has, at once; a stale answer is corrected by the node that refuses it.

import type { Effects, WorldMessage } from "../../src/kernel/effect.js";
import type { Hash } from "../../src/kernel/hash.js";
import type { Random } from "../../src/kernel/random.js";
import { fragmentAt, fragmentsIn, tableNamed } from "../../src/ledger/lookup.js";
import type { Taken } from "../../src/ledger/reshape.js";
import type { ClusterView, FragmentView } from "../../src/ledger/view.js";
import { isName, type NodeId, partitionOfTable } from "../../src/protocol/subjects.js";
import type { Position, TableDef } from "../../src/table/table.js";

/** Where the views come from: the ledger's tail inside the cluster, a router's answer outside of it. */
export interface ViewSource {
  start(): Effects;
  /** Undefined: the message was not for it. */
  on(message: WorldMessage): { readonly effects: Effects; readonly changed: boolean } | undefined;
  /** Somebody knows more than our view (`seq`), or refused what it made us ask (`seq` 0). */
  hint(partition: number, seq: number): Effects;
  view(partition: number): ClusterView | undefined;
  /** Looks at a partition, begun and ended. What a look that began after a question did not show was not there; pushed views count as ended for ever. */
  looks(partition: number): { readonly begun: number; readonly ended: number };
  /** How many control partitions there are; 0 until known. */
  partitions(): number;
}

/** A table and the view in which it was found. */
export interface Located {
  readonly def: TableDef;
  readonly partition: number;
}

export interface Locations {
  /** True once every partition's view is there. */
  ready(): boolean;
  views(): readonly ClusterView[];
  table(name: string): Located | undefined;
  partitionOf(name: string): number;
  fragmentAt(table: Located, position: Position): FragmentView | undefined;
  fragmentsIn(table: Located, from: Position, to: Position | undefined): readonly FragmentView[];
  /** A fragment of this table; undefined for one of another: an id may come from a client's cursor. */
  fragment(table: Located, id: number): FragmentView | undefined;
  /** The newest fragment's id; greater ones this view does not know yet. */
  newest(table: Located): number;
  /** Fragments that are no more because their left neighbours took them over, the last ones. */
  taken(table: Located): readonly Taken[];
  /** Ledger sequence of the view that knows the table. */
  seq(table: Located): number;
  /** Looks for the view of `seq`; undefined when ours is as new. */
  catchUp(table: Located, seq: number): Effects | undefined;
  /** A ready replica on a node that is up, drawn by chance; the primary when there is no other. */
  readerOf(table: Located, fragment: FragmentView, random: Random): NodeId;
}

const utf8 = new TextEncoder();

export function createLocations(source: ViewSource, hash: Hash): Locations {
  const viewOf = (table: Located): ClusterView | undefined => source.view(table.partition);
  const everyView = (): ClusterView[] => {
    const views: ClusterView[] = [];
    for (let partition = 0; partition < source.partitions(); partition++) {
      const view = source.view(partition);
      if (view !== undefined) views.push(view);
    }
    return views;
  };
  // Asked for every request: where there is one partition only, its number needs no hash.
  const partitionOf = (name: string): number =>
    source.partitions() <= 1 ? 0 : partitionOfTable(hash.h32(utf8.encode(name)), source.partitions());
  return {
    ready: () => source.partitions() > 0 && everyView().length === source.partitions(),
    views: everyView,
    partitionOf,
    table(name) {
      if (!isName(name)) return undefined;
      const partition = partitionOf(name);
      const view = source.view(partition);
      const def = view === undefined ? undefined : tableNamed(view, name);
      return def === undefined ? undefined : { def, partition };
    },
    fragmentAt(table, position) {
      const view = viewOf(table);
      return view === undefined ? undefined : fragmentAt(view, table.def.id, position);
    },
    fragmentsIn(table, from, to) {
      const view = viewOf(table);
      return view === undefined ? [] : fragmentsIn(view, table.def.id, { from, to });
    },
    fragment(table, id) {
      const fragment = viewOf(table)?.fragments.get(id);
      return fragment?.table === table.def.id ? fragment : undefined;
    },
    newest: (table) => Math.max(-1, ...(viewOf(table)?.fragments.keys() ?? [])),
    taken: (table) => viewOf(table)?.taken ?? [],
    seq: (table) => viewOf(table)?.seq ?? 0,
    catchUp: (table, seq) => ((viewOf(table)?.seq ?? 0) >= seq ? undefined : source.hint(table.partition, seq)),
    readerOf(table, fragment, random) {
      const view = viewOf(table);
      const ready = fragment.replicas.filter(
        (replica) => replica.state === "ready" && view?.nodes.get(replica.node)?.state === "up",
      );
      return ready[random.below(ready.length)]?.node ?? fragment.primary;
    },
  };
}
