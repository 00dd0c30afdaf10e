"""
Read one KV mount: its paths, their metadata, the names of fields, the values of versions.

Values leave only as `SecretValue`. What becomes of them, and of a refusal, is the callers' choice:
each method raises as `vault_errors` does.
Version 1 has no metadata and one value, which is always live.
Source: https://openbao.org/api-docs/secret/kv/kv-v2/ and .../kv-v1/
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

import hvac
import orjson

from graph.errors import LocksmithError, NotFoundError
from graph.secret_value import SecretValue
from graph.vault_api import vault_errors


@dataclass(frozen=True, slots=True)
class KvMetadata:
    """What is known of a path without its values; `live` versions are neither deleted nor gone."""

    current_version: int
    live: tuple[int, ...]
    custom: Mapping[str, str]
    updated: str
    written: tuple[str, ...] = ()  # "3@2026-11-20T09:00:00Z", destroyed versions too


class KvMount:
    """A mount of version 2; `client` is asked for each call: a login that ended is made again."""

    kind = "kv-v2"

    def __init__(self, store: str, mount: str, *, client: Callable[[], hvac.Client]) -> None:
        self.store = store
        self.mount = mount.strip("/")
        self._client = client

    def paths(self, refused: Callable[[str, LocksmithError], None]) -> Iterator[str]:
        """
        Yield every path of the mount; a folder that cannot be listed goes to `refused`.

        Raises:
            AccessDeniedError, UnavailableError: the top of the mount could not be listed.
        """
        folders = [""]
        while folders:
            folder = folders.pop()
            try:
                names = self._names(folder)
            except LocksmithError as error:
                if not folder:
                    raise
                refused(folder, error)
                continue
            folders += [folder + name for name in reversed(names) if name.endswith("/")]
            yield from (folder + name for name in names if not name.endswith("/"))

    def metadata(self, path: str, *, now: datetime) -> KvMetadata:
        """`now` decides which versions with a deletion time in the future are still live."""
        found = self._get("metadata", path)
        live = [
            int(number)
            for number, version in (found.get("versions") or {}).items()
            if not version.get("destroyed") and not _deleted(version.get("deletion_time"), now)
        ]
        custom = found.get("custom_metadata") or {}
        return KvMetadata(
            current_version=int(found.get("current_version") or 0),
            live=tuple(sorted(live)),
            custom={str(key): str(value) for key, value in custom.items()},
            updated=str(found.get("updated_time") or ""),
            written=_written(found.get("versions") or {}),
        )

    def fields(self, path: str) -> tuple[str, ...]:
        """Name the fields of the current version without reading a value."""
        return tuple((self._get("subkeys", path).get("subkeys") or {}).keys())

    def values(self, path: str, version: int) -> dict[str, SecretValue]:
        """Read one version, by field; what is not text is given as its JSON."""
        data = self._get("data", path, version=version).get("data") or {}
        return {
            str(field): SecretValue(value if isinstance(value, str) else _json(value))
            for field, value in data.items()
        }

    def data_path(self, path: str) -> str:
        """Name the API path that a policy must allow to read the value."""
        return f"{self.mount}/data/{path}"

    def _names(self, folder: str) -> list[str]:
        url = self._url("metadata", folder)
        with vault_errors(f"list {self.mount}/{folder} in vault {self.store}"):
            try:
                answer = self._client().adapter.list(url)
            except hvac.exceptions.InvalidPath:  # how an empty folder answers
                return []
        return [str(name) for name in answer["data"]["keys"]]

    def _get(self, part: str, path: str, **query: int) -> dict[str, Any]:
        with vault_errors(f"read the {part} of {self.mount}/{path} in vault {self.store}"):
            answer = self._client().adapter.get(self._url(part, path), params=query)
        if not isinstance(answer, dict):
            raise NotFoundError(f"{self.mount}/{path} in vault {self.store} holds nothing.")
        found = answer.get("data")
        return found if isinstance(found, dict) else {}

    def _url(self, part: str, path: str) -> str:
        return f"/v1/{quote(self.mount)}/{part}/{quote(path)}"


class KvMountV1(KvMount):
    """A mount of version 1: the value can only be read as a whole, and has no past."""

    kind = "kv-v1"

    def metadata(self, path: str, *, now: datetime) -> KvMetadata:
        return KvMetadata(current_version=0, live=(0,), custom={}, updated="")

    def fields(self, path: str) -> tuple[str, ...]:
        """Name none: nothing but the values would tell them."""
        return ()

    def values(self, path: str, version: int) -> dict[str, SecretValue]:
        return {
            str(field): SecretValue(value if isinstance(value, str) else _json(value))
            for field, value in self._get("data", path).items()
        }

    def data_path(self, path: str) -> str:
        return f"{self.mount}/{path}"

    def _url(self, part: str, path: str) -> str:
        return f"/v1/{quote(self.mount)}/{quote(path)}"


def _deleted(deletion_time: object, now: datetime) -> bool:
    if not isinstance(deletion_time, str) or not deletion_time:
        return False
    return datetime.fromisoformat(deletion_time) <= now


def _json(value: object) -> str:
    return orjson.dumps(value).decode()


def _written(versions: Mapping[str, Any]) -> tuple[str, ...]:
    times = sorted(
        (int(number), str(each.get("created_time"))) for number, each in versions.items()
    )
    return tuple(f"{number}@{at}" for number, at in times if at)
