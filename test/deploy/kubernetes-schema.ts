// Kubernetes schema. Owns the parts of the Kubernetes API (v1.30 reference) that docs/deploy/kubernetes uses, strictly: a key that is not listed is a mistake.

import { z } from "zod";

const name = z.string().regex(/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/);
const labels = z.record(z.string().regex(/^([a-z0-9.-]+\/)?[A-Za-z0-9._-]+$/), z.string().max(63));
const metadata = z.strictObject({ name, labels: labels.optional() });
const selector = z.strictObject({ matchLabels: labels });
const quantity = z.string().regex(/^\d+(\.\d+)?(m|Ki|Mi|Gi|Ti)?$/);
const port = z.int().min(1).max(65_535);
/** At most fifteen characters, as service names are. */
const portName = z.string().regex(/^[a-z][a-z0-9-]{0,13}[a-z0-9]$/);
const count = z.int().min(0);

const probe = z.strictObject({
  httpGet: z.strictObject({ path: z.string().startsWith("/"), port: z.union([port, portName]) }),
  periodSeconds: count.min(1).optional(),
  timeoutSeconds: count.min(1).optional(),
  failureThreshold: count.min(1).optional(),
});
const container = z.strictObject({
  name,
  image: z.string().min(1),
  args: z.array(z.string()),
  env: z.array(
    z.strictObject({
      name: z.string(),
      valueFrom: z.strictObject({ fieldRef: z.strictObject({ fieldPath: z.enum(["metadata.name"]) }) }),
    }),
  ),
  ports: z.array(z.strictObject({ name: portName, containerPort: port })),
  startupProbe: probe,
  livenessProbe: probe,
  readinessProbe: probe,
  resources: z.strictObject({
    requests: z.strictObject({ cpu: quantity, memory: quantity }),
    limits: z.strictObject({ cpu: quantity.optional(), memory: quantity }),
  }),
  securityContext: z.strictObject({
    allowPrivilegeEscalation: z.literal(false),
    capabilities: z.strictObject({ drop: z.array(z.string()) }),
  }),
  volumeMounts: z.array(
    z.strictObject({ name, mountPath: z.string().startsWith("/"), readOnly: z.boolean().optional() }),
  ),
});
const volume = z.union([
  z.strictObject({ name, configMap: z.strictObject({ name }) }),
  z.strictObject({ name, secret: z.strictObject({ secretName: name, defaultMode: count.max(0o777) }) }),
]);
const podSpec = z.strictObject({
  terminationGracePeriodSeconds: count,
  automountServiceAccountToken: z.boolean(),
  securityContext: z.strictObject({
    runAsNonRoot: z.boolean(),
    runAsUser: count,
    runAsGroup: count,
    fsGroup: count,
    fsGroupChangePolicy: z.enum(["OnRootMismatch", "Always"]),
  }),
  topologySpreadConstraints: z.array(
    z.strictObject({
      maxSkew: count.min(1),
      topologyKey: z.string(),
      whenUnsatisfiable: z.enum(["DoNotSchedule", "ScheduleAnyway"]),
      labelSelector: selector,
    }),
  ),
  containers: z.array(container).length(1),
  volumes: z.array(volume),
});

export const statefulSet = z.strictObject({
  apiVersion: z.literal("apps/v1"),
  kind: z.literal("StatefulSet"),
  metadata,
  spec: z.strictObject({
    serviceName: name,
    replicas: count,
    podManagementPolicy: z.enum(["Parallel", "OrderedReady"]),
    updateStrategy: z.strictObject({ type: z.enum(["RollingUpdate", "OnDelete"]) }),
    selector,
    template: z.strictObject({ metadata: z.strictObject({ labels }), spec: podSpec }),
    volumeClaimTemplates: z.array(
      z.strictObject({
        metadata,
        spec: z.strictObject({
          accessModes: z.array(z.enum(["ReadWriteOnce", "ReadWriteOncePod", "ReadWriteMany", "ReadOnlyMany"])),
          resources: z.strictObject({ requests: z.strictObject({ storage: quantity }) }),
        }),
      }),
    ),
  }),
});

const service = z.strictObject({
  apiVersion: z.literal("v1"),
  kind: z.literal("Service"),
  metadata,
  spec: z.strictObject({
    type: z.enum(["ClusterIP", "NodePort", "LoadBalancer"]).optional(),
    clusterIP: z.literal("None").optional(),
    publishNotReadyAddresses: z.boolean().optional(),
    selector: labels,
    ports: z.array(z.strictObject({ name: portName, port, targetPort: z.union([port, portName]) })),
  }),
});
const configMap = z.strictObject({
  apiVersion: z.literal("v1"),
  kind: z.literal("ConfigMap"),
  metadata,
  data: z.record(z.string(), z.string()),
});
const namespace = z.strictObject({ apiVersion: z.literal("v1"), kind: z.literal("Namespace"), metadata });
const budget = z.strictObject({
  apiVersion: z.literal("policy/v1"),
  kind: z.literal("PodDisruptionBudget"),
  metadata,
  spec: z.strictObject({ maxUnavailable: count, selector }),
});
const networkPolicy = z.strictObject({
  apiVersion: z.literal("networking.k8s.io/v1"),
  kind: z.literal("NetworkPolicy"),
  metadata,
  spec: z.strictObject({
    podSelector: selector,
    policyTypes: z.array(z.enum(["Ingress", "Egress"])),
    ingress: z.array(
      z.strictObject({
        from: z.array(z.strictObject({ podSelector: selector })).optional(),
        ports: z.array(z.strictObject({ protocol: z.enum(["TCP", "UDP", "SCTP"]), port })),
      }),
    ),
  }),
});

export const document = z.discriminatedUnion("kind", [
  statefulSet,
  service,
  configMap,
  namespace,
  budget,
  networkPolicy,
]);
export type Document = z.infer<typeof document>;
export type StatefulSet = z.infer<typeof statefulSet>;

export const kustomization = z.strictObject({
  apiVersion: z.literal("kustomize.config.k8s.io/v1beta1"),
  kind: z.literal("Kustomization"),
  namespace: name,
  resources: z.array(z.string()),
  generatorOptions: z.strictObject({ disableNameSuffixHash: z.boolean() }),
  secretGenerator: z.array(z.strictObject({ name, files: z.array(z.string()) })),
});

/** What of the values of the NATS chart (1.x) is used. */
const added = <V extends z.ZodType>(path: string, value: V) =>
  z.array(z.strictObject({ op: z.literal("add"), path: z.literal(path), value }));
export const natsValues = z.strictObject({
  container: z.strictObject({
    image: z.strictObject({ tag: z.string() }),
    patch: added("/volumeMounts/-", z.strictObject({ name, mountPath: z.string(), readOnly: z.boolean() })),
  }),
  config: z.strictObject({
    cluster: z.strictObject({
      enabled: z.literal(true),
      replicas: count,
      merge: z.strictObject({ name: z.string() }),
    }),
    jetstream: z.strictObject({
      enabled: z.literal(true),
      fileStore: z.strictObject({
        enabled: z.literal(true),
        dir: z.string(),
        pvc: z.strictObject({ enabled: z.literal(true), size: quantity }),
      }),
      merge: z.strictObject({ sync_interval: z.string() }),
    }),
    merge: z.record(z.string(), z.union([z.string(), z.number()])),
  }),
  podTemplate: z.strictObject({
    topologySpreadConstraints: z.record(
      z.string(),
      z.strictObject({ maxSkew: count, whenUnsatisfiable: z.enum(["DoNotSchedule", "ScheduleAnyway"]) }),
    ),
    patch: added("/spec/volumes/-", z.strictObject({ name, secret: z.strictObject({ secretName: name }) })),
  }),
  natsBox: z.strictObject({ enabled: z.literal(false) }),
});
