"""
Takes the core objects of one cluster, one by one and in any order, and adds them to the graph.

Live collection and manifests come through here alike: `add` reduces each object at once to what
is needed, `finish` joins what refers to each other. Namespaces with their owners, Secrets (what
they are, never what they say), service accounts, workloads, Ingress and Gateway TLS. External
Secrets are in `syncs.py`, roles and bindings in `rbac.py`.
"""

import re
from collections.abc import Iterable, Iterator, Mapping

from graph import refs
from graph.fields import (
    Object,
    entries,
    flag,
    group_of,
    mapping,
    name_of,
    namespace_of,
    pairs,
    text,
)
from graph.gathered import Gathered
from graph.kubernetes.openings import note_of, openings
from graph.kubernetes.references import Reference, pull_secrets
from graph.kubernetes.reload import STAKATER
from graph.kubernetes.uses import Vaults, connect_use
from graph.kubernetes.volumes import claim_of, for_pods, volume_references
from graph.kubernetes.workloads import (
    Carrier,
    PodReader,
    SecretFacts,
    ServiceOwner,
    carrier_of,
    connect_carriers,
    service_owner,
)
from graph.model import AttributeValue, EdgeKind, NodeKind
from graph.owners import owners_said
from graph.refs import Ref

TOKEN_TYPE = "kubernetes.io/service-account-token"  # noqa: S105 - a type, not a value
_PLAYBOOK = re.compile(r"locksmith/(playbook(?:_[a-z_]+)?)")
_GATEWAY_GROUP = "gateway.networking.k8s.io"


class Inventory:
    """
    The objects of one cluster on their way into `gathered`.

    `readers` find what tools add to pods; `vaults` are the configured stores that they may mean.
    """

    def __init__(
        self,
        gathered: Gathered,
        *,
        namespace: str = "default",
        readers: Iterable[PodReader] = (),
        vaults: Vaults | None = None,
    ) -> None:
        self._gathered = gathered
        self._namespace = namespace
        self._readers = tuple(readers)
        self._vaults = vaults or {}
        self._volumes: dict[tuple[str, str], tuple[Reference, ...]] = {}
        self._carriers: list[Carrier] = []
        self._accounts: dict[tuple[str, str], Object] = {}
        self._secrets: dict[tuple[str, str], SecretFacts] = {}
        self._services: list[ServiceOwner] = []

    def add(self, obj: Object) -> bool:
        """Take one object; False where its kind is none of these."""
        kind, group = text(obj, "kind"), group_of(obj)
        if not name_of(obj):
            return False
        if carrier := carrier_of(obj, self._namespace, readers=self._readers):
            self._carriers.append(carrier)
        elif (kind, group) == ("Namespace", ""):
            self._namespace_seen(obj)
        elif (kind, group) == ("Secret", ""):
            self._secret_seen(obj)
        elif (kind, group) == ("ServiceAccount", ""):
            self._account_seen(obj)
        elif kind == "Ingress" and group in {"networking.k8s.io", "extensions"}:
            self._edge_router_seen(obj, ingress_references(obj))
        elif (kind, group) == ("Gateway", _GATEWAY_GROUP):
            self._edge_router_seen(obj, gateway_references(obj))
        elif (kind, group) == ("PersistentVolume", ""):
            self._volume_seen(obj)
        elif (kind, group) == ("Service", ""):
            self._services += service_owner(obj, self._namespace)
        else:
            return False
        return True

    def finish(self, *, readable: Iterable[str] | None = ()) -> None:
        """
        Add the workloads; to be called once, when every object was taken.

        `readable` are the namespaces whose Secrets were all taken (None: every one): a Secret of
        theirs that is only referred to does not exist, and is marked `missing`.
        """
        connect_carriers(
            self._gathered,
            self._carriers,
            accounts=self._accounts,
            secrets=self._secrets,
            volumes=self._volumes,
            vaults=self._vaults,
            services=self._services,
        )
        for namespace, name in self._gathered.only_referred():
            if readable is None or namespace in readable:
                ref = refs.k8s(self._gathered.cluster, namespace, "Secret", name)
                self._gathered.note(ref, missing=True)

    def _volume_seen(self, obj: Object) -> None:
        uses = tuple(volume_references(obj))
        if not uses:
            return
        ref = refs.k8s(self._gathered.cluster, "", "PersistentVolume", name_of(obj))
        self._gathered.define(ref, NodeKind.WORKLOAD)
        self._consumed(ref, "PersistentVolume", iter(uses), "")
        if claim := claim_of(obj):
            self._volumes[claim] = tuple(for_pods(uses))

    def _home(self, obj: Object) -> str:
        return namespace_of(obj) or self._namespace

    def _namespace_seen(self, obj: Object) -> None:
        ref = self._gathered.namespace(name_of(obj))
        self._gathered.define(ref, NodeKind.NAMESPACE)
        self._gathered.own(ref, owners_said(obj))

    def _secret_seen(self, obj: Object) -> None:
        namespace, name = self._home(obj), name_of(obj)
        annotations = pairs(obj, "metadata", "annotations")
        ref = self._gathered.refer_secret(namespace, name)
        self._gathered.define(ref, NodeKind.SECRET, **secret_attributes(obj))
        self._gathered.own(ref, owners_said(obj))
        # Only these annotations: `last-applied-configuration` holds the values once more.
        for_reloaders = {key: value for key, value in annotations.items() if STAKATER in key}
        self._secrets[namespace, name] = SecretFacts(flag(obj, "immutable"), for_reloaders)
        for opened in map(Ref, openings(obj)):
            self._gathered.define(opened, NodeKind.STORE)
            self._gathered.connect(ref, opened, EdgeKind.OPENS, note=note_of(opened))
        account = annotations.get("kubernetes.io/service-account.name", "")
        if text(obj, "type") == TOKEN_TYPE and account:
            self._gathered.connect(ref, self._account(namespace, account), EdgeKind.OPENS)

    def _account_seen(self, obj: Object) -> None:
        namespace, name = self._home(obj), name_of(obj)
        self._accounts[namespace, name] = {
            "metadata": {"name": name},
            "imagePullSecrets": obj.get("imagePullSecrets"),
        }
        ref = self._account(namespace, name)
        self._gathered.define(ref, NodeKind.SUBJECT)
        self._gathered.own(ref, owners_said(obj))
        self._consumed(ref, "ServiceAccount", pull_secrets(obj), namespace)
        for index, entry in enumerate(entries(obj, "secrets")):
            if not (secret := text(entry, "name")):
                continue
            if secret.startswith((f"{name}-token-", f"{name}-dockercfg-")):  # its own credential
                head = self._gathered.refer_secret(namespace, secret)
                self._gathered.connect(head, ref, EdgeKind.OPENS)
            else:
                use = Reference(secret, "serviceAccount", f"secrets[{index}].name")
                self._consumed(ref, "ServiceAccount", iter((use,)), namespace)

    def _edge_router_seen(self, obj: Object, uses: Iterator[tuple[str, Reference]]) -> None:
        namespace, kind = self._home(obj), text(obj, "kind")
        found = list(uses)
        if not found:
            return
        ref = refs.k8s(self._gathered.cluster, namespace, kind, name_of(obj))
        self._gathered.define(ref, NodeKind.WORKLOAD)
        self._gathered.place(ref, namespace)
        self._gathered.own(ref, owners_said(obj))
        for elsewhere, use in found:
            self._consumed(ref, kind, iter((use,)), elsewhere or namespace)

    def _consumed(self, ref: Ref, kind: str, uses: Iterator[Reference], namespace: str) -> None:
        for use in uses:
            connect_use(self._gathered, ref, kind, use, namespace)

    def _account(self, namespace: str, name: str) -> Ref:
        ref = refs.k8s(self._gathered.cluster, namespace, "ServiceAccount", name)
        self._gathered.refer(ref, NodeKind.SUBJECT)
        self._gathered.place(ref, namespace)
        return ref


def secret_attributes(obj: Object) -> dict[str, AttributeValue]:
    """Say what a Secret is: its keys, type, whether it can change, its playbook; never a value."""
    keys: set[object] = {*mapping(obj, "data"), *mapping(obj, "stringData")}
    return {
        **_for_playbooks(pairs(obj, "metadata", "annotations")),
        "keys": tuple(sorted(key for key in keys if isinstance(key, str))),
        "type": text(obj, "type") or "Opaque",
        "immutable": flag(obj, "immutable"),
    }


def _for_playbooks(annotations: Mapping[str, str]) -> dict[str, AttributeValue]:
    """Read what a Secret says for its playbook: locksmith/playbook=NAME, locksmith/playbook_x=…."""
    found = {name: _PLAYBOOK.fullmatch(name) for name in annotations}
    return {match[1]: annotations[name] for name, match in found.items() if match}


def ingress_references(obj: Object) -> Iterator[tuple[str, Reference]]:
    """Yield (namespace, use) of the TLS Secrets of an Ingress; "" is its own namespace."""
    for index, entry in enumerate(entries(obj, "spec", "tls")):
        if name := text(entry, "secretName"):
            yield "", Reference(name, "ingressTls", f"spec.tls[{index}].secretName")


def gateway_references(obj: Object) -> Iterator[tuple[str, Reference]]:
    """Yield (namespace, use) of the certificates of a Gateway API Gateway."""
    for index, listener in enumerate(entries(obj, "spec", "listeners")):
        where = f"spec.listeners[{text(listener, 'name') or index}].tls.certificateRefs"
        for place, ref in enumerate(entries(listener, "tls", "certificateRefs")):
            is_secret = (text(ref, "kind") or "Secret") == "Secret" and not text(ref, "group")
            if is_secret and (name := text(ref, "name")):
                yield text(ref, "namespace"), Reference(name, "ingressTls", f"{where}[{place}]")
