"""
Vault Agent injector (hashicorp/vault-k8s, also OpenBao's): annotations of a pod that name paths.

A sidecar writes each secret into a file and again every five minutes (static secrets) or as a lease
ends; with `agent-pre-populate-only` there is no sidecar, and the file stays as the pod began. Paths
also stand inside of templates, as `secret "kv/data/db"`. Templates may stand in a ConfigMap that
`agent-configmap` names: it is then in the graph, between the secrets and the pods.
Source: "Vault Agent Injector annotations"; agent/annotations.go of vault-k8s.
"""

import re
from collections.abc import Iterator
from typing import ClassVar

from graph.fields import Object, pairs
from graph.kubernetes.references import VAULT, PickUp, PodTemplate, Reference
from graph.kubernetes.tool import Coded, Here, Kind, Tool
from graph.model import NodeKind, PicksUp

_PREFIXES = ("vault.hashicorp.com/", "openbao.org/")
_PATH = re.compile(r"\b(?:secret|pkiCert)\s+\\?[\"`]([^\"`\\]+)\\?[\"`]")
_ADDRESS = re.compile(r"^\s*\"?address\"?\s*[=:]\s*\"([^\"]+)\"", re.MULTILINE)
_KEY = re.compile(r"\.Data(?:\.data)?\.([A-Za-z_][A-Za-z0-9_]*)|\.Data(?:\.data)?\s+\"([^\"]+)\"")
_YES = frozenset({"1", "t", "T", "true", "TRUE", "True"})
_FOLLOWS = PickUp(
    PicksUp.POLL,
    "The agent beside it writes the file again within five minutes; the application must read it.",
    by_itself=True,
)
_RELOADS = PickUp(
    PicksUp.POLL,
    "The agent beside it writes the file again within five minutes and runs the reload command.",
    by_itself=True,
)
_ONCE = PickUp(
    PicksUp.RESTART, "agent-pre-populate-only: the file is written once, before the pod starts."
)
_SECRETS = ("tls-secret", "agent-extra-secret")
_SETTINGS = ("config.hcl", "config-init.hcl")  # the files of `agent-configmap`


class VaultAgent(Tool):
    """Reads the injector's annotations in pod templates of any workload."""

    name: ClassVar[str] = "vault_agent"
    kinds: ClassVar[tuple[Kind, ...]] = (Kind("", "ConfigMap", "", NodeKind.SYNC),)
    coded: ClassVar[tuple[Coded, ...]] = (
        Coded("any pod", "annotation agent-inject-secret-ID", "agent"),
        Coded("any pod", "annotation agent-inject-template-ID", "agent"),
        Coded("any pod", "annotation tls-secret", "agent"),
        Coded("any pod", "annotation agent-extra-secret", "agent"),
        Coded("any pod", "annotation agent-configmap", "agent"),
        Coded("ConfigMap", "data (templates in config.hcl of an agent)", "copies"),
    )

    def pod(self, template: PodTemplate) -> Iterator[Reference]:
        for prefix in _PREFIXES:
            if template.annotations.get(f"{prefix}agent-inject", "") in _YES:
                yield from _injected(template, prefix)

    def read(self, obj: Object, kind: Kind, here: Here) -> None:
        data = pairs(obj, "data")
        for text in (data[name] for name in _SETTINGS if name in data):
            address = _ADDRESS.search(text)
            for path in dict.fromkeys(_PATH.findall(text)):
                tail = here.vault(path, server=address[1] if address else "")
                if tail is not None:
                    settings = here.define(obj, kind)
                    here.copies(tail, settings, settings, refresh_interval=None)


def _injected(template: PodTemplate, prefix: str) -> Iterator[Reference]:
    said = {
        name.removeprefix(prefix): value
        for name, value in template.annotations.items()
        if name.startswith(prefix)
    }
    once = said.get("agent-pre-populate-only", "") in _YES
    where = template.prefix.removesuffix("spec") + f"metadata.annotations['{prefix}"
    for name, value in said.items():
        field = f"{where}{name}']"
        if name in _SECRETS and value:
            yield Reference(value, "agent", field, follows=_FOLLOWS)
        if name == "agent-configmap" and value:
            follows = _ONCE if once else _FOLLOWS
            yield Reference(value, "agent", field, kind="ConfigMap", follows=follows)
        paths, keys = _paths(name, value)
        identifier = name.removeprefix("agent-inject-").partition("-")[2]
        follows = _RELOADS if f"agent-inject-command-{identifier}" in said else _FOLLOWS
        for path in paths:
            for key in keys:
                yield Reference(
                    path,
                    "agent",
                    field,
                    key=key,
                    kind=VAULT,
                    server=said.get("service", ""),
                    vault_namespace=said.get("namespace", ""),
                    follows=_ONCE if once else follows,
                )


def _paths(name: str, value: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Read the paths of one annotation, and the keys that are used of them ("": all)."""
    if name.startswith("agent-inject-secret-"):
        return ((value,) if value else ()), ("",)
    if name.startswith("agent-inject-template-") and not name.startswith(
        "agent-inject-template-file"
    ):
        paths = tuple(dict.fromkeys(_PATH.findall(value)))
        keys = tuple(dict.fromkeys(a or b for a, b in _KEY.findall(value)))
        # Of several paths in one template it cannot be told whose keys they are.
        return paths, (keys or ("",)) if len(paths) == 1 else ("",)
    return (), ()
