"""
Is a copy in a cluster the value that its store holds? Compared by digest, and only where allowed.

Steps that make operators copy ask this of each target. Neither value leaves the call. A template
may have wrapped the value and a property may have been cut out of it: both count as the same.
"""

import base64
import binascii
from collections.abc import Mapping
from typing import Any, Protocol

from graph import refs
from graph.errors import NotFoundError
from graph.secret_value import SecretValue
from responders.kubernetes_objects import find
from responders.kv_versions import KvSecret
from responders.step import StepContext, Verdict, VerdictKind


class Copied(Protocol):
    """The settings that every step about a sync has; "" where it copies the whole secret."""

    @property
    def target(self) -> str: ...
    @property
    def target_key(self) -> str: ...
    @property
    def secret(self) -> str: ...
    @property
    def field(self) -> str: ...


def may_read(target: str, context: StepContext) -> bool:
    """Whether the cluster's mode lets Locksmith read the values of this Secret's namespace."""
    cluster, namespace, *_ = refs.parse(refs.split_key(target)[0]).path
    mode = context.connections.cluster_settings(cluster)
    return mode.mode == "fingerprint" and (not mode.namespaces or namespace in mode.namespaces)


def comparable(settings: Copied, context: StepContext) -> bool:
    named = settings.secret and settings.field and settings.target_key
    return bool(named) and "/Secret/" in settings.target and may_read(settings.target, context)


def same_value(settings: Copied, context: StepContext) -> bool:
    """
    Compare the copy with the store's current version.

    Raises:
        NotFoundError: one of the two has no such field.
    """
    stored = KvSecret(settings.secret, context.connections).value(settings.field)
    target = find(context.connections, settings.target, "Secret")
    copied = text_of(target.read(), settings.target_key, settings.target)
    of_stored = [found.digest for found in context.fingerprinter.of_stored(stored)]
    of_copied = [found.digest for found in context.fingerprinter.of_stored(copied)]
    return of_stored[0] in of_copied or of_copied[0] in of_stored


def text_of(secret: Mapping[str, Any], key: str, ref: str) -> SecretValue:
    """
    Decode one key of a Secret object.

    Raises:
        NotFoundError: it has no text there.
    """
    try:
        return SecretValue(base64.b64decode((secret.get("data") or {})[key]).decode())
    except (KeyError, binascii.Error, UnicodeDecodeError):
        raise NotFoundError(f"{ref} has no text in its key “{key}”.") from None


def confirmed(settings: Copied, sentence: str) -> Verdict:
    """Vouch for the copy."""
    target = refs.split_key(settings.target)[0]
    copy = refs.with_key(target, settings.target_key)
    return Verdict(VerdictKind.CONFIRMED, sentence, {"copies": [copy]})


def judged_copy(
    settings: Copied, context: StepContext, said: str, *, templated: bool = False
) -> Verdict:
    """Hold what an operator `said` against the copy itself, where that may be read."""
    if not (settings.secret and settings.field and settings.target_key):
        return confirmed(settings, f"{said}; it copies whole secrets, no value was compared.")
    if not comparable(settings, context):
        return confirmed(
            settings, f"{said}; the value was not read (the cluster's mode does not allow it)."
        )
    if same_value(settings, context):
        return confirmed(
            settings, f"{said}, and the copy's digest equals that of the store's version."
        )
    return Verdict(
        VerdictKind.UNKNOWN if templated else VerdictKind.REFUTED,
        f"{settings.target}#{settings.target_key} does not recognisably hold the"
        f" store's current value of {settings.field}, although {said}.",
    )
