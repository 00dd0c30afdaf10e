"""
One row per kind of reference that Locksmith sees, each with an object in which a marker is planted.

The rows of tools come from their own declarations, so that none can be forgotten; those of core
Kubernetes stand here. Run as a module it prints docs/references.md.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from graph.kubernetes.paths import Step, parse
from graph.kubernetes.tool import Coded, Kind, Named, Tool
from graph.kubernetes.toolbox import found_tools
from tests.graph.reference_corpora import corpora_table

MARKER = "the-marker"
Obj = dict[str, Any]


@dataclass(frozen=True)
class Row:
    """`where` in objects of `kind`, found by `tool`; `objects` hold the marker there."""

    tool: str
    kind: str
    group: str
    where: str
    how: str
    follows: str
    objects: tuple[Obj, ...]

    @property
    def title(self) -> str:
        return f"{self.tool}: {self.kind} {self.where}"


def thing(kind: str, version: str, name: str = "x", **fields: Any) -> Obj:
    metadata = {"name": name, "namespace": "pay", **fields.pop("metadata", {})}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **fields}


def version_of(kind: Kind) -> str:
    return f"{kind.group}/v1" if kind.group else "v1"


def merged(one: Obj, other: Obj) -> Obj:
    result = dict(one)
    for key, value in other.items():
        known = result.get(key)
        result[key] = (
            merged(known, value) if isinstance(known, dict) and isinstance(value, dict) else value
        )
    return result


def planted(path: str, leaf: Any, *, below: int = 1, before: int = 1) -> Obj:
    """Build an object in which `path` leads to `leaf`; `below` levels where it goes deep."""
    found: Any = leaf
    for step in reversed(parse(path)):
        found = _around(step, found, before)
        for _ in range(below if step.deep else 0):
            found = {"deeper": [found]}
    assert isinstance(found, dict)
    return found


def _around(step: Step, found: Any, before: int) -> Any:
    if step.field is None:
        index = before if step.index is None else step.index
        return [*({} for _ in range(index)), found]
    if step.pattern:
        return {step.field.replace("*", "some" if step.field == "*" else "dns"): found}
    return {step.field: found}


# -- core Kubernetes ---------------------------------------------------------------------------

KEY_REF = {"name": MARKER, "key": "k"}
ENV = [{"name": "A", "valueFrom": {"secretKeyRef": KEY_REF}}]
POD: Obj = {"containers": [{"name": "c", "env": ENV}]}


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
    yield from external_secrets_rows()
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


# -- tools -------------------------------------------------------------------------------------

Example = Callable[[Coded, Kind], tuple[Obj, ...]]


def annotated(**annotations: str) -> tuple[Obj, ...]:
    template = {"metadata": {"annotations": annotations}, "spec": {"containers": [{"name": "c"}]}}
    return (thing("Deployment", "apps/v1", spec={"template": template}),)


def in_template(spec: Obj) -> tuple[Obj, ...]:
    return (thing("Deployment", "apps/v1", spec={"template": {"spec": spec}}),)


def provider_class(provider: str, **spec: Any) -> tuple[Obj, ...]:
    kind = "SecretProviderClass"
    return (thing(kind, "secrets-store.csi.x-k8s.io/v1", spec={"provider": provider, **spec}),)


def csi_pod(driver: str, **attributes: str) -> tuple[Obj, ...]:
    source = {"csi": {"driver": driver, "volumeAttributes": attributes}}
    return in_template({"containers": [], "volumes": [{"name": "v", **source}]})


AGENT = "vault.hashicorp.com/"
BANK = "vault.security.banzaicloud.io/"
SPC = "SecretProviderClass"
EXAMPLES: dict[tuple[str, str], tuple[Obj, ...]] = {
    ("Secret", "metadata.labels['sealedsecrets.bitnami.com/sealed-secrets-key']"): (
        thing(
            "Secret",
            "v1",
            MARKER,
            metadata={"labels": {"sealedsecrets.bitnami.com/sealed-secrets-key": "active"}},
        ),
    ),
    ("any pod", "volumes[*].csi (driver secrets-store.csi.k8s.io)"): csi_pod(
        "secrets-store.csi.k8s.io", secretProviderClass=MARKER
    ),
    ("any pod", "volumes[*].csi (driver csi.vso.hashicorp.com)"): csi_pod(
        "csi.vso.hashicorp.com", csiSecretsName=MARKER, csiSecretsNamespace="pay"
    ),
    (SPC, "spec.parameters.objects (vault)"): provider_class(
        "vault",
        parameters={
            "objects": f"- objectName: a\n  secretPath: kv/data/{MARKER}\n  secretKey: k\n"
        },
    ),
    (SPC, "spec.parameters.objects (aws)"): provider_class(
        "aws",
        parameters={
            "region": "eu-west-1",
            "objects": f"- objectName: {MARKER}\n  objectType: secretsmanager\n",
        },
    ),
    (SPC, "spec.parameters.objects (azure)"): provider_class(
        "azure",
        parameters={
            "keyvaultName": "kv",
            "objects": f"array:\n- |\n  objectName: {MARKER}\n  objectType: secret\n",
        },
    ),
    (SPC, "spec.parameters.secrets (gcp)"): provider_class(
        "gcp",
        parameters={
            "secrets": f"- resourceName: projects/p/secrets/{MARKER}/versions/latest\n  path: a\n"
        },
    ),
    (SPC, "spec.secretObjects[*].secretName"): provider_class(
        "vault", secretObjects=[{"secretName": MARKER, "data": [{"key": "k", "objectName": "a"}]}]
    ),
    ("any pod", "annotation agent-inject-secret-ID"): annotated(
        **{f"{AGENT}agent-inject": "true", f"{AGENT}agent-inject-secret-db": f"kv/data/{MARKER}"}
    ),
    ("any pod", "annotation agent-inject-template-ID"): annotated(
        **{
            f"{AGENT}agent-inject": "true",
            f"{AGENT}agent-inject-template-db": f'{{{{ with secret "kv/data/{MARKER}" }}}}{{{{ .Data.data.k }}}}{{{{ end }}}}',
        }
    ),
    ("any pod", "annotation tls-secret"): annotated(
        **{f"{AGENT}agent-inject": "true", f"{AGENT}tls-secret": MARKER}
    ),
    ("any pod", "annotation agent-extra-secret"): annotated(
        **{f"{AGENT}agent-inject": "true", f"{AGENT}agent-extra-secret": MARKER}
    ),
    ("any pod", "containers[*].env[*].value (vault:…)"): in_template(
        {
            "containers": [
                {"name": "c", "env": [{"name": "A", "value": f"vault:kv/data/{MARKER}#k"}]}
            ]
        }
    ),
    ("any pod", "annotation vault-env-from-path"): annotated(
        **{f"{BANK}vault-env-from-path": f"kv/data/other,kv/data/{MARKER}"}
    ),
    ("any pod", "annotation vault-tls-secret"): annotated(**{f"{BANK}vault-tls-secret": MARKER}),
    ("ConfigMap", "data (vault:…)"): (
        thing("ConfigMap", "v1", data={"dsn": f"postgres://u:${{vault:kv/data/{MARKER}#k}}@db"}),
    ),
    ("Secret", "data, stringData (vault:…)"): (
        thing("Secret", "v1", stringData={"a": f">>vault:kv/data/{MARKER}#k"}),
    ),
    ("Secret", "metadata.labels['argocd.argoproj.io/secret-type']"): (
        thing(
            "Secret",
            "v1",
            MARKER,
            metadata={"labels": {"argocd.argoproj.io/secret-type": "cluster"}},
        ),
    ),
    ("ConfigMap", "data ($secret:key in argocd-cm)"): (
        thing("ConfigMap", "v1", "argocd-cm", data={"oidc.config": f"clientSecret: ${MARKER}:k\n"}),
    ),
    ("ConfigMap", "data ($key in argocd-cm)"): (
        thing("ConfigMap", "v1", "argocd-cm", data={"dex.config": f"clientSecret: ${MARKER}\n"}),
    ),
    ("CSISecrets", "spec.secrets.vaultStaticSecrets[*].path"): (
        thing(
            "CSISecrets",
            "secrets.hashicorp.com/v1beta1",
            spec={"secrets": {"vaultStaticSecrets": [{"mount": "kv", "path": MARKER}]}},
        ),
    ),
    ("VaultDynamicSecret", "spec.path"): (
        thing(
            "VaultDynamicSecret",
            "generators.external-secrets.io/v1alpha1",
            spec={"path": f"db/creds/{MARKER}", "provider": {"server": "http://v"}},
        ),
    ),
    ("ClusterGenerator", "spec (any selector of a Secret)"): (
        thing(
            "ClusterGenerator",
            "generators.external-secrets.io/v1alpha1",
            spec={
                "kind": "GithubAccessToken",
                "generator": {
                    "githubAccessTokenSpec": {"auth": {"privateKey": {"secretRef": KEY_REF}}}
                },
            },
        ),
    ),
}
_SLASHED = ("reflects", "replicate-from", "inject-ca-from")
_SYNCED = {"mount": "kv", "path": "p", "role": "r", "destination": {"name": MARKER}}


def example(row: Coded, kind: Kind) -> tuple[Obj, ...]:
    """Build objects for a place that code looks at; a new one may need an entry in EXAMPLES."""
    if (row.kind, row.where) in EXAMPLES:
        return EXAMPLES[row.kind, row.where]
    where, version = row.where, version_of(kind)
    if where.endswith("(a pod spec)"):
        path = where.removesuffix(" (a pod spec)")
        return (merged(thing(kind.kind, version), planted(path, POD, before=0)),)
    if where.endswith("(imagePullSecrets, volumes)"):
        path = where.removesuffix(" (imagePullSecrets, volumes)")
        leaf = {"imagePullSecrets": [{"name": MARKER}]}
        return (merged(thing(kind.kind, version), planted(path, leaf)),)
    if ".{steps" in where:
        task = planted(where.partition(".{")[0], {"steps": POD["containers"]})
        return (merged(thing(kind.kind, version), task),)
    if where.endswith("templates[*] (containers, volumes)"):
        path = where.removesuffix(" (containers, volumes)")
        workflow = planted(path, {"name": "t", "container": POD["containers"][0]})
        return (merged(thing(kind.kind, version), workflow),)
    if where == "spec (any selector of a Secret)":
        return (thing(kind.kind, version, spec={"auth": {"secretRef": {"token": KEY_REF}}}),)
    if where.startswith(("spec.destination", "spec.rolloutRestartTargets")):
        targets = [{"kind": "Deployment", "name": "api"}]
        return (thing(kind.kind, version, spec={**_SYNCED, "rolloutRestartTargets": targets}),)
    leaf_text = f"other/{MARKER}" if where.rstrip("']").endswith(_SLASHED) else MARKER
    if "hashiCorpVault" in where:
        leaf_text = f"kv/data/{MARKER}"
    if where.rstrip("']").endswith(("replicate-to", "reflection-auto-namespaces")):
        annotated_secret = merged(thing(kind.kind, version, MARKER), planted(where, "other"))
        return (annotated_secret,)
    return (merged(thing(kind.kind, version), planted(where, leaf_text)),)


def of_named(row: Named, kind: Kind, *, below: int = 1, before: int = 1) -> Obj:
    text = f"other/{MARKER}" if row.slashed else MARKER
    found = merged(
        thing(kind.kind, version_of(kind)), planted(row.name, text, below=below, before=before)
    )
    if row.only_kind:
        _put_beside(found, row.name, row.only_kind.rpartition(".")[2])
    return found


def _put_beside(obj: Obj, path: str, field: str) -> None:
    at: Any = obj
    for step in parse(path)[:-1]:
        at = (
            at[-1]
            if step.field is None
            else at[next(iter([k for k in at if k == step.field] or at))]
        )
    at[field] = "Secret"


def tool_rows() -> Iterator[Row]:
    for name, tool in found_tools().items():
        for row in tool.named:
            yield from _named_rows(name, tool, row)
        for coded in tool.coded:
            kind = next(
                (one for one in tool.kinds if one.kind == coded.kind), Kind("", "any pod", "")
            )
            objects = example(coded, kind)
            yield Row(name, coded.kind, kind.group, coded.where, coded.how, "", objects)


def _named_rows(name: str, tool: type[Tool], row: Named) -> Iterator[Row]:
    for kind in tool.kinds:
        if kind.kind == row.kind and row.group in {"", kind.group}:
            obj = of_named(row, kind)
            follows = str(row.follows.picks_up)
            yield Row(name, kind.kind, kind.group, row.name, row.how, follows, (obj,))


def all_rows() -> list[Row]:
    core = [
        Row(
            "kubernetes" if "xternal" not in str(objects) else "external_secrets",
            kind,
            "",
            where,
            how,
            "",
            objects,
        )
        for kind, where, how, objects in core_rows()
    ]
    return [*core, *tool_rows()]


def page() -> str:
    """Write docs/references.md."""
    rows = all_rows()
    lines = [PREFACE]
    for tool in dict.fromkeys(row.tool for row in rows):
        lines += [f"\n## {tool}\n", "| kind | field | how |", "|---|---|---|"]
        told = dict.fromkeys(
            f"| {row.kind}{f' ({row.group})' if row.group else ''} | `{row.where.replace('|', chr(92) + '|')}` | {row.how} |"
            for row in rows
            if row.tool == tool
        )
        lines += told
    lines += [AFTERWORD, corpora_table()]
    return "\n".join(lines).rstrip() + "\n"


PREFACE = """# References to secrets

Every place in an object of Kubernetes or of a tool where Locksmith sees that a secret is used, live
and in manifests alike. The page is printed by `python -m tests.graph.reference_rows` from the
code's own declarations, and a test plants a marker in each of these places and finds it again.

`how` is the word in the graph: of a `consumes` edge, or `copies` and `opens` for the edges of that
name. Each use says how it comes to run on a new value (`picks_up`) and why (`reason`); a reference
that is optional, or whose Secret does not exist (`missing`, where the Secrets of the namespace may
be read), is a reference. `rollback` marks what only an earlier revision of a workload names."""

AFTERWORD = """
## Custom resources that are not in the table

Declare them in the configuration; no code is needed:

```yaml
graph:
  references:
    - kind: Database
      group: example.com
      name: spec.credentials[*].secretName
      key: spec.credentials[*].field
```

A path is a strict subset of JSONPath: `spec.a.b` (fields), `list[*]` and `list[0]` (entries),
`map.*` (every value), `*SecretRef` (a pattern), `spec..secretName` (at any depth), and
`annotations['a.b/c']` (a name that is not plain). `key` and `namespace` are read beside each name.

What is not declared is guessed, in manifests always and live with `graph.infer: true`: a map with a
`name` in a field such as `passwordSecretRef`, a text in a field such as `secretName`, a map with
`containers`. Such edges have the attribute `inferred`, and their `picks_up` is `unknown`.

## Manifests of others

Every object of five public projects, read as a stranger's input. “Unreadable” documents are Helm
templates and files that are broken on purpose or not; each is named as a gap.
"""

if __name__ == "__main__":
    print(page(), end="")
