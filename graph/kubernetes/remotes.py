"""
Where a SecretStore of the External Secrets operator points, in our refs: store, mount and path.

A store knows a server's address; the graph knows configured names. They are the same store when
one of a configured vault's addresses and its namespace are the store's. Else the ref carries the
host, so that two stores that point to one place still meet. Pure.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from graph import refs
from graph.fields import Object, mapping, text
from graph.refs import Ref

_CLOUDS = frozenset({"aws", "gcpsm", "azurekv"})
_GCP = re.compile(r"projects/(?P<project>[^/]+)/secrets/(?P<name>[^/]+)(?:/versions/[^/]+)?")
_ARN_END = re.compile(r"-[A-Za-z0-9]{6}$")
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class KnownVault:
    """A configured Vault or OpenBao: every address that it answers at, and its namespace."""

    addresses: tuple[str, ...]
    namespace: str = ""


@dataclass(frozen=True, slots=True)
class Remote:
    """
    What a SecretStore reads from; `store` is our name of a vault, "" for another provider.

    `mount` is "" where each key names its own; `version` is the KV version, "v1" or "v2".
    """

    provider: str
    store: str = ""
    server: str = ""
    mount: str = ""
    version: str = "v2"
    namespace: str = ""  # of the kubernetes provider: where it reads Secrets
    known: bool = False

    def ref(self, cluster: str, key: str) -> Ref | None:
        """Name the remote secret `key`; None where this provider's things have no ref yet."""
        if self.provider == "kubernetes" and self.namespace and key:
            return refs.k8s(cluster, self.namespace, "Secret", key)
        if self.provider in _CLOUDS and key:
            return cloud_ref(self.provider, key, place=self.server, service=self.mount)
        if self.provider != "vault":
            return None
        mount, path = vault_path(key, mount=self.mount, version=self.version)
        return refs.vault(self.store, mount, path) if mount and path else None

    def place(self, cluster: str) -> tuple[Ref, str] | None:
        """
        Name the place that it finds secrets in, and how the refs of those begin.

        None where the graph does not know what is there.
        """
        if self.provider == "kubernetes" and self.namespace:
            inside = refs.k8s(cluster, self.namespace, "Secret", "")
            return refs.k8s(cluster, "", "Namespace", self.namespace), inside
        if self.provider == "vault" and self.known and self.mount:
            return refs.vault_store(self.store), refs.vault(self.store, self.mount, "")
        return None


def remote_of(store: Object, vaults: Mapping[str, KnownVault]) -> Remote:
    """Read the provider of a SecretStore or ClusterSecretStore."""
    provider = mapping(store, "spec", "provider")
    kind = str(next(iter(provider), ""))
    settings = mapping(provider, kind)
    if kind == "kubernetes":
        server = text(settings, "server", "url")
        here = not server or _place(server)[0] in {
            "kubernetes.default",
            "kubernetes.default.svc",
        }
        namespace = text(settings, "remoteNamespace") or "default"
        return Remote(kind, server=server, namespace=namespace if here else "")
    if kind == "aws":
        return Remote(kind, server=text(settings, "region"), mount=text(settings, "service"))
    if kind in _CLOUDS:
        return Remote(kind, server=text(settings, "projectID") or text(settings, "vaultUrl"))
    if kind != "vault":
        return Remote(kind)
    server, namespace = text(settings, "server"), text(settings, "namespace").strip("/")
    name = vault_named(server, namespace, vaults)
    return Remote(
        kind,
        store=name or _unknown(server, namespace),
        server=server,
        mount=text(settings, "path").strip("/"),
        version=text(settings, "version") or "v2",
        known=bool(name),
    )


def cloud_ref(provider: str, key: str, *, place: str = "", service: str = "") -> Ref | None:
    """
    Name a secret of a cloud's store, in the words of the operators: `aws`, `gcpsm`, `azurekv`.

    `place` is the region, the project, or the name or address of the key vault. An account that
    only the credentials know is "-". None where `key` names nothing.
    """
    if provider == "aws":
        return _aws_ref(key, place, service)
    if provider == "gcpsm":
        found = _GCP.fullmatch(key)
        project, name = (found["project"], found["name"]) if found else (place, key)
        return refs.cloud("gcp", project, "secretmanager", name)
    host = _place(place)[0].partition(".")[0] if place else ""
    kind, separator, name = key.partition("/")
    if not separator or kind not in {"secret", "key", "cert"}:
        kind, name = "secret", key
    return refs.cloud("azure", host, kind, name) if name else None


def _aws_ref(key: str, region: str, service: str) -> Ref | None:
    account, kind = "", "ssm" if service in {"ParameterStore", "ssmparameter"} else "secretsmanager"
    name = key
    arn = key.split(":", 6)
    if arn[0] == "arn" and len(arn) > 5:  # noqa: PLR2004 - arn:aws:SERVICE:REGION:ACCOUNT:REST
        kind, region, account = arn[2], arn[3], arn[4]
        # Secrets Manager ends the names in its ARNs with six random characters.
        name = _ARN_END.sub("", arn[6]) if kind == "secretsmanager" and len(arn) > 6 else arn[5]  # noqa: PLR2004
        name = name.removeprefix("parameter")
    name = name.strip("/")
    return refs.cloud("aws", account, region, kind, name) if name else None


def login_role(store: Object, remote: Remote) -> Ref | None:
    """Name the auth role of a vault that a store logs in to, where its settings say which."""
    auth = mapping(store, "spec", "provider", "vault", "auth")
    for method, field in (("kubernetes", "mountPath"), ("jwt", "path")):
        role = text(auth, method, "role")
        if remote.provider == "vault" and role:
            mount = (text(auth, method, field) or method).strip("/")
            return refs.vault(remote.store, "auth", f"{mount}/role/{role}")
    return None


def vault_named(server: str, namespace: str, vaults: Mapping[str, KnownVault]) -> str:
    """Find the configured vault at this address; "" where there is none."""
    place = _place(server)
    return next(
        (
            name
            for name, vault in vaults.items()
            if vault.namespace.strip("/") == namespace
            and any(_place(address) == place for address in vault.addresses)
        ),
        "",
    )


@dataclass(frozen=True, slots=True)
class VaultPlace:
    """`ref` None: the key names nothing. `known`: it lies in a configured vault."""

    ref: Ref | None
    known: bool


def place_in_vault(
    key: str,
    vaults: Mapping[str, KnownVault],
    *,
    server: str = "",
    vault_namespace: str = "",
    mount: str = "",
    version: str = "v2",
) -> VaultPlace:
    """Name the secret that an operator or injector reads; no `server`: the only vault there is."""
    space = vault_namespace.strip("/")
    if server:
        name = vault_named(server, space, vaults)
    else:
        fitting = [name for name, vault in vaults.items() if vault.namespace.strip("/") == space]
        name = fitting[0] if len(fitting) == 1 else ""
    at, path = vault_path(key, mount=mount.strip("/"), version=version)
    ref = refs.vault(name or _unknown(server, space), at, path) if at and path else None
    return VaultPlace(ref, bool(name))


def vault_path(key: str, *, mount: str, version: str) -> tuple[str, str]:
    """
    Split a `remoteRef.key` into mount and path, as the operator's Vault provider does.

    The key may repeat the mount, and on KV v2 the `data/` of the API. Without a configured mount
    the key starts with it: up to `/data/` where that is there, else its first part.
    """
    path = key.strip("/")
    if mount:
        if path.startswith(f"{mount}/"):
            path = path.removeprefix(f"{mount}/")
            if version != "v1":
                path = path.removeprefix("data/")
        return mount, path
    if version != "v1" and "/data/" in path:
        mount, _, path = path.partition("/data/")
        return mount, path
    mount, _, path = path.partition("/")
    return mount, path


def _place(address: str) -> tuple[str, int | None]:
    """Compare by host and port: that a proxy ends TLS changes the scheme, not the store."""
    try:
        url = urlsplit(address if "://" in address else f"//{address}")
    except ValueError:  # brackets that do not fit
        return (address, None)
    try:
        port = url.port
    except ValueError:
        port = None
    return (url.hostname or "", port or _PORTS.get(url.scheme))


def _unknown(server: str, namespace: str) -> str:
    host, port = _place(server)
    place = f"{host or 'unknown'}:{port}" if port else host or "unknown"
    return f"{place}~{namespace}" if namespace else place
