"""
Finds every use of a Secret in a pod spec, and the pod template in every kind that carries one.

Complete with respect to Kubernetes' own `VisitPodSecretNames` (pkg/api/v1/pod/util.go), and finer:
one `Reference` per use, so that a Secret mounted by two containers, once by `subPath`, gives two
that pick up a new value differently. Pure; what becomes of a reference in the graph is in
`workloads.py`, how it follows a new value in `reload.py`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from graph.fields import Object, entries, flag, group_of, mapping, pairs, text
from graph.model import PicksUp

VAULT = "vault"


@dataclass(frozen=True, slots=True)
class PickUp:
    """`by_itself`: nobody has to act for the new value to arrive. `reason` is one sentence."""

    picks_up: PicksUp
    reason: str
    by_itself: bool = False


@dataclass(frozen=True, slots=True)
class Reference:
    """
    One use of the Secret `name`, which lies in `namespace`; "" is that of the object.

    `how` is a word of `reload.py` (env, envFrom, volume, …) or of a tool; `key` is "" where all
    keys are used; `container` is "" where the pod as a whole uses it; `field` is the path in the
    object, with names in brackets where the entries have names. `kind` is "Secret", that of an
    object that stands for secrets elsewhere (SecretProviderClass), or VAULT: `name` is then a path
    of its API, mount first, at the address `server`. `follows` says how it comes to run on a new
    value where `how` alone does not; `inferred`: the field only looks like a reference.
    """

    name: str
    how: str
    field: str
    container: str = ""
    key: str = ""
    optional: bool = False
    namespace: str = ""
    kind: str = "Secret"
    server: str = ""
    vault_namespace: str = ""
    follows: PickUp | None = None
    inferred: bool = False


@dataclass(frozen=True, slots=True)
class Claim:
    """
    A PersistentVolumeClaim that a pod mounts; the Secrets are named by its PersistentVolume.

    `replicas`: a StatefulSet makes one claim `NAME-0`, `NAME-1`, … per replica.
    """

    name: str
    field: str
    containers: tuple[str, ...] = ("",)
    replicas: bool = False


@dataclass(frozen=True, slots=True)
class PodTemplate:
    """`metadata` and `spec` of the pods to be made; `prefix` is the path of `spec`."""

    metadata: Object
    spec: Object
    prefix: str
    annotations: Mapping[str, str] = field(default_factory=dict)


_TEMPLATE = ("spec", "template")
_CRON = ("spec", "jobTemplate", "spec", "template")
_APPS = frozenset({"apps", "extensions"})
_CORE = frozenset({""})
_BATCH = frozenset({"batch"})

# kind -> (API groups in which it means this, way to the template). Old versions live in git and
# in old clusters: extensions/v1beta1, apps/v1beta1, apps/v1beta2, batch/v1beta1, batch/v2alpha1.
CARRIERS: Mapping[str, tuple[frozenset[str], tuple[str, ...]]] = {
    "Pod": (_CORE, ()),
    "PodTemplate": (_CORE, ("template",)),
    "ReplicationController": (_CORE, _TEMPLATE),
    "ReplicaSet": (_APPS, _TEMPLATE),
    "Deployment": (_APPS, _TEMPLATE),
    "StatefulSet": (_APPS, _TEMPLATE),
    "DaemonSet": (_APPS, _TEMPLATE),
    "Job": (_BATCH | {"extensions"}, _TEMPLATE),
    "CronJob": (_BATCH, _CRON),
    "ScheduledJob": (_BATCH, _CRON),
    "Rollout": (frozenset({"argoproj.io"}), _TEMPLATE),
    "DeploymentConfig": (_CORE | {"apps.openshift.io"}, _TEMPLATE),
    "Service": (frozenset({"serving.knative.dev"}), _TEMPLATE),
    "Configuration": (frozenset({"serving.knative.dev"}), _TEMPLATE),
    "Revision": (frozenset({"serving.knative.dev"}), ()),
    "ScaledJob": (frozenset({"keda.sh"}), ("spec", "jobTargetRef", "template")),
    # What a StatefulSet or DaemonSet was before, and can be rolled back to.
    "ControllerRevision": (frozenset({"apps"}), ("data", "spec", "template")),
}

CRON_KINDS = frozenset({"CronJob", "ScheduledJob"})

_TOKEN_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"  # noqa: S105 - a path
_CONTAINERS = ("initContainers", "containers", "ephemeralContainers")

# volume type -> way to the name of its Secret. `secret` and `projected` are treated apart: their
# files can be mounted one by one, while these hand the Secret to the kubelet or a driver.
_DRIVER_VOLUMES: Mapping[str, tuple[str, ...]] = {
    "csi": ("nodePublishSecretRef", "name"),
    "azureFile": ("secretName",),
    "cephfs": ("secretRef", "name"),
    "cinder": ("secretRef", "name"),
    "flexVolume": ("secretRef", "name"),
    "rbd": ("secretRef", "name"),
    "scaleIO": ("secretRef", "name"),
    "iscsi": ("secretRef", "name"),
    "storageos": ("secretRef", "name"),
}

_SECRET_VOLUMES = frozenset({"secret", *_DRIVER_VOLUMES})


def carries_pods(obj: Object) -> bool:
    groups, _ = CARRIERS.get(text(obj, "kind"), (frozenset(), ()))
    return group_of(obj) in groups


def template_of(obj: Object) -> PodTemplate | None:
    """Find the pod template of a workload, or the Pod itself; None for other kinds."""
    if not carries_pods(obj):
        return None
    _, way = CARRIERS[text(obj, "kind")]
    template = mapping(obj, *way)
    metadata = mapping(template, "metadata")
    return PodTemplate(
        metadata=metadata,
        spec=mapping(template, "spec"),
        prefix=".".join((*way, "spec")),
        annotations=pairs(metadata, "annotations"),
    )


def pod_references(spec: Object, prefix: str = "spec") -> Iterator[Reference]:
    """
    Yield every use of a Secret in a pod spec, in the order of the fields.

    `prefix` is put before each `field`. Optional and repeated uses are uses too; that the Secret
    exists is nobody's promise. The Secrets of the service account are not in the spec: the
    caller adds them (`inherited_pull_secrets`), and those of persistent volumes (`claims_of`).
    """
    yield from pull_secrets(spec, f"{prefix}.")
    for group in _CONTAINERS:
        for index, container in enumerate(entries(spec, group)):
            name = text(container, "name")
            yield from _environment(container, name, f"{prefix}.{group}[{name or index}]")
    for index, volume in enumerate(entries(spec, "volumes")):
        if not _holds_secret(volume):
            continue
        name = text(volume, "name")
        mounts = list(mounts_of(spec, name)) if name else []
        yield from _volume(volume, mounts, f"{prefix}.volumes[{name or index}]")


def claims_of(obj: Object, template: PodTemplate) -> Iterator[Claim]:
    """Yield the claims that pods of this object mount, those that it makes itself included."""
    for index, volume in enumerate(entries(template.spec, "volumes")):
        if "persistentVolumeClaim" not in volume and "ephemeral" not in volume:
            continue
        name = text(volume, "name")
        where = f"{template.prefix}.volumes[{name or index}]"
        users = tuple(sorted({mount.container for mount in mounts_of(template.spec, name)}))
        if claim := text(volume, "persistentVolumeClaim", "claimName"):
            yield Claim(claim, f"{where}.persistentVolumeClaim", users or ("",))
        elif mapping(volume, "ephemeral") and text(obj, "kind") == "Pod":
            made = f"{text(obj, 'metadata', 'name')}-{name}"
            yield Claim(made, f"{where}.ephemeral", users or ("",))
    for made_for_each in entries(obj, "spec", "volumeClaimTemplates"):
        if name := text(made_for_each, "metadata", "name"):
            users = tuple(sorted({mount.container for mount in mounts_of(template.spec, name)}))
            claim = f"{name}-{text(obj, 'metadata', 'name')}"
            where = f"spec.volumeClaimTemplates[{name}]"
            yield Claim(claim, where, users or ("",), replicas=True)


def malformed(spec: Object) -> Iterator[str]:
    """Name the fields of a pod spec whose shape is not Kubernetes': what they say is not read."""
    for name in (*_CONTAINERS, "volumes", "imagePullSecrets"):
        found = spec.get(name)
        if found is not None and not (
            isinstance(found, list) and all(isinstance(entry, dict) for entry in found)
        ):
            yield name
    for group in _CONTAINERS:
        for container in entries(spec, group):
            for name in ("env", "envFrom", "volumeMounts"):
                found = container.get(name)
                if found is not None and not isinstance(found, list):
                    yield f"{group}.{name}"


def service_account_of(spec: Object) -> str:
    """Name the account that the pods run as; `serviceAccount` is the old spelling."""
    return text(spec, "serviceAccountName") or text(spec, "serviceAccount") or "default"


def pull_secrets(holder: Object, prefix: str = "") -> Iterator[Reference]:
    """Yield the `imagePullSecrets` of a pod spec or of a service account."""
    for index, entry in enumerate(entries(holder, "imagePullSecrets")):
        if name := text(entry, "name"):
            yield Reference(name, "imagePull", f"{prefix}imagePullSecrets[{index}].name")


def inherited_pull_secrets(spec: Object, account: Object | None) -> Iterator[Reference]:
    """
    Yield the pull secrets that admission copies from the service account into the pods.

    It does so only for pods without any of their own (plugin/pkg/admission/serviceaccount).
    """
    if account is not None and not any(pull_secrets(spec)):
        name = text(account, "metadata", "name")
        for found in pull_secrets(account):
            yield replace(found, field=f"serviceAccount[{name}].{found.field}")


def _environment(container: Object, name: str, where: str) -> Iterator[Reference]:
    if "envFrom" not in container and "env" not in container:
        return
    for index, entry in enumerate(entries(container, "envFrom")):
        ref = mapping(entry, "secretRef")
        if secret := text(ref, "name"):
            path = f"{where}.envFrom[{index}].secretRef"
            yield Reference(secret, "envFrom", path, name, "", optional=flag(ref, "optional"))
    for index, entry in enumerate(entries(container, "env")):
        if "valueFrom" not in entry:  # most variables by far
            continue
        ref = mapping(entry, "valueFrom", "secretKeyRef")
        if secret := text(ref, "name"):
            path = f"{where}.env[{text(entry, 'name') or index}].valueFrom.secretKeyRef"
            optional = flag(ref, "optional")
            yield Reference(secret, "env", path, name, text(ref, "key"), optional=optional)


@dataclass(frozen=True, slots=True)
class Mount:
    """One mount of a volume; `computed`: `sub_path` is an expression."""

    container: str
    sub_path: str  # "" where the whole volume is mounted and follows the Secret
    path: str
    computed: bool  # subPathExpr: which file it is depends on the environment


def mounts_of(spec: Object, volume: str) -> Iterator[Mount]:
    """Yield the mounts of the volume of this name in all containers."""
    for group in _CONTAINERS:
        for container in entries(spec, group):
            for mount in entries(container, "volumeMounts"):
                if text(mount, "name") == volume:
                    expression = text(mount, "subPathExpr")
                    sub_path = expression or text(mount, "subPath")
                    path = text(mount, "mountPath")
                    yield Mount(text(container, "name"), sub_path, path, bool(expression))


def _holds_secret(volume: Object) -> bool:
    """Look whether it is worth to find the mounts: the volume that every Pod has is not."""
    return not _SECRET_VOLUMES.isdisjoint(volume) or any(
        "secret" in source for source in entries(volume, "projected", "sources")
    )


def _volume(volume: Object, mounts: list[Mount], where: str) -> Iterator[Reference]:
    secret = mapping(volume, "secret")
    # `optional` and `name` of a secret volume are `secretName` here, `name` when projected.
    if name := text(secret, "secretName"):
        whole = Reference(name, "volume", f"{where}.secret", optional=flag(secret, "optional"))
        yield from _files(whole, secret, mounts)
    for index, source in enumerate(entries(volume, "projected", "sources")):
        projected = mapping(source, "secret")
        if name := text(projected, "name"):
            path = f"{where}.projected.sources[{index}].secret"
            optional = flag(projected, "optional")
            whole = Reference(name, "projected", path, optional=optional)
            yield from _files(whole, projected, mounts)
    for kind, way in _DRIVER_VOLUMES.items():
        if kind in volume and (name := text(volume, kind, *way)):
            how = "csi" if kind == "csi" else "volume"
            path = ".".join((where, kind, *way))
            users = {mount.container for mount in mounts} or {""}
            for user in sorted(users):
                yield Reference(name, how, path, user)


def _files(whole: Reference, source: Object, mounts: list[Mount]) -> Iterator[Reference]:
    """Yield one use per mount and key; a volume that nobody mounts is one use of the pod."""
    items = {
        text(item, "path") or text(item, "key"): text(item, "key")
        for item in entries(source, "items")
        if text(item, "key")
    }
    for mount in mounts or [Mount("", "", "", computed=False)]:
        how = "subPath" if mount.sub_path else whole.how
        if mount.path == _TOKEN_PATH:  # what admission adds on clusters before bound tokens
            how = "serviceAccountToken"
        path = f"{whole.field}@{mount.container}" if mount.container else whole.field
        if mount.sub_path:
            path = f"{path}:{mount.sub_path}"
        for key in _keys(items, mount):
            yield replace(whole, how=how, field=path, container=mount.container, key=key)


def _keys(items: Mapping[str, str], mount: Mount) -> tuple[str, ...]:
    """Which keys one mount shows; ("",) for all of them."""
    everything = tuple(dict.fromkeys(items.values())) or ("",)
    if not mount.sub_path or mount.computed:
        return everything
    wanted = mount.sub_path.strip("/").removeprefix("./")
    if not items:
        return ("",) if "/" in wanted or not wanted else (wanted,)
    below = tuple(
        dict.fromkeys(
            key for path, key in items.items() if path == wanted or path.startswith(f"{wanted}/")
        )
    )
    return below or everything
