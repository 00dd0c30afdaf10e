"""
Bank-Vaults' secrets webhook: values that begin with `vault:` and are resolved as a process starts.

`vault:PATH#KEY#VERSION`, `>>vault:…` (written first), or `${vault:PATH#KEY}` inside of a text; in
variables of containers, and in ConfigMaps and Secrets, of which the reference is read and no other
value is looked at.
Source: bank-vaults/vault-secrets-webhook, pkg/common.
"""

import base64
import binascii
import re
from collections.abc import Iterator
from typing import ClassVar

from graph.fields import Object, entries, pairs, text
from graph.kubernetes.references import VAULT, PickUp, PodTemplate, Reference
from graph.kubernetes.tool import Coded, Here, Kind, Tool
from graph.model import PicksUp

_PREFIX = "vault.security.banzaicloud.io/"
_WHOLE = re.compile(
    r"(?:>>)?vault:(?!v\d+:)(?P<path>[^#]+)(?:#(?P<key>[^#]*))?(?:#(?P<version>.*))?"
)
_INLINE = re.compile(r"\$\{(?:>>)?vault:(?!v\d+:)(?P<path>[^#}]+)(?:#(?P<key>[^#}]*))?[^}]*\}")
# How the two beginnings look in base64: nothing else in a Secret is decoded.
_ENCODED = ("dmF1bHQ6", "Pj52YXVsdD")
_AT_START = PickUp(
    PicksUp.RESTART, "The webhook resolves it when the process starts, and the variable is kept."
)
_DAEMON = PickUp(
    PicksUp.RESTART,
    "vault-env keeps running beside the process and renews leases; a new value takes a restart.",
)
_COPIED = PickUp(
    PicksUp.UNKNOWN, "The webhook resolves it when the object is written: write it once more."
)


class BankVaults(Tool):
    """Reads the webhook's references in pods of any workload, ConfigMaps and Secrets."""

    name: ClassVar[str] = "bank_vaults"
    kinds: ClassVar[tuple[Kind, ...]] = (Kind("", "ConfigMap", ""), Kind("", "Secret", ""))
    coded: ClassVar[tuple[Coded, ...]] = (
        Coded("any pod", "containers[*].env[*].value (vault:…)", "processEnv"),
        Coded("any pod", "annotation vault-env-from-path", "processEnv"),
        Coded("any pod", "annotation vault-tls-secret", "processEnv"),
        Coded("ConfigMap", "data (vault:…)", "processEnv"),
        Coded("Secret", "data, stringData (vault:…)", "processEnv"),
    )

    def pod(self, template: PodTemplate) -> Iterator[Reference]:
        said = template.annotations
        follows = _DAEMON if said.get(f"{_PREFIX}vault-env-daemon", "") == "true" else _AT_START
        server = said.get(f"{_PREFIX}vault-addr", "")
        space = said.get(f"{_PREFIX}vault-namespace", "")
        where = template.prefix.removesuffix("spec") + f"metadata.annotations['{_PREFIX}"
        for path in said.get(f"{_PREFIX}vault-env-from-path", "").split(","):
            if path.strip():
                yield _reference(
                    path.strip().partition("#")[0],
                    "",
                    f"{where}vault-env-from-path']",
                    follows,
                    server=server,
                    space=space,
                )
        if name := said.get(f"{_PREFIX}vault-tls-secret", ""):
            yield Reference(name, "processEnv", f"{where}vault-tls-secret']", follows=_AT_START)
        for group in ("initContainers", "containers"):
            for index, container in enumerate(entries(template.spec, group)):
                name = text(container, "name")
                for number, variable in enumerate(entries(container, "env")):
                    value = text(variable, "value")
                    if "vault:" not in value:  # most variables by far
                        continue
                    field = (
                        f"{template.prefix}.{group}[{name or index}]"
                        f".env[{text(variable, 'name') or number}].value"
                    )
                    for path, key in vault_references(value):
                        yield _reference(
                            path, key, field, follows, container=name, server=server, space=space
                        )

    def read(self, obj: Object, kind: Kind, here: Here) -> None:
        server = pairs(obj, "metadata", "annotations").get(f"{_PREFIX}vault-addr", "")
        for field in ("data", "stringData"):
            for name, value in pairs(obj, field).items():
                said = value
                if kind.kind == "Secret" and field == "data":
                    said = _decoded(value) if value.startswith(_ENCODED) else ""
                for path, key in vault_references(said):
                    use = _reference(path, key, f"{field}[{name}]", _COPIED, server=server)
                    here.uses(obj, kind, use)


def vault_references(value: str) -> Iterator[tuple[str, str]]:
    """Yield (path, key) of each reference in a text; "" is a key that a template computes."""
    if "vault:" not in value:
        return
    whole = _WHOLE.fullmatch(value)
    for found in [whole] if whole else _INLINE.finditer(value):
        key = found["key"] or ""
        yield found["path"], "" if "{" in key else key


def _reference(
    path: str,
    key: str,
    field: str,
    follows: PickUp,
    *,
    container: str = "",
    server: str = "",
    space: str = "",
) -> Reference:
    return Reference(
        path,
        "processEnv",
        field,
        container,
        key,
        kind=VAULT,
        server=server,
        vault_namespace=space,
        follows=follows,
    )


def _decoded(value: str) -> str:
    try:
        return base64.b64decode(value, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""
