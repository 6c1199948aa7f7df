// Plans. Owns the shape of what the planner says of itself, as a client sees it.

export interface PlanAction {
  readonly kind: "handOver" | "moveReplica" | "addReplica" | "removeReplica" | "split" | "merge";
  readonly table: string;
  readonly fragment: number;
  readonly from: string;
  readonly to?: string;
  /** Of a merge: the half that is joined. */
  readonly right?: number;
  readonly strategy?: string;
  readonly role?: boolean;
  readonly bytes: number;
  readonly lastsMs: number;
  readonly startMs: number;
  /** 0 = no hurry. */
  readonly deadlineMs: number;
  readonly isLate: boolean;
  readonly cause: "forecast" | "present" | "calm";
  readonly gain: number;
  readonly riskBefore: number;
  readonly riskAfter: number;
  readonly riskTo: number;
  readonly why: string;
}

export interface PlanAnswer {
  readonly partition: number;
  readonly policy: { readonly mode: string } & Readonly<Record<string, unknown>>;
  readonly policyBy?: string;
  readonly policySinceMs?: number;
  /** Why there is no plan; the fields that follow are then not there. */
  readonly silence?: string;
  readonly atMs?: number;
  readonly stepEndsMs?: readonly number[];
  readonly nodes?: readonly { readonly id: string; readonly capacity: number; readonly isOpen: boolean }[];
  readonly series?: number;
  /** Series whose forecasts are not believed, some of them. */
  readonly doubted?: readonly { readonly fragment: number; readonly group: string; readonly why: string }[];
  readonly actions?: readonly PlanAction[];
  readonly underWay?: readonly {
    readonly move: number;
    readonly fragment: number;
    readonly from: string;
    readonly to: string;
    readonly why: string;
  }[];
  readonly rejected?: readonly {
    readonly table: string;
    readonly fragment: number;
    readonly from: string;
    readonly to: string;
    readonly what: string;
    readonly why: string;
  }[];
  readonly findings?: readonly {
    readonly kind: string;
    readonly node: string;
    readonly fragment: number;
    readonly text: string;
  }[];
  readonly risks?: readonly {
    readonly node: string;
    readonly capacity: number;
    readonly before: readonly number[];
    readonly after: readonly number[];
  }[];
  readonly advice?: readonly {
    readonly atMs: number;
    readonly load: number;
    readonly nodesNeeded: number;
    readonly nodesThere: number;
    readonly capacityThere: number;
  }[];
}
