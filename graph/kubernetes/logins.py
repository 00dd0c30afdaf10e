"""
Finds the Secrets in the settings of a provider of External Secrets: what a store logs in with.

There are more than forty providers, and they spell it alike: a map with a `name` below a field that
ends in `Ref`, a map with `name` and `key` and little else, or a `caProvider` of type Secret. So the
settings are walked and no provider is listed. Pure.
"""

from collections.abc import Iterator, Mapping

from graph.fields import text
from graph.kubernetes.references import Reference

_NOT_SECRETS = frozenset({"serviceAccountRef", "storeRef", "generatorRef", "configMapRef"})
_SELECTOR = frozenset({"name", "key", "namespace", "optional"})


def login_references(settings: object, field: str, how: str = "storeAuth") -> Iterator[Reference]:
    """Yield the Secrets that `settings` name; `namespace` is "" where they say none."""
    if isinstance(settings, list):
        for index, entry in enumerate(settings):
            yield from login_references(entry, f"{field}[{index}]", how)
        return
    if not isinstance(settings, Mapping):
        return
    for name, below in settings.items():
        if not isinstance(name, str) or name in _NOT_SECRETS:
            continue
        path = f"{field}.{name}"
        if secret := _named(name, below):
            yield Reference(
                secret, how, path, key=text(below, "key"), namespace=text(below, "namespace")
            )
        elif name != "caProvider":
            yield from login_references(below, path, how)


def _named(field: str, below: object) -> str:
    """Name the Secret that the map `below` names; "" where it names none."""
    secret = text(below, "name")
    if not secret or not isinstance(below, Mapping):
        return ""
    if field == "caProvider":
        return secret if text(below, "type") == "Secret" else ""
    selector = bool(text(below, "key")) and _SELECTOR.issuperset(below)
    return secret if selector or field.endswith("Ref") or field == "clientCert" else ""
