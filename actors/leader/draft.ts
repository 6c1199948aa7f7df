// Draft. Owns the next ledger record while it is being written: its events, and the view as it will be, so that each step sees what the ones before it did.
// The real view stays untouched: nobody acts on what is not stored.

import type { LedgerEvent } from "../../src/ledger/event.js";
import { applyEvent } from "../../src/ledger/fold.js";
import { copyView } from "../../src/ledger/snapshot.js";
import type { ClusterView } from "../../src/ledger/view.js";

export interface Draft {
  readonly view: ClusterView;
  readonly events: readonly LedgerEvent[];
  emit(event: LedgerEvent): void;
}

/** `from` is copied at the first event only: most drafts stay empty. */
export function createDraft(from: ClusterView): Draft {
  const events: LedgerEvent[] = [];
  let view = from;
  return {
    get view() {
      return view;
    },
    events,
    emit(event) {
      if (events.length === 0) view = copyView(from);
      events.push(event);
      applyEvent(view, event);
    },
  };
}
