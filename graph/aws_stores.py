"""
What the collectors of AWS have in common: names, owners from tags, fields of a value, refusals.

Values are `SecretValue` from the moment that the SDK returns them, and fingerprints after that.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from graph import refs
from graph.aws_api import statement
from graph.connections import AwsSettings
from graph.errors import LocksmithError
from graph.fingerprints import Fingerprinter
from graph.gathered import Gathered
from graph.model import AttributeValue, Fingerprint, NodeKind
from graph.owners import owners_among
from graph.refs import Ref
from graph.secret_value import SecretValue

_KEPT_TAGS = ("issuer", "environment", "playbook")  # and playbook_…
_SHOWN = 3  # refused names that a gap shows; the rest is counted

Prints = tuple[tuple[str, Fingerprint], ...]  # field and fingerprint


def store_of(gathered: Gathered, account: str, service: str, settings: AwsSettings) -> Ref:
    """Define the store that the secrets of one service lie in, in one region of one account."""
    store = refs.cloud("aws", account, settings.region, "store", service)
    environment = {"environment": settings.environment} if settings.environment else {}
    gathered.define(store, NodeKind.STORE, **environment)
    return store


def describe(gathered: Gathered, secret: Ref, tags: Mapping[str, str], environment: str) -> None:
    """Keep of the tags what says who owns a secret and how it is rotated; nothing else."""
    kept: dict[str, AttributeValue] = {"environment": environment} if environment else {}
    kept |= {
        name: text
        for name, text in tags.items()
        if text and (name in _KEPT_TAGS or name.startswith("playbook_"))
    }
    gathered.note(secret, **kept)
    gathered.own(secret, owners_among(tags, "tag"), said_by="aws")


def tags_of(listed: Any) -> dict[str, str]:
    return {str(tag.get("Key", "")): str(tag.get("Value", "")) for tag in listed or ()}


def prints_of(value: SecretValue, fingerprinter: Fingerprinter) -> Prints:
    """Fingerprint a value: each field of a JSON object by its name, anything else under ""."""
    fields = dict(_fields(value))
    found = fingerprinter.of_stored_all(fields.values())
    return tuple((name, one) for name, prints in zip(fields, found, strict=True) for one in prints)


def field_names(value: SecretValue) -> tuple[str, ...]:
    return tuple(name for name, _ in _fields(value) if name)


def _fields(value: SecretValue) -> Iterator[tuple[str, SecretValue]]:
    text = value.reveal()
    parsed: Any = None
    if text.lstrip()[:1] == "{":
        try:
            parsed = orjson.loads(text)
        except orjson.JSONDecodeError:
            parsed = None
    if not isinstance(parsed, dict) or not parsed:
        yield "", value
        return
    for name, inner in parsed.items():
        yield (
            str(name),
            SecretValue(inner if isinstance(inner, str) else orjson.dumps(inner).decode()),
        )


@dataclass(slots=True)
class Refused:
    """Refusals of one action, told as one gap; what was known of its secrets stays."""

    what: str
    action: str
    names: list[str] = field(default_factory=list)
    first: str = ""

    def add(self, name: str, error: LocksmithError) -> None:
        self.first = self.first or error.happened
        self.names.append(name)

    def tell(self, gathered: Gathered, scope: str) -> None:
        if not self.names:
            return
        more = len(self.names) - _SHOWN
        named = ", ".join(self.names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
        one = len(self.names) == 1
        reason = self.first if one else f"{self.what} of {named} in {scope} was refused."
        gathered.miss(
            f"{scope}/{self.action.partition(':')[2]}",
            reason,
            do_now=f"Grant: {statement(self.action)}, and kms:Decrypt on its key.",
            complete=False,
        )
