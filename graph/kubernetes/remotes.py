"""
Where a SecretStore of the External Secrets operator points, in our refs: store, mount and path.

A store knows a server's address; the graph knows configured names. They are the same store when
one of a configured vault's addresses and its namespace are the store's. Else the ref carries the
host, so that two stores that point to one place still meet. Pure.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from graph import refs
from graph.fields import Object, mapping, text
from graph.refs import Ref

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
        if self.provider != "vault":
            return None
        mount, path = vault_path(key, mount=self.mount, version=self.version)
        return refs.vault(self.store, mount, path) if mount and path else None


def remote_of(store: Object, vaults: Mapping[str, KnownVault]) -> Remote:
    """Read the provider of a SecretStore or ClusterSecretStore."""
    provider = mapping(store, "spec", "provider")
    kind = str(next(iter(provider), ""))
    settings = mapping(provider, kind)
    if kind == "kubernetes":
        server = text(settings, "server", "url")
        here = not server or urlsplit(server).hostname in {
            "kubernetes.default",
            "kubernetes.default.svc",
        }
        namespace = text(settings, "remoteNamespace") or "default"
        return Remote(kind, server=server, namespace=namespace if here else "")
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
    url = urlsplit(address if "://" in address else f"//{address}")
    try:
        port = url.port
    except ValueError:
        port = None
    return (url.hostname or "", port or _PORTS.get(url.scheme))


def _unknown(server: str, namespace: str) -> str:
    host, port = _place(server)
    place = f"{host or 'unknown'}:{port}" if port else host or "unknown"
    return f"{place}~{namespace}" if namespace else place
