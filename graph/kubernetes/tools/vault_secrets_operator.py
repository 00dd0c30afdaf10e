"""
Vault Secrets Operator (hashicorp): secrets of a Vault copied into Kubernetes Secrets, or mounted.

Static secrets are read every `refreshAfter` or at Vault's events; without either, and with a pinned
`version`, a rotation does not arrive. Dynamic ones follow their leases. `rolloutRestartTargets` are
restarted by the operator, but only if it may compute an HMAC of the data (`hmacSecretData`). Which
Vault is meant stands in a VaultConnection, behind a VaultAuth and perhaps a VaultAuthGlobal; the
Secrets that a VaultAuth names lie in the namespaces of those who use it. A VaultAuth is a store to
the graph: it reads what its syncs fetch, and logs in to a role; other namespaces than its own may
use it where it says so.
Source: api/v1beta1 and common/common.go of hashicorp/vault-secrets-operator.
"""

from collections.abc import Iterator
from typing import ClassVar

from graph import refs
from graph.fields import Object, entries, flag, mapping, name_of, number, text, texts
from graph.kubernetes import stores
from graph.kubernetes.durations import seconds
from graph.kubernetes.references import PickUp, PodTemplate, Reference, mounts_of
from graph.kubernetes.remotes import place_in_vault
from graph.kubernetes.tool import AT_RECONCILE, Coded, Here, Kind, Named, Tool
from graph.kubernetes.uses import connect_use
from graph.model import AttributeValue, NodeKind, PicksUp

_GROUP = "secrets.hashicorp.com"
_DRIVER = "csi.vso.hashicorp.com"
_HOME = "vault-secrets-operator-system"  # where the operator's chart puts the defaults
_METHODS = ("jwt", "appRole", "aws")
_BY_ROLE = ("kubernetes", "jwt")  # methods whose roles the graph knows by name
_SYNCS = ("VaultStaticSecret", "VaultDynamicSecret", "VaultPKISecret", "HCPVaultSecretsApp")
_WRITTEN = PickUp(
    PicksUp.POLL, "The operator writes it from its source and undoes other changes.", by_itself=True
)
_RESTARTED = PickUp(
    PicksUp.RESTART,
    "The Vault Secrets Operator restarts it when the Secret changes.",
    by_itself=True,
)
_MOUNTED = PickUp(PicksUp.POLL, "The driver of the operator writes the files when the pod starts.")


class VaultSecretsOperator(Tool):
    """Reads the operator's syncs, how they log in, and the volumes of its driver."""

    name: ClassVar[str] = "vault_secrets_operator"
    kinds: ClassVar[tuple[Kind, ...]] = (
        Kind(_GROUP, "VaultStaticSecret", "vaultstaticsecrets", NodeKind.SYNC),
        Kind(_GROUP, "VaultDynamicSecret", "vaultdynamicsecrets", NodeKind.SYNC),
        Kind(_GROUP, "VaultPKISecret", "vaultpkisecrets", NodeKind.SYNC),
        Kind(_GROUP, "HCPVaultSecretsApp", "hcpvaultsecretsapps", NodeKind.SYNC),
        Kind(_GROUP, "CSISecrets", "csisecrets", NodeKind.SYNC),
        Kind(_GROUP, "VaultAuth", "vaultauths", NodeKind.STORE),
        Kind(_GROUP, "VaultAuthGlobal", "vaultauthglobals", NodeKind.STORE),
        Kind(_GROUP, "VaultConnection", "vaultconnections", NodeKind.STORE),
        Kind(_GROUP, "HCPAuth", "hcpauths", NodeKind.STORE),
    )
    named: ClassVar[tuple[Named, ...]] = (
        Named("VaultConnection", "spec.caCertSecretRef", "storeAuth", AT_RECONCILE),
        Named("HCPAuth", "spec.servicePrincipal.secretRef", "storeAuth", AT_RECONCILE),
        *(
            Named("VaultAuthGlobal", f"spec.{method}.secretRef", "storeAuth", AT_RECONCILE)
            for method in _METHODS
        ),
    )
    coded: ClassVar[tuple[Coded, ...]] = (
        *(Coded(kind, "spec.destination.name", "copies") for kind in _SYNCS[:3]),
        Coded("HCPVaultSecretsApp", "spec.destination.name", "written"),
        *(Coded(kind, "spec.rolloutRestartTargets[*]", "restartTarget") for kind in _SYNCS),
        Coded("CSISecrets", "spec.secrets.vaultStaticSecrets[*].path", "copies"),
        *(Coded("VaultAuth", f"spec.{method}.secretRef", "storeAuth") for method in _METHODS),
        Coded("any pod", f"volumes[*].csi (driver {_DRIVER})", "csiSecrets"),
    )

    def __init__(self) -> None:
        self._objects: dict[tuple[str, str, str], tuple[Object, Kind]] = {}

    def pod(self, template: PodTemplate) -> Iterator[Reference]:
        for index, volume in enumerate(entries(template.spec, "volumes")):
            source = mapping(volume, "csi")
            said = mapping(source, "volumeAttributes")
            name = text(said, "csiSecretsName")
            if text(source, "driver") != _DRIVER or not name:
                continue
            label = text(volume, "name")
            for container in sorted({m.container for m in mounts_of(template.spec, label)} or {""}):
                yield Reference(
                    name,
                    "csiSecrets",
                    f"{template.prefix}.volumes[{label or index}].csi",
                    container,
                    namespace=text(said, "csiSecretsNamespace"),
                    kind="CSISecrets",
                    follows=_MOUNTED,
                )

    def read(self, obj: Object, kind: Kind, here: Here) -> None:
        self._objects[kind.kind, here.home(obj, kind), name_of(obj)] = (obj, kind)

    def finish(self, here: Here) -> None:
        """Find the Vault behind each sync, and in whose namespaces each login lies."""
        users: dict[tuple[str, str], set[str]] = {}
        for (kind_name, home, _), (obj, kind) in self._objects.items():
            if kind_name in _SYNCS or kind_name == "CSISecrets":
                if kind_name != "HCPVaultSecretsApp":
                    users.setdefault(self._auth_of(obj, home), set()).add(home)
                self._sync(obj, kind, here)
        for (kind_name, home, name), (obj, kind) in self._objects.items():
            if kind_name == "VaultAuth":
                self._login(obj, kind, here, sorted(users.get((home, name), {home})))

    def _login(self, auth: Object, kind: Kind, here: Here, places: list[str]) -> None:
        """Add a VaultAuth: what it logs in with, as which role, and from which namespaces."""
        home = here.home(auth, kind)
        ref = here.define(auth, kind, **_limits_of(auth, home))
        for method in _METHODS:
            if secret := text(auth, "spec", method, "secretRef"):
                use = Reference(secret, "storeAuth", f"spec.{method}.secretRef")
                for place in places:
                    connect_use(here.gathered, ref, "VaultAuth", use, place)
        spec, shared = self._merged(home, name_of(auth))
        method = _method_of(spec, shared)
        role = text(spec, method, "role") or text(shared, method, "role")
        at = text(spec, "mount") or text(shared, method, "mount") or text(shared, "defaultMount")
        if method in _BY_ROLE and role and at:
            server, space = self._vault_behind(home, name_of(auth))
            vault = place_in_vault(
                f"{at.strip('/')}/role/{role}",
                here.vaults,
                server=server,
                vault_namespace=space,
                mount="auth",
                version="v1",
            )
            if vault.ref is not None:
                stores.logs_in(here.gathered, ref, vault.ref)

    def _auth_of(self, obj: Object, home: str) -> tuple[str, str]:
        said = text(obj, "spec", "vaultAuthRef")
        if not said:
            ref = mapping(obj, "spec", "vaultAuthRef")
            name = text(ref, "name")
            return (text(ref, "namespace") or home, name) if name else (_HOME, "default")
        namespace, separator, name = said.partition("/")
        return (namespace, name) if separator else (home, said)

    def _merged(self, at: str, name: str) -> tuple[Object, Object]:
        """Find what a VaultAuth says, and the VaultAuthGlobal that says the rest."""
        auth = mapping(self._object("VaultAuth", at, name), "spec")
        named = mapping(auth, "vaultAuthGlobalRef")
        place = (text(named, "namespace") or at, text(named, "name"))
        return auth, mapping(self._object("VaultAuthGlobal", *place), "spec")

    def _vault_behind(self, at: str, name: str) -> tuple[str, str]:
        """Find (address, Vault namespace) of a login; "" where an object on the way is unseen."""
        auth, shared = self._merged(at, name)
        said = text(auth, "vaultConnectionRef") or text(shared, "vaultConnectionRef")
        namespace, separator, connection = said.partition("/")
        place = (namespace, connection) if separator else (at, said) if said else (_HOME, "default")
        space = (
            text(auth, "namespace")
            or text(shared, _method_of(auth, shared), "namespace")
            or text(shared, "defaultVaultNamespace")
        )
        return text(self._object("VaultConnection", *place), "spec", "address"), space

    def _object(self, kind: str, namespace: str, name: str) -> Object:
        return self._objects.get((kind, namespace, name), ({}, None))[0]

    def _sync(self, obj: Object, kind: Kind, here: Here) -> None:
        home, spec = here.home(obj, kind), mapping(obj, "spec")
        interval = _interval(obj, kind.kind)
        sync = here.define(obj, kind, refresh_interval=interval)
        auth = self._auth_of(obj, home)
        server, space = self._vault_behind(*auth)
        space = text(spec, "namespace") or space
        if kind.kind == "CSISecrets":
            for secret in entries(spec, "secrets", "vaultStaticSecrets"):
                tail = _tail(secret, kind.kind, here, server, space)
                if tail is not None:
                    here.copies(tail, sync, sync, refresh_interval=None)
                    self._reads(auth, tail, here)
            return
        target = text(spec, "destination", "name")
        if not target:
            return
        head = here.gathered.refer_secret(home, target)
        here.gathered.note(sync, target=target)
        if kind.kind == "HCPVaultSecretsApp":
            use = Reference(target, "written", "spec.destination.name", follows=_WRITTEN)
            here.uses(obj, kind, use)
        else:
            tail = _tail(spec, kind.kind, here, server, space)
            if tail is not None:
                extra: dict[str, AttributeValue] = {}
                if version := number(spec, "version"):
                    extra["version"] = str(version)
                if mapping(spec, "destination", "transformation"):
                    extra["widen"] = True
                here.copies(tail, head, sync, refresh_interval=interval, **extra)
                self._reads(auth, tail, here)
        if kind.kind != "VaultStaticSecret" or spec.get("hmacSecretData") is not False:
            self._restarts(spec, home, target, here)

    def _reads(self, auth: tuple[str, str], secret: refs.Ref, here: Here) -> None:
        if self._object("VaultAuth", *auth):
            ref = refs.k8s(here.gathered.cluster, auth[0], "VaultAuth", auth[1])
            stores.reads(here.gathered, ref, secret)

    def _restarts(self, spec: Object, home: str, target: str, here: Here) -> None:
        for index, entry in enumerate(entries(spec, "rolloutRestartTargets")):
            kind, name = text(entry, "kind").rpartition(".")[2], text(entry, "name")
            if kind and name:
                workload = refs.k8s(here.gathered.cluster, home, kind, name)
                here.gathered.refer(workload, NodeKind.WORKLOAD)
                here.gathered.place(workload, home)
                use = Reference(
                    target,
                    "restartTarget",
                    f"rolloutRestartTargets[{index}] of its sync",
                    follows=_RESTARTED,
                )
                connect_use(here.gathered, workload, kind, use, home)


def _method_of(auth: Object, shared: Object) -> str:
    return text(auth, "method") or text(shared, "defaultAuthMethod")


def _limits_of(auth: Object, home: str) -> dict[str, AttributeValue]:
    """Name the only namespaces whose syncs may use a VaultAuth, unless all of them may."""
    allowed = texts(auth, "spec", "allowedNamespaces")
    if allowed == ("*",) or (home, name_of(auth)) == (_HOME, "default"):
        return {}
    return {"namespaces": tuple(sorted({home, *allowed}))}


def _tail(spec: Object, kind: str, here: Here, server: str, space: str) -> refs.Ref | None:
    path = text(spec, "path")
    if kind == "VaultPKISecret":
        path = f"issue/{text(spec, 'role')}"
    if not text(spec, "mount") or not path:
        return None
    return here.vault(
        path,
        server=server,
        vault_namespace=space,
        mount=text(spec, "mount"),
        version="v1" if text(spec, "type") == "kv-v1" else "v2",
    )


def _interval(obj: Object, kind: str) -> int | None:
    """Seconds until a new value arrives by itself; 0: it does not; None: nobody can tell."""
    spec = mapping(obj, "spec")
    if kind == "VaultStaticSecret":
        if number(spec, "version"):
            return 0
        if flag(spec, "syncConfig", "instantUpdates"):
            return 1
        return seconds(text(spec, "refreshAfter")) or 0
    if said := seconds(text(spec, "refreshAfter")):
        return said
    lease = number(obj, "status", "secretLease", "duration")
    percent = number(spec, "renewalPercent") or 67
    return lease * percent // 100 if lease else None
