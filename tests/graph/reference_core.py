"""The references of core Kubernetes and of External Secrets, each with an object that has one."""

from collections.abc import Iterator
from typing import Any

from tests.graph.reference_parts import MARKER, POD, Obj, thing


def pod(**spec: Any) -> tuple[Obj, ...]:
    return (thing("Pod", "v1", spec=spec),)


def mounting(source: Obj, **mount: Any) -> tuple[Obj, ...]:
    mounts = [{"name": "v", "mountPath": "/v", **mount}]
    return pod(
        containers=[{"name": "c", "volumeMounts": mounts}], volumes=[{"name": "v", **source}]
    )


SECRET_VOLUME = {"secret": {"secretName": MARKER}}
REF = {"secretRef": {"name": MARKER}}
OF_DRIVERS = ("cephfs", "cinder", "flexVolume", "rbd", "scaleIO", "iscsi", "storageos")
CSI_REFS = (
    "controllerPublishSecretRef",
    "controllerExpandSecretRef",
    "nodePublishSecretRef",
    "nodeStageSecretRef",
    "nodeExpandSecretRef",
)
CLAIM = {"claimRef": {"namespace": "pay", "name": "data"}}


def volume(**spec: Any) -> tuple[Obj, ...]:
    return (thing("PersistentVolume", "v1", metadata={"namespace": ""}, spec={**CLAIM, **spec}),)


WORKLOADS = (
    ("PodTemplate", "v1", ("template",)),
    ("ReplicationController", "v1", ("spec", "template")),
    ("ReplicaSet", "apps/v1", ("spec", "template")),
    ("Deployment", "apps/v1", ("spec", "template")),
    ("StatefulSet", "apps/v1", ("spec", "template")),
    ("DaemonSet", "apps/v1", ("spec", "template")),
    ("Job", "batch/v1", ("spec", "template")),
    ("CronJob", "batch/v1", ("spec", "jobTemplate", "spec", "template")),
    ("ScheduledJob", "batch/v2alpha1", ("spec", "jobTemplate", "spec", "template")),
    ("Rollout", "argoproj.io/v1alpha1", ("spec", "template")),
    ("DeploymentConfig", "apps.openshift.io/v1", ("spec", "template")),
    ("Service", "serving.knative.dev/v1", ("spec", "template")),
    ("Configuration", "serving.knative.dev/v1", ("spec", "template")),
    ("Revision", "serving.knative.dev/v1", ()),
    ("ScaledJob", "keda.sh/v1alpha1", ("spec", "jobTargetRef", "template")),
)

RELOADERS = (
    ("secret.reloader.stakater.com/reload", {}),
    ("wave.pusher.com/extra-secrets", {"wave.pusher.com/update-on-config-change": "true"}),
)


def carrier(kind: str, version: str, way: tuple[str, ...]) -> tuple[Obj, ...]:
    inner: Obj = {"spec": POD}
    for step in reversed(way):
        inner = {step: inner}
    return (thing(kind, version, **inner),)


OWNED = {"ownerReferences": [{"kind": "StatefulSet", "name": "x", "controller": True}]}
ES = "external-secrets.io/v1"
STORE = thing(
    "SecretStore",
    ES,
    "s",
    spec={"provider": {"vault": {"server": "http://v", "path": "kv", "auth": {}}}},
)
DATA = [{"secretKey": "k", "remoteRef": {"key": "pay/db", "property": "k"}}]
STORE_REF = {"secretStoreRef": {"name": "s"}}


def core_rows() -> Iterator[tuple[str, str, str, tuple[Obj, ...]]]:
    """Yield (kind, where, how, objects)."""
    yield (
        "any pod",
        "imagePullSecrets[*].name",
        "imagePull",
        pod(imagePullSecrets=[{"name": MARKER}]),
    )
    for group in ("containers", "initContainers", "ephemeralContainers"):
        yield (
            "any pod",
            f"{group}[*].env[*].valueFrom.secretKeyRef",
            "env",
            pod(**{group: POD["containers"]}),
        )
        whole = [{"name": "c", "envFrom": [REF]}]
        yield "any pod", f"{group}[*].envFrom[*].secretRef", "envFrom", pod(**{group: whole})
    yield "any pod", "volumes[*].secret", "volume", mounting(SECRET_VOLUME)
    yield (
        "any pod",
        "volumes[*].secret mounted by subPath",
        "subPath",
        mounting(SECRET_VOLUME, subPath="k"),
    )
    yield (
        "any pod",
        "volumes[*].secret at the path of the token",
        "serviceAccountToken",
        mounting(SECRET_VOLUME, mountPath="/var/run/secrets/kubernetes.io/serviceaccount"),
    )
    projected = {"projected": {"sources": [{"secret": {"name": MARKER}}]}}
    yield "any pod", "volumes[*].projected.sources[*].secret", "projected", mounting(projected)
    node = {"csi": {"driver": "d", "nodePublishSecretRef": {"name": MARKER}}}
    yield "any pod", "volumes[*].csi.nodePublishSecretRef", "csi", mounting(node)
    yield (
        "any pod",
        "volumes[*].azureFile.secretName",
        "volume",
        mounting({"azureFile": {"secretName": MARKER}}),
    )
    for kind in OF_DRIVERS:
        yield "any pod", f"volumes[*].{kind}.secretRef", "volume", mounting({kind: REF})
    claim = {"persistentVolumeClaim": {"claimName": "data"}}
    staged = volume(
        csi={"driver": "d", "nodeStageSecretRef": {"name": MARKER, "namespace": "ceph"}}
    )
    yield (
        "any pod",
        "volumes[*].persistentVolumeClaim -> its volume",
        "persistentVolume",
        (
            *mounting(claim),
            *staged,
        ),
    )
    yield (
        "Pod",
        "volumes[*].ephemeral -> its volume",
        "persistentVolume",
        (
            *mounting({"ephemeral": {"volumeClaimTemplate": {}}}),
            thing(
                "PersistentVolume",
                "v1",
                spec={
                    "claimRef": {"namespace": "pay", "name": "x-v"},
                    "csi": {
                        "driver": "d",
                        "nodePublishSecretRef": {"name": MARKER, "namespace": "ceph"},
                    },
                },
            ),
        ),
    )
    yield (
        "StatefulSet",
        "spec.volumeClaimTemplates[*] -> its volumes",
        "persistentVolume",
        (
            thing(
                "StatefulSet",
                "apps/v1",
                spec={
                    "template": {"spec": {"containers": []}},
                    "volumeClaimTemplates": [{"metadata": {"name": "data"}}],
                },
            ),
            thing(
                "PersistentVolume",
                "v1",
                spec={
                    "claimRef": {"namespace": "pay", "name": "data-x-0"},
                    "rbd": REF,
                },
            ),
        ),
    )
    for kind, version, way in WORKLOADS:
        yield kind, f"{'.'.join((*way, 'spec'))} (a pod spec)", "env", carrier(kind, version, way)
    for annotation, beside in RELOADERS:
        said = {annotation: MARKER, **beside}
        pods: Obj = {"template": {"spec": {"containers": []}}}
        workload = thing("Deployment", "apps/v1", metadata={"annotations": said}, spec=pods)
        yield "any workload", f"metadata.annotations['{annotation}']", "reloader", (workload,)
    yield (
        "ControllerRevision",
        "data.spec.template.spec (a rollback)",
        "env",
        (
            thing("StatefulSet", "apps/v1", spec={"template": {"spec": {"containers": []}}}),
            thing(
                "ControllerRevision",
                "apps/v1",
                "x-1",
                metadata=OWNED,
                data={"spec": {"template": {"spec": POD}}},
            ),
        ),
    )
    yield (
        "ServiceAccount",
        "imagePullSecrets[*].name",
        "imagePull",
        (thing("ServiceAccount", "v1", imagePullSecrets=[{"name": MARKER}]),),
    )
    yield (
        "ServiceAccount",
        "secrets[*].name",
        "serviceAccount",
        (thing("ServiceAccount", "v1", secrets=[{"name": MARKER}]),),
    )
    yield (
        "Secret",
        "metadata.annotations['kubernetes.io/service-account.name']",
        "opens",
        (
            thing(
                "Secret",
                "v1",
                MARKER,
                type="kubernetes.io/service-account-token",
                metadata={"annotations": {"kubernetes.io/service-account.name": "x"}},
            ),
        ),
    )
    for version in ("networking.k8s.io/v1", "extensions/v1beta1"):
        yield (
            f"Ingress ({version.partition('/')[0]})",
            "spec.tls[*].secretName",
            "ingressTls",
            (thing("Ingress", version, spec={"tls": [{"secretName": MARKER}]}),),
        )
    refs = [{"name": MARKER, "kind": "Secret"}]
    yield (
        "Gateway",
        "spec.listeners[*].tls.certificateRefs[*]",
        "ingressTls",
        (
            thing(
                "Gateway",
                "gateway.networking.k8s.io/v1",
                spec={"listeners": [{"tls": {"certificateRefs": refs}}]},
            ),
        ),
    )
    yield (
        "PersistentVolume",
        "spec.azureFile.secretName",
        "persistentVolume",
        volume(azureFile={"secretName": MARKER}),
    )
    for kind in OF_DRIVERS:
        yield (
            "PersistentVolume",
            f"spec.{kind}.secretRef",
            "persistentVolume",
            volume(**{kind: REF}),
        )
    for field in CSI_REFS:
        csi = {"driver": "d", field: {"name": MARKER, "namespace": "ceph"}}
        yield "PersistentVolume", f"spec.csi.{field}", "persistentVolume", volume(csi=csi)
    deletion = "volume.kubernetes.io/provisioner-deletion-secret-name"
    yield (
        "PersistentVolume",
        f"metadata.annotations['{deletion}']",
        "persistentVolume",
        (thing("PersistentVolume", "v1", metadata={"annotations": {deletion: MARKER}}, spec={}),),
    )
    yield (
        "any other custom resource",
        "..*SecretRef.name, ..*secretName (guessed)",
        "inferred",
        (
            thing(
                "Database",
                "example.com/v1",
                spec={"deep": [{"passwordSecretRef": {"name": MARKER}}]},
            ),
        ),
    )
    yield (
        "any other custom resource",
        "any map with containers (guessed)",
        "env",
        (thing("Runner", "example.com/v1", spec={"workers": {"pod": POD}}),),
    )


def external_secrets_rows() -> Iterator[tuple[str, str, str, tuple[Obj, ...]]]:
    def external(name: str = "x", kind: str = "ExternalSecret", **spec: Any) -> Obj:
        return thing(kind, ES, name, spec={**STORE_REF, **spec})

    target = {"target": {"name": MARKER}}
    yield (
        "ExternalSecret",
        "spec.data[*].remoteRef",
        "copies",
        (STORE, external(data=DATA, **target)),
    )
    yield (
        "ExternalSecret",
        "spec.dataFrom[*].extract",
        "copies",
        (
            STORE,
            external(dataFrom=[{"extract": {"key": "pay/db"}}], **target),
        ),
    )
    near = {"provider": {"kubernetes": {"remoteNamespace": "ops"}}}
    yield (
        "ExternalSecret",
        "spec.dataFrom[*].find.name.regexp",
        "copies",
        (
            thing("SecretStore", ES, "s", spec=near),
            external(dataFrom=[{"find": {"name": {"regexp": "^db"}}}], **target),
        ),
    )
    generator = {"sourceRef": {"generatorRef": {"kind": "Password", "name": "p"}}}
    yield (
        "ExternalSecret",
        "spec.dataFrom[*].sourceRef.generatorRef",
        "copies",
        (external(dataFrom=[generator], **target),),
    )
    template = {"template": {"templateFrom": [{"secret": {"name": MARKER}}]}}
    yield (
        "ExternalSecret",
        "spec.target.template.templateFrom[*].secret",
        "template",
        (external(target=template),),
    )
    inside = {**STORE_REF, **target, "data": DATA}
    yield (
        "ClusterExternalSecret",
        "spec.externalSecretSpec",
        "copies",
        (
            STORE | {"metadata": {"name": "s", "namespace": "a"}},
            thing(
                "ClusterExternalSecret",
                ES,
                spec={"namespaces": ["a"], "externalSecretSpec": inside},
            ),
        ),
    )
    match = [{"match": {"secretKey": "k", "remoteRef": {"remoteKey": "pay/db"}}}]
    pushed = {
        "selector": {"secret": {"name": MARKER}},
        "secretStoreRefs": [{"name": "s"}],
        "data": match,
    }
    yield (
        "PushSecret",
        "spec.selector.secret.name",
        "copies",
        (STORE, thing("PushSecret", ES, spec=pushed)),
    )
    labels = {"share": "yes"}
    by_label = {"selector": {"secret": {"selector": {"matchLabels": labels}}}}
    yield (
        "PushSecret",
        "spec.selector.secret.selector",
        "copies",
        (
            STORE,
            thing("PushSecret", ES, spec=pushed | by_label),
            thing("Secret", "v1", MARKER, metadata={"labels": labels}),
        ),
    )
    selected = {"selector": {"generatorRef": {"kind": "Password", "name": MARKER}}}
    yield (
        "PushSecret",
        "spec.selector.generatorRef",
        "copies",
        (
            STORE,
            thing("PushSecret", ES, spec=pushed | selected),
        ),
    )
    yield (
        "ClusterPushSecret",
        "spec.pushSecretSpec",
        "copies",
        (
            STORE | {"metadata": {"name": "s", "namespace": "a"}},
            thing("Namespace", "v1", "a", metadata={"labels": {"x": "y"}}),
            thing(
                "ClusterPushSecret",
                ES,
                spec={
                    "namespaceSelectors": [{"matchLabels": {"x": "y"}}],
                    "pushSecretSpec": pushed,
                },
            ),
        ),
    )
    for kind in ("SecretStore", "ClusterSecretStore"):
        login = {"name": MARKER, "namespace": "ops", "key": "k"}
        spec = {"provider": {"doppler": {"auth": {"secretRef": {"dopplerToken": login}}}}}
        yield (
            kind,
            "spec.provider (any selector of a Secret)",
            "storeAuth",
            (thing(kind, ES, spec=spec),),
        )
