"""
What a Secret opens outside of its cluster, told from its shape: registries, other API servers.

Read in memory where values may be read at all, and only what is no credential is kept: the names of
registries in a pull secret, the address of an API server in a kubeconfig or in a cluster Secret of
Argo CD, and the name of the user there. Which rights that user has is not known from here.
Source: Kubernetes "Pull an Image from a Private Registry", kubeconfig v1; Argo CD "Declarative
setup", Clusters. Pure.
"""

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import orjson
import yaml

from graph import refs, yaml_text
from graph.fields import Object, entries, mapping, pairs, text, texts
from graph.refs import Ref

OPENS = "opens"  # no field of a Secret: where a reduced one keeps what this found
_DOCKER = {".dockerconfigjson": ("auths",), ".dockercfg": ()}
_ARGO_CD = "argocd.argoproj.io/secret-type"
_KUBECONFIG = re.compile(
    r"^\s*(?:kind:\s*[\"']?Config\b|\{.*\"kind\"\s*:\s*\"Config\")", re.MULTILINE
)
_OURS = ("registry:", "server:")
_LARGEST = 256 * 1024  # bytes; no kubeconfig is larger


def openings(secret: Object) -> list[str]:
    """Return `server:…` and `registry:…` refs, sorted; those of a reduced Secret are kept."""
    if OPENS in secret:
        return sorted(one for one in texts(secret, OPENS) if one.startswith(_OURS))
    argo_cd = pairs(secret, "metadata", "labels").get(_ARGO_CD) == "cluster"
    found: set[str] = set()
    for key, value in _values(secret):
        if key in _DOCKER:
            found.update(_registries(value, _DOCKER[key]))
        elif argo_cd and key == "server":
            found.update(_server(value, ""))
        elif len(value) < _LARGEST and _KUBECONFIG.search(value):
            found.update(_servers(value))
    return sorted(found)


def note_of(opened: str) -> str:
    if opened.startswith("registry:"):
        return "It pulls images from this registry, and pushes them where the account may."
    return "It logs in to this API server; which rights it has there is not known from here."


def _values(secret: Object) -> Iterator[tuple[str, str]]:
    yield from pairs(secret, "stringData").items()
    for key, encoded in pairs(secret, "data").items():
        try:
            yield key, base64.b64decode(encoded, validate=True).decode()
        except (binascii.Error, ValueError):
            continue


def _registries(value: str, path: tuple[str, ...]) -> Iterator[Ref]:
    try:
        found = mapping(orjson.loads(value), *path)
    except orjson.JSONDecodeError:
        return
    for address in found:
        if host := _host(address if "://" in address else f"//{address}"):
            yield refs.registry(host)


def _servers(value: str) -> Iterator[Ref]:
    try:
        found: Any = yaml_text.load(value)
    except (yaml.YAMLError, ValueError, RecursionError):
        return
    servers: Mapping[str, str] = {
        text(one, "name"): text(one, "cluster", "server") for one in entries(found, "clusters")
    }
    for one in entries(found, "contexts"):
        address = servers.get(text(one, "context", "cluster"), "")
        yield from _server(address, text(one, "context", "user"))


def _server(address: str, user: str) -> Iterator[Ref]:
    if host := _host(address.strip()):
        yield refs.server(host, user)


def _host(address: str) -> str:
    try:
        return urlsplit(address).netloc.rpartition("@")[2]
    except ValueError:  # brackets that do not fit
        return ""
