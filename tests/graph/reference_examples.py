"""Objects for the references of tools: most follow from declarations, the others are here."""

from typing import Any

from graph.kubernetes.paths import parse
from graph.kubernetes.tool import Coded, Kind, Named
from tests.graph.reference_parts import (
    KEY_REF,
    MARKER,
    POD,
    Obj,
    merged,
    planted,
    thing,
    version_of,
)


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
AGENT_SETTINGS = f"""
vault {{ address = "https://vault.example.com" }}
template {{ contents = "{{{{ with secret \\"kv/data/{MARKER}\\" }}}}x{{{{ end }}}}" }}
"""
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
            f"{AGENT}agent-inject-template-db": f'{{{{ with secret "kv/data/{MARKER}" }}}}x',
        }
    ),
    ("any pod", "annotation tls-secret"): annotated(
        **{f"{AGENT}agent-inject": "true", f"{AGENT}tls-secret": MARKER}
    ),
    ("any pod", "annotation agent-extra-secret"): annotated(
        **{f"{AGENT}agent-inject": "true", f"{AGENT}agent-extra-secret": MARKER}
    ),
    ("any pod", "annotation agent-configmap"): annotated(
        **{f"{AGENT}agent-inject": "true", f"{AGENT}agent-configmap": MARKER}
    ),
    ("ConfigMap", "data (templates in config.hcl of an agent)"): (
        thing("ConfigMap", "v1", "agent", data={"config.hcl": AGENT_SETTINGS}),
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


def example(row: Coded, kind: Kind) -> tuple[Obj, ...]:  # noqa: PLR0911 - one per shape
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
