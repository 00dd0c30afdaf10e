"""
One KV version 2 secret as its versions: look at them, read one field, write one field just once.

Why here: two families of steps write a new value in the same way, and steps do not know each
other. KV v2 has no idempotent write, only check-and-set, so a write whose answer got lost looks
like a conflict when it is repeated. The way out is a mark in the secret's custom metadata, set
BEFORE the write: the step's key, the version that it will write on, and the keyed digest of the
new value. Whoever repeats the step finds the mark, reads the version after that one, and knows by
the digest whether it was written here. No value goes into the metadata.

The value is merged in by the server (PATCH), so the secret's other fields are never read.
Source: https://openbao.org/api-docs/secret/kv/kv-v2/ (patch secret, patch metadata, options.cas).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

from graph import refs
from graph.collector import Permission
from graph.connections import Connections, vault_errors
from graph.errors import BadInputError, ConflictError, NotFoundError, UnavailableError
from graph.fingerprints import Fingerprinter
from graph.secret_value import SecretValue

_MARK_STEP = "locksmith_step"
_MARK_AFTER = "locksmith_after_version"
_MARK_DIGEST = "locksmith_digest"
_MARK_ISSUED = "locksmith_issued_id"
_MARK_ATTEMPT = "locksmith_attempt"
_MARK_BEFORE = "locksmith_before"
_MARK_SINCE = "locksmith_since"
_MARK_TOLD = "locksmith_told"
_RESTORED = "locksmith_restored"  # "3<1 5<3": version 3 holds what version 1 held, …
_MERGE_PATCH = {"Content-Type": "application/merge-patch+json"}

READ_VERSIONS = Permission(
    "vault", 'path "MOUNT/metadata/PATH" { capabilities = ["read"] }', "see which versions exist"
)
READ_VALUES = Permission(
    "vault", 'path "MOUNT/data/PATH" { capabilities = ["read"] }', "compare a value, in memory"
)
WRITE_VALUES = (
    Permission(
        "vault", 'path "MOUNT/data/PATH" { capabilities = ["patch"] }', "write one field anew"
    ),
    Permission(
        "vault",
        'path "MOUNT/metadata/PATH" { capabilities = ["patch"] }',
        "mark the write, so that a repeat after a crash does not write twice",
    ),
)


@dataclass(frozen=True, slots=True)
class Version:
    """`deleted`: hidden but restorable; `destroyed`: the data is gone for good."""

    created: str
    deleted: bool
    destroyed: bool


@dataclass(frozen=True, slots=True)
class Mark:
    """
    What a step noted before it wrote: the next version after `after` is its own if `digest` fits.

    `issued_id` is the issuer's name for a token that was made for this write; `before` are the
    names of those that it knew already, where it takes no idempotency key. `since` is when it was
    asked for one (`issuing.SETTLED`: nothing of that is left), `told` the try of the step that told
    a person to look for what it may have made.
    """

    step: str
    after: int
    digest: str = ""
    issued_id: str = ""
    attempt: int = 1
    before: str = ""
    since: str = ""
    told: str = ""


@dataclass(frozen=True, slots=True)
class Versions:
    """The metadata of one secret at one moment."""

    current: int
    versions: Mapping[int, Version]
    mark: Mark | None
    restored: Mapping[int, int] = field(default_factory=dict)  # version: the one it was made of

    def mark_of(self, step: str) -> Mark | None:
        return self.mark if self.mark is not None and self.mark.step == step else None

    def holding_the_same(self, version: int) -> tuple[int, ...]:
        """Name `version` and those whose value was written back into it."""
        found = [version]
        while (former := self.restored.get(found[-1])) is not None and former < found[-1]:
            found.append(former)
        return tuple(found)


class KvSecret:
    """
    One secret of one store, named by `vault://STORE/MOUNT/PATH`.

    Every method raises AccessDeniedError, NotFoundError, BadInputError or UnavailableError.
    """

    def __init__(self, ref: str, connections: Connections) -> None:
        self.ref, _ = refs.split_key(ref)
        parts = refs.parse(self.ref)
        if parts.scheme != "vault" or parts.path[1] == "-":
            raise BadInputError(
                f"{self.ref} is not a secret of a Vault or OpenBao store.",
                do_now="Give a ref like vault://main/kv/payments/gateway.",
            )
        self.store, self._mount, *path = parts.path
        self._path = "/".join(path)
        self._connections = connections

    def look(self) -> Versions:
        data = self._call("get", "metadata", "look at the versions of")
        versions = {
            int(number): Version(
                created=str(entry.get("created_time", "")),
                deleted=bool(entry.get("deletion_time")),
                destroyed=bool(entry.get("destroyed")),
            )
            for number, entry in (data.get("versions") or {}).items()
        }
        return Versions(
            current=int(data.get("current_version") or 0),
            versions=versions,
            mark=_read_mark(data.get("custom_metadata") or {}),
            restored=_read_restored(data.get("custom_metadata") or {}),
        )

    def value(self, field: str, *, version: int | None = None) -> SecretValue:
        """
        Read one field of one version (None: the current one).

        Raises:
            NotFoundError: the version is gone, or has no such field, or it is not text.
        """
        query = f"?version={version}" if version is not None else ""
        data = self._call("get", "data", "read", query=query).get("data") or {}
        found = data.get(field)
        if not isinstance(found, str):
            raise NotFoundError(
                f"{self.ref} has no text in the field “{field}”"
                + (f" of version {version}." if version is not None else "."),
                do_now="Check the field's name in the store.",
            )
        return SecretValue(found)

    def set_mark(self, mark: Mark) -> None:
        """Note what is about to be written; replaces the mark of a former step."""
        values = {
            _MARK_STEP: mark.step,
            _MARK_AFTER: str(mark.after),
            _MARK_DIGEST: mark.digest or None,
            _MARK_ISSUED: mark.issued_id or None,
            _MARK_ATTEMPT: str(mark.attempt),
            _MARK_BEFORE: mark.before or None,
            _MARK_SINCE: mark.since or None,
            _MARK_TOLD: mark.told or None,
        }
        self._call("patch", "metadata", "mark", body={"custom_metadata": values})

    def write(
        self,
        field: str,
        value: SecretValue,
        *,
        after: int,
        also: Mapping[str, str] = MappingProxyType({}),
    ) -> int:
        """
        Write `field` as the version after `after`, all other fields kept; return its number.

        `also` are fields that are no secret and change with it: the name of the login.

        Raises:
            ConflictError: `after` is not the current version any more.
        """
        body = {"options": {"cas": after}, "data": {**also, field: value.reveal()}}
        version = self._call("patch", "data", "write", body=body).get("version")
        if not isinstance(version, int):
            raise UnavailableError(
                f"Could not learn which version of {self.ref} was written: the answer is odd.",
                means="Something between here and the store may answer in its place.",
            )
        return version

    def restore(
        self, field: str, *, written: int, fingerprinter: Fingerprinter, also: tuple[str, ...] = ()
    ) -> int:
        """
        Write the value before version `written` as the version after it; return its number.

        Raises:
            ConflictError: another version is current by now. NotFoundError: the former is gone.
        """
        seen, former = self.look(), written - 1
        value = self.value(field, version=former)
        if seen.current == written:
            notes = [f"{version}<{held}" for version, held in sorted(seen.restored.items())]
            note = " ".join([*notes, f"{written + 1}<{former}"])
            self._call("patch", "metadata", "mark", body={"custom_metadata": {_RESTORED: note}})
            names = {name: self.value(name, version=former).reveal() for name in also}
            return self.write(field, value, after=written, also=names)
        same = digest(self.value(field), fingerprinter) == digest(value, fingerprinter)
        if seen.current == written + 1 and same:
            return seen.current  # an earlier try wrote it
        raise ConflictError(
            f"Somebody wrote version {seen.current} of {self.ref} after our {written}.",
            means="It was left as it is.",
            do_now="Look at the secret's versions, then plan anew.",
        )

    def destroy(self, version: int) -> None:
        self._call("put", "destroy", "destroy a version of", body={"versions": [version]})

    def written_under(
        self, seen: Versions, step: str, field: str, fingerprinter: Fingerprinter
    ) -> int | None:
        """
        Return the version that an earlier try of `step` wrote; None if it wrote none.

        Raises:
            ConflictError: there is a version that may be its own, but it cannot be read any more.
        """
        mark = seen.mark_of(step)
        if mark is None or not mark.digest or seen.current <= mark.after:
            return None
        version = mark.after + 1
        written = seen.versions.get(version)
        if written is None or written.deleted or written.destroyed:
            raise ConflictError(
                f"Version {version} of {self.ref} was deleted before it could be compared.",
                means="Whether this step wrote it is not known any more.",
                do_now="Look at the secret's versions, then skip this step or plan anew.",
            )
        value = self.value(field, version=version)
        return version if fingerprinter.is_of(value, mark.digest) else None

    def _call(
        self,
        method: str,
        kind: str,
        doing: str,
        *,
        body: Mapping[str, Any] | None = None,
        query: str = "",
    ) -> dict[str, Any]:
        url = f"/v1/{quote(self._mount)}/{kind}/{quote(self._path)}{query}"
        headers = _MERGE_PATCH if method == "patch" else {}
        client = self._connections.vault(self.store)
        with vault_errors(f"{doing} {self.ref}"):
            answer = client.adapter.request(method, url, headers=headers, json=body)
        data = answer.get("data") if isinstance(answer, dict) else None
        return data if isinstance(data, dict) else {}


def digest(value: SecretValue, fingerprinter: Fingerprinter) -> str:
    """Give the keyed digest of the value as it is."""
    return fingerprinter.of_stored(value)[0].digest


def _read_mark(custom: Mapping[str, Any]) -> Mark | None:
    after, attempt = str(custom.get(_MARK_AFTER, "")), str(custom.get(_MARK_ATTEMPT, "1"))
    if not custom.get(_MARK_STEP) or not after.isdigit() or not attempt.isdigit():
        return None
    return Mark(
        step=str(custom[_MARK_STEP]),
        after=int(after),
        digest=str(custom.get(_MARK_DIGEST) or ""),
        issued_id=str(custom.get(_MARK_ISSUED) or ""),
        attempt=int(attempt),
        before=str(custom.get(_MARK_BEFORE) or ""),
        since=str(custom.get(_MARK_SINCE) or ""),
        told=str(custom.get(_MARK_TOLD) or ""),
    )


def _read_restored(custom: Mapping[str, Any]) -> Mapping[int, int]:
    pairs = (note.partition("<") for note in str(custom.get(_RESTORED) or "").split())
    return {
        int(version): int(held)
        for version, _, held in pairs
        if version.isdigit() and held.isdigit()
    }
