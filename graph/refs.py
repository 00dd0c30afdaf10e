"""
Refs name everything: in the graph, the command line, Slack, URLs, logs and JSON.

::

    k8s://CLUSTER/NAMESPACE/Kind/NAME[#key]    k8s://CLUSTER/-/Kind/NAME  (cluster-scoped)
    vault://STORE/MOUNT/PATH[#field]           vault://STORE/-/Policy/NAME
    aws://ACCOUNT[/REGION]/service/...         credential:ID   team:NAME   person:EMAIL
    registry:HOST                              server:HOST[/USER] (an API server)
    gcp://PROJECT/secretmanager/NAME           azure://VAULT/secret/NAME

A ref is a plain string (`Ref`), so that it costs nothing to carry; this module builds and takes
apart. What would be ambiguous (`/` in a name, `#`, `%`, spaces) is percent-encoded.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from sys import intern
from typing import NewType
from urllib.parse import quote, unquote

from graph.errors import BadInputError

Ref = NewType("Ref", str)

_SAFE = "-._~:@+"  # readable in a ref and harmless between slashes
_PLAIN = re.compile(r"[A-Za-z0-9_.~:@+-]*")


@dataclass(frozen=True, slots=True)
class RefParts:
    """`scheme` k8s, vault, aws, credential, team, …; `path` decoded; `key` "" if none."""

    scheme: str
    path: tuple[str, ...]
    key: str = ""


def encode(part: str) -> str:
    # Nearly all names need nothing, and there are a million of them.
    return part if _PLAIN.fullmatch(part) else quote(part, safe=_SAFE)


def k8s(cluster: str, namespace: str, kind: str, name: str) -> Ref:
    """Name a Kubernetes object; an empty `namespace` makes it cluster-scoped."""
    return Ref(_kind_of(cluster, namespace, kind) + encode(name))


@lru_cache(maxsize=65536)
def _kind_of(cluster: str, namespace: str, kind: str) -> str:
    """Begin the refs of one kind in one namespace: there are thousands."""
    where = encode(namespace) if namespace else "-"
    return f"k8s://{encode(cluster)}/{where}/{encode(kind)}/"


def vault(store: str, mount: str, path: str) -> Ref:
    """Name a path in Vault or OpenBao; slashes at an end, or two in a row, mean nothing."""
    parts = "/".join(encode(part) for part in path.split("/") if part)
    return Ref(f"vault://{encode(store)}/{encode(mount.strip('/'))}/{parts}")


def cloud(scheme: str, *parts: str) -> Ref:
    """Name a thing in `aws`, `gcp` or `azure`; an empty part (an unknown account) is "-"."""
    return Ref(f"{scheme}://" + "/".join(encode(part) if part else "-" for part in parts))


def vault_store(store: str) -> Ref:
    """Name a Vault or OpenBao itself, in which its secrets lie."""
    return Ref(f"vault://{encode(store)}/-/Store/{encode(store)}")


def vault_policy(store: str, name: str) -> Ref:
    return Ref(f"vault://{encode(store)}/-/Policy/{encode(name)}")


def credential(identifier: str) -> Ref:
    return Ref(f"credential:{encode(identifier)}")


def team(name: str) -> Ref:
    return Ref(f"team:{encode(name)}")


def person(email: str) -> Ref:
    return Ref(f"person:{encode(email.lower())}")


def registry(host: str) -> Ref:
    """Name a registry of images by its host."""
    return Ref(f"registry:{encode(host)}")


def server(host: str, user: str = "") -> Ref:
    """Name an API server by host and port, and who somebody is there, if that is known."""
    return Ref(f"server:{encode(host)}{f'/{encode(user)}' if user else ''}")


def with_key(ref: Ref, key: str) -> Ref:
    return Ref(f"{ref}#{encode(key)}") if key else ref


def split_key(ref: str) -> tuple[Ref, str]:
    """Take `#key` off: `("k8s://…/db", "password")`; the key is "" where there is none."""
    bare, _, key = ref.partition("#")
    return Ref(bare), unquote(key)


@lru_cache(maxsize=65536)
def namespace_of(ref: str) -> Ref | None:
    """Name the namespace that a Kubernetes object lies in; None: cluster-scoped or not of k8s."""
    parts = ref.split("/", 5)
    if len(parts) < 6 or parts[0] != "k8s:" or parts[3] == "-":  # noqa: PLR2004 - k8s://C/NS/K/N
        return None
    return Ref(intern(f"k8s://{parts[2]}/-/Namespace/{parts[3]}"))


@lru_cache(maxsize=65536)
def cluster_of(ref: str) -> Ref | None:
    """Name the cluster that a Kubernetes object lies in; None: the ref is not of k8s."""
    parts = ref.split("/", 3)
    if len(parts) < 4 or parts[0] != "k8s:":  # noqa: PLR2004 - "k8s:" "" CLUSTER REST
        return None
    return Ref(intern(f"k8s://{parts[2]}/-/Cluster/{parts[2]}"))


def parse(text: str) -> RefParts:
    """
    Take a ref apart.

    Raises:
        BadInputError: it is not a complete ref.
    """
    bare, key = split_key(text)
    scheme, separator, rest = bare.partition("://")
    if separator and scheme in {"k8s", "vault", "aws", "gcp", "azure", "github", "gitlab"}:
        path = tuple(unquote(part) for part in rest.split("/"))
        if len(path) >= (4 if scheme == "k8s" else 3) and all(path):
            return RefParts(scheme, path, key)
    else:
        scheme, separator, rest = bare.partition(":")
        if (
            separator
            and rest
            and scheme in {"credential", "team", "person", "registry", "server", "rules"}
        ):
            return RefParts(scheme, (unquote(rest),), key)
    raise BadInputError(
        f"“{text}” is not a ref.",
        means="A ref looks like k8s://prod/payments/Secret/db or vault://main/kv/payments/db.",
        do_now="Give a full ref, or a part of one such as payments/db.",
    )
