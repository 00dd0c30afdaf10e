"""
The Kubernetes objects of a made-up large company, namespace by namespace, as its API answers them.

Deterministic: a namespace is made from its number alone, so it has the same inside in a company of
any size. Proportions follow what large clusters look like: a few Secrets that everybody uses and a
long tail that one workload uses or nobody; most roles have nothing to do with Secrets.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Any

Object = dict[str, Any]

CLUSTERS = 10
SECRETS, WORKLOADS, ACCOUNTS, ROLES, BINDINGS = 100, 60, 20, 50, 50  # per namespace
PULL, HUB = "registry", "platform-db"
HUB_NAMESPACES, HUB_WORKLOADS = 50, 10  # 500 workloads use the hub, however large the company
FROM_VAULT = 30
_MADE = "2026-01-01T00:00:00Z"
_AUTHORITY = {"key": "ca.crt", "path": "ca.crt"}
_RBAC = "rbac.authorization.k8s.io"
_KINDS = ("Deployment",) * 45 + ("StatefulSet",) * 5 + ("DaemonSet",) * 2 + ("CronJob",) * 8
_HARMLESS = (
    ("", "configmaps", ("get", "list", "watch", "update")),
    ("coordination.k8s.io", "leases", ("get", "create", "update")),
    ("", "events", ("create", "patch")),
    ("", "services", ("get", "list", "watch")),
    ("apps", "deployments", ("get", "list", "watch")),
)


@dataclass(frozen=True, slots=True)
class Place:
    """One namespace of the company by its number."""

    number: int

    @property
    def cluster(self) -> str:
        return f"c{self.number % CLUSTERS}"

    @property
    def name(self) -> str:
        return f"team-{self.number}"


def secret_names(place: Place) -> tuple[str, ...]:
    """Name the Secrets; the first FROM_VAULT after the shared ones come from Vault."""
    shared = (PULL, HUB) if place.number < HUB_NAMESPACES else (PULL,)
    own = SECRETS - len(shared)
    return (*shared, *(f"s-{number}" for number in range(own)))


def namespace(place: Place) -> Object:
    labels = {"kubernetes.io/metadata.name": place.name, "team": f"t{place.number % 97}"}
    return _object("v1", "Namespace", place, place.name, {"labels": labels}, namespaced=False)


def secrets(place: Place) -> Iterator[Object]:
    random = Random(f"secrets of {place.number}")  # noqa: S311 - the same company every time
    for number, name in enumerate(secret_names(place)):
        kind, sizes = "Opaque", {f"key-{key}": 40 for key in range(1 + number % 4)}
        if name == PULL:
            kind, sizes = "kubernetes.io/dockerconfigjson", {".dockerconfigjson": 400}
        elif number % 10 == 8:
            kind, sizes = "kubernetes.io/tls", {"tls.crt": 2400, "tls.key": 2200}
        elif number % 20 == 19:
            kind, sizes = "helm.sh/release.v1", {"release": 12_000}
        data = {
            key: f"{random.getrandbits(128):032x}" * (size // 32 + 1) for key, size in sizes.items()
        }
        yield _object("v1", "Secret", place, name) | {"data": data, "type": kind}


def accounts(place: Place) -> Iterator[Object]:
    for number in range(ACCOUNTS):
        yield _object("v1", "ServiceAccount", place, f"sa-{number}")


def workloads(place: Place) -> Iterator[Object]:
    random = Random(f"workloads of {place.number}")  # noqa: S311 - the same company every time
    names = secret_names(place)
    for number in range(WORKLOADS):
        kind, name = _KINDS[number], f"app-{number}"
        meta = {"labels": {"app": name, "team": f"t{number % 7}"} if number % 3 else {"app": name}}
        template = _template(place, number, names, random)
        version = "batch/v1" if kind == "CronJob" else "apps/v1"
        made = _object(version, kind, place, name, meta)
        if kind == "CronJob":
            job = {"spec": {"template": template}}
            yield made | {"spec": {"schedule": "5 * * * *", "jobTemplate": job}}
        else:
            selector = {"matchLabels": {"app": name}}
            yield made | {
                "spec": {"replicas": 1 + number % 6, "selector": selector, "template": template},
                "status": {"replicas": 1 + number % 6, "desiredNumberScheduled": 4},
            }


def roles(place: Place) -> Iterator[Object]:
    for number in range(ROLES):
        group, resource, verbs = _HARMLESS[number % len(_HARMLESS)]
        rules = [_rule(group, resource, verbs)]
        if number % 5 == 3:
            rules.append(_rule("", "secrets", ("get", "list", "watch")))
        elif number % 5 == 1:
            names = [f"s-{(number * 7 + which) % 90}" for which in range(3)]
            rules.append(_rule("", "secrets", ("get",)) | {"resourceNames": names})
        elif number == 7:
            rules = [_rule("apps", "deployments", ("create", "update", "patch"))]
        yield _object(f"{_RBAC}/v1", "Role", place, f"role-{number}") | {"rules": rules}


def bindings(place: Place) -> Iterator[Object]:
    for number in range(BINDINGS):
        subjects: list[Object] = [
            {"kind": "ServiceAccount", "name": f"sa-{number % ACCOUNTS}", "namespace": place.name}
        ]
        if number % 5 == 3:
            subjects.append(
                {"kind": "Group", "name": f"t{place.number % 97}-ops", "apiGroup": _RBAC}
            )
        role = {"kind": "Role", "name": f"role-{number}", "apiGroup": _RBAC}
        made = _object(f"{_RBAC}/v1", "RoleBinding", place, f"binding-{number}")
        yield made | {"roleRef": role, "subjects": subjects}


def cluster_grants() -> Iterator[Object]:
    """Make the ClusterRoles and ClusterRoleBindings of one cluster: its operators."""
    place = Place(0)
    for number in range(40):
        reads = number % 4 == 0
        resource = "secrets" if reads else "nodes"
        rules = [_rule("", resource, ("get", "list", "watch"))]
        name, version = f"operator-{number}", f"{_RBAC}/v1"
        yield _object(version, "ClusterRole", place, name, namespaced=False) | {"rules": rules}
        subject = {"kind": "User", "name": f"operator-{number}@example.com", "apiGroup": _RBAC}
        role = {"kind": "ClusterRole", "name": name, "apiGroup": _RBAC}
        made = _object(version, "ClusterRoleBinding", place, name, namespaced=False)
        yield made | {"roleRef": role, "subjects": [subject]}


def replica_sets(place: Place) -> Iterator[Object]:
    """Make two per Deployment, of which only the second still runs."""
    for deployment in workloads(place):
        if deployment["kind"] == "Deployment":
            for age in ("old", "now"):
                name = f"{deployment['metadata']['name']}-{age}"
                owner = _owned_by("apps/v1", "Deployment", deployment["metadata"]["name"])
                made = _object("apps/v1", "ReplicaSet", place, name, owner)
                replicas = deployment["spec"]["replicas"] if age == "now" else 0
                yield made | {"spec": deployment["spec"] | {"replicas": replicas}}


def pods(place: Place) -> Iterator[Object]:
    for workload in workloads(place):
        if workload["kind"] == "CronJob":
            continue
        name, replicas = workload["metadata"]["name"], workload["spec"]["replicas"]
        kind = "ReplicaSet" if workload["kind"] == "Deployment" else workload["kind"]
        above = f"{name}-now" if kind == "ReplicaSet" else name
        for number in range(replicas):
            meta = _owned_by("apps/v1", kind, above)
            meta["labels"] = workload["spec"]["template"]["metadata"]["labels"]
            yield _pod(place, f"{above}-{number}", meta, workload["spec"]["template"]["spec"])


def _pod(place: Place, name: str, meta: Object, spec: Object) -> Object:
    """Make a Pod as the API server answers it: defaults, the token's volume, status."""
    token = {
        "name": "kube-api-access",
        "projected": {
            "sources": [
                {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
                {"configMap": {"name": "kube-root-ca.crt", "items": [_AUTHORITY]}},
            ]
        },
    }  # fmt: skip
    mount = {
        "name": "kube-api-access",
        "readOnly": True,
        "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount",
    }
    containers = [
        one | {"volumeMounts": [*one.get("volumeMounts", ()), mount]} for one in spec["containers"]
    ]
    states = [
        {
            "name": one["name"],
            "image": one["image"],
            "imageID": f"{one['image']}@sha256:{'0f' * 32}",
            "containerID": f"containerd://{'a7' * 32}",
            "ready": True,
            "restartCount": 0,
            "started": True,
            "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}},
            "lastState": {},
        }
        for one in containers
    ]
    conditions = [
        {"type": kind, "status": "True", "lastProbeTime": None, "lastTransitionTime": _MADE}
        for kind in ("Initialized", "Ready", "ContainersReady", "PodScheduled")
    ]
    running = {
        "phase": "Running",
        "podIP": "10.1.2.3",
        "hostIP": "10.0.0.1",
        "qosClass": "Burstable",
    }
    return _object("v1", "Pod", place, name, meta) | {
        "spec": spec
        | {
            "containers": containers,
            "volumes": [*spec.get("volumes", ()), token],
            "nodeName": f"node-{place.number % 40}",
            "enableServiceLinks": True,
            "preemptionPolicy": "PreemptLowerPriority",
            "tolerations": [
                {"key": f"node.kubernetes.io/{what}", "operator": "Exists", "effect": "NoExecute"}
                for what in ("not-ready", "unreachable")
            ],
        },
        "status": running | {"conditions": conditions, "containerStatuses": states},
    }


def _template(place: Place, number: int, names: tuple[str, ...], random: Random) -> Object:
    name = f"app-{number}"
    env: list[Object] = [{"name": f"SETTING_{which}", "value": "plain"} for which in range(8)]
    if number < HUB_WORKLOADS and HUB in names:
        env.append(_variable("DATABASE", HUB, "key-0"))
    # A long tail: small numbers are drawn often, large ones hardly ever.
    for which in range(min(1 + int(random.expovariate(0.3)), 12)):
        drawn = names[2 + min(int(random.paretovariate(0.6)), len(names) - 3)]
        env.append(_variable(f"SECRET_{which}", drawn, "key-0"))
    volumes, mounts = [], []
    if number % 4 == 0:
        volumes = [{"name": "tls", "secret": {"secretName": names[number], "defaultMode": 420}}]
        mounts = [{"name": "tls", "mountPath": "/etc/tls", "readOnly": True}]
    probe = {"httpGet": {"path": "/healthz", "port": 8080, "scheme": "HTTP"}, "periodSeconds": 10}
    main = {
        "name": name if number % 2 else "main",
        "image": f"registry.example.com/{place.name}/{name}:1.{number}",
        "imagePullPolicy": "IfNotPresent",
        "env": env,
        "ports": [{"containerPort": 8080, "name": "http", "protocol": "TCP"}],
        "livenessProbe": probe,
        "readinessProbe": probe,
        "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}},
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "File",
        "volumeMounts": mounts,
    }
    proxy = {"name": "proxy", "image": "registry.example.com/mesh/proxy:2", "args": ["sidecar"]}
    return {
        "metadata": {"labels": {"app": name}, "annotations": {"checksum/config": "c0ffee" * 8}},
        "spec": {
            "containers": [main, proxy],
            "volumes": volumes,
            "imagePullSecrets": [{"name": PULL}],
            "serviceAccountName": f"sa-{number % ACCOUNTS}",
            "restartPolicy": "Always",
            "dnsPolicy": "ClusterFirst",
            "schedulerName": "default-scheduler",
            "securityContext": {"runAsNonRoot": True},
            "terminationGracePeriodSeconds": 30,
        },
    }


def _variable(name: str, secret: str, key: str) -> Object:
    return {"name": name, "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}}


def _rule(group: str, resource: str, verbs: tuple[str, ...]) -> Object:
    return {"apiGroups": [group], "resources": [resource], "verbs": list(verbs)}


def _owned_by(version: str, kind: str, name: str) -> Object:
    owner = {"apiVersion": version, "kind": kind, "name": name, "controller": True}
    return {"ownerReferences": [owner | {"uid": f"uid-of-{name}", "blockOwnerDeletion": True}]}


_FIELDS = {
    f"f:{part}": {f"f:{field}": {".": {}, "f:x": {}} for field in ("a", "b", "c", "d")}
    for part in ("metadata", "spec", "status")
}


def _object(
    version: str,
    kind: str,
    place: Place,
    name: str,
    meta: Object | None = None,
    *,
    namespaced: bool = True,
) -> Object:
    own = {
        "name": name,
        "uid": f"{place.number:08x}-{kind}-{name}",
        "resourceVersion": str(1000 + place.number),
        "creationTimestamp": "2026-01-01T00:00:00Z",
        "managedFields": [
            {
                "manager": "kubectl",
                "operation": "Update",
                "apiVersion": version,
                "fieldsV1": _FIELDS,
            }
        ],
    }
    if namespaced:
        own["namespace"] = place.name
    return {"apiVersion": version, "kind": kind, "metadata": own | (meta or {})}
