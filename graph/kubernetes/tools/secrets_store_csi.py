"""
Secrets Store CSI driver: files of pods that come from a store elsewhere, named by a class.

A SecretProviderClass stands in the graph for the bundle of its objects: the secrets of the store
are copied to it, pods consume it, and `secretObjects` copy from it into Kubernetes Secrets, which
exist only while a pod mounts the class. Files are written when a pod starts; the driver follows
changes only where its rotation is switched on (every two minutes by default).
Source: kubernetes-sigs/secrets-store-csi-driver and its providers for Vault, AWS, Azure and GCP.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import yaml

from graph import refs, yaml_text
from graph.fields import Object, entries, mapping, name_of, pairs, text
from graph.kubernetes.references import PickUp, PodTemplate, Reference, mounts_of
from graph.kubernetes.remotes import cloud_ref
from graph.kubernetes.tool import Coded, Here, Kind, Tool
from graph.model import AttributeValue, NodeKind, PicksUp
from graph.refs import Ref

_DRIVER = "secrets-store.csi.k8s.io"
_MOUNTED = PickUp(
    PicksUp.POLL,
    "Files are written when the pod starts, and follow every two minutes only where the driver's "
    "rotation is switched on.",
)
_BOUND = PickUp(PicksUp.RESTART, "A file mounted by subPath never changes in a running container.")


@dataclass(frozen=True, slots=True)
class Provided:
    """One file of the bundle: `name` in it, `key` inside of the remote secret `remote`."""

    name: str
    remote: str
    key: str = ""
    version: str = ""
    service: str = ""


class SecretsStoreCsi(Tool):
    """Reads SecretProviderClasses and the volumes of pods that mount them."""

    name: ClassVar[str] = "secrets_store_csi"
    kinds: ClassVar[tuple[Kind, ...]] = (
        Kind(_DRIVER, "SecretProviderClass", "secretproviderclasses", NodeKind.SYNC),
        Kind(
            "secrets-store.csi.x-k8s.io",
            "SecretProviderClass",
            "secretproviderclasses",
            NodeKind.SYNC,
        ),
    )
    coded: ClassVar[tuple[Coded, ...]] = (
        Coded("any pod", f"volumes[*].csi (driver {_DRIVER})", "secretProviderClass"),
        Coded("SecretProviderClass", "spec.parameters.objects (vault)", "copies"),
        Coded("SecretProviderClass", "spec.parameters.objects (aws)", "copies"),
        Coded("SecretProviderClass", "spec.parameters.objects (azure)", "copies"),
        Coded("SecretProviderClass", "spec.parameters.secrets (gcp)", "copies"),
        Coded("SecretProviderClass", "spec.secretObjects[*].secretName", "copies"),
    )

    def pod(self, template: PodTemplate) -> Iterator[Reference]:
        for index, volume in enumerate(entries(template.spec, "volumes")):
            source = mapping(volume, "csi")
            name = text(source, "volumeAttributes", "secretProviderClass")
            if text(source, "driver") != _DRIVER or not name:
                continue
            label = text(volume, "name")
            field = f"{template.prefix}.volumes[{label or index}].csi"
            for container, bound in sorted(
                {
                    (mount.container, bool(mount.sub_path))
                    for mount in mounts_of(template.spec, label)
                }
                or {("", False)}
            ):
                yield Reference(
                    name,
                    "secretProviderClass",
                    field,
                    container,
                    kind="SecretProviderClass",
                    follows=_BOUND if bound else _MOUNTED,
                )

    def read(self, obj: Object, kind: Kind, here: Here) -> None:
        provider = text(obj, "spec", "provider").lower()
        bundle = here.define(obj, kind, provider=provider)
        found = _PROVIDERS.get(provider)
        try:
            provided = list(found(pairs(obj, "spec", "parameters"))) if found else []
        except yaml.YAMLError:
            found, provided = None, []
        if found is None:
            here.gathered.miss(
                f"SecretProviderClass {name_of(obj)}",
                f"Its objects of the provider “{provider}” could not be read.",
                do_now="Treat the workloads that mount it as consumers of that store.",
            )
        for one in provided:
            tail = _remote(provider, one, pairs(obj, "spec", "parameters"), here)
            if tail is not None:
                extra: dict[str, AttributeValue] = {"version": one.version} if one.version else {}
                here.gathered.refer(tail, NodeKind.SECRET)
                here.copies(
                    tail,
                    bundle,
                    bundle,
                    key=one.name,
                    from_key=one.key,
                    refresh_interval=0 if one.version else None,
                    **extra,
                )
        home = here.home(obj, kind)
        for made in entries(obj, "spec", "secretObjects"):
            if not (name := text(made, "secretName")):
                continue
            head = here.gathered.refer_secret(home, name)
            for entry in entries(made, "data"):
                here.copies(
                    bundle,
                    head,
                    bundle,
                    key=text(entry, "key"),
                    from_key=text(entry, "objectName"),
                    refresh_interval=None,
                )
            if not list(entries(made, "data")):
                here.copies(bundle, head, bundle, refresh_interval=None, widen=True)


def _remote(provider: str, one: Provided, said: dict[str, str], here: Here) -> Ref | None:
    if provider in {"vault", "openbao"}:
        return here.vault(
            one.remote,
            server=said.get("vaultAddress", ""),
            vault_namespace=said.get("vaultNamespace", ""),
        )
    if provider == "aws":
        return cloud_ref("aws", one.remote, place=said.get("region", ""), service=one.service)
    if provider == "gcp":
        return cloud_ref("gcpsm", one.remote)
    vault = said.get("keyvaultName", "") or said.get("keyVaultName", "")
    return refs.cloud("azure", vault, one.service or "secret", one.remote)


def _vault(said: dict[str, str]) -> Iterator[Provided]:
    for entry in _listed(said.get("objects", "")):
        # The first version of the provider had a map with `array`, and `objectPath`.
        path = text(entry, "secretPath") or text(entry, "objectPath")
        if path:
            yield Provided(text(entry, "objectName"), path, text(entry, "secretKey"))


def _aws(said: dict[str, str]) -> Iterator[Provided]:
    for entry in _listed(said.get("objects", "")):
        name = text(entry, "objectName")
        version = text(entry, "objectVersion")
        service = text(entry, "objectType")
        if not name:
            continue
        yield Provided(text(entry, "objectAlias") or name, name, "", version, service)
        for part in entries(entry, "jmesPath"):
            yield Provided(text(part, "objectAlias"), name, text(part, "path"), version, service)


def _azure(said: dict[str, str]) -> Iterator[Provided]:
    for entry in _listed(said.get("objects", "")):
        if name := text(entry, "objectName"):
            yield Provided(
                text(entry, "objectAlias") or name,
                name,
                "",
                text(entry, "objectVersion"),
                text(entry, "objectType"),
            )


def _gcp(said: dict[str, str]) -> Iterator[Provided]:
    for entry in _listed(said.get("secrets", "")):
        resource = text(entry, "resourceName")
        version = resource.rpartition("/versions/")[2] if "/versions/" in resource else ""
        if resource:
            yield Provided(
                text(entry, "path") or text(entry, "fileName"),
                resource,
                text(entry, "extractJSONKey"),
                "" if version == "latest" else version,
            )


def _listed(written: str) -> Iterator[Object]:
    """
    Read the YAML in a parameter: a list, or a map `array` of texts that are YAML once more.

    Raises:
        yaml.YAMLError: it is none.
    """
    outer = yaml_text.load_plain(written)
    found = outer.get("array") if isinstance(outer, dict) else outer
    for entry in found if isinstance(found, list) else ():
        inner = yaml_text.load_plain(entry) if isinstance(entry, str) else entry
        if isinstance(inner, dict):
            yield inner


_PROVIDERS = {"vault": _vault, "openbao": _vault, "aws": _aws, "azure": _azure, "gcp": _gcp}
