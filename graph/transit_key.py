"""
An index key that never leaves Vault or OpenBao: digests made by `transit/hmac`, many in one call.

Example: with `fingerprint.transit: {store: main, key: locksmith}` the bot sends the normal forms of
a value over its connection to the store and gets digests back. A stolen database and a stolen copy
of the bot's settings together then allow no guessing, as long as the bot's token is dead. Each
version of the transit key is a key of its own: “bao write -f transit/keys/locksmith/rotate” begins
a new index, and former versions down to `min_decryption_version` are asked too.
Source: https://openbao.org/api-docs/secret/transit/#generate-hmac
"""

import base64
import binascii
import threading
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from graph.connections import Connections, vault_errors
from graph.errors import BadInputError, UnavailableError
from graph.fingerprints import DOMAIN
from graph.vault_api import stanza

_AT_ONCE = 200  # contents in one call: OpenBao refuses requests with more than 1000 strings
_BYTES_AT_ONCE = 4 * 2**20


class TransitKey:
    """One version of one transit key. `version` 0: the latest there is at the first use."""

    def __init__(
        self, connections: Connections, *, store: str, key: str, mount: str, version: int
    ) -> None:
        self._connections = connections
        self._store = store
        self._key = key
        self._mount = mount.strip("/")
        self._version = version

    @property
    def key_id(self) -> str:
        return f"{self._store}/{self._mount}/{self._key}:{self._version}"

    def __repr__(self) -> str:
        return f"TransitKey({self.key_id!r})"

    def digests(self, contents: Sequence[bytes]) -> list[str]:
        """
        Ask the store for the digest of each content.

        Raises:
            AccessDeniedError, NotFoundError, UnavailableError: the key cannot be used now.
        """
        found: list[str] = []
        for some in _portions(contents):
            found += self._ask(some)
        return found

    def _ask(self, contents: Sequence[bytes]) -> list[str]:
        path = f"{quote(self._mount)}/hmac/{quote(self._key)}/sha2-256"
        inputs = [{"input": base64.b64encode(DOMAIN + each).decode()} for each in contents]
        doing = f"make fingerprints with {self._mount}/{self._key} in vault {self._store}"
        client = self._connections.vault(self._store)
        with vault_errors(doing):
            answer = client.adapter.post(
                f"/v1/{path}", json={"batch_input": inputs, "key_version": self._version}
            )
        results = answer["data"]["batch_results"]
        digests = [self._digest(one) for one in results]
        if len(digests) != len(contents):
            raise UnavailableError(f"Could not {doing}: the answer has another length.")
        return digests

    def _digest(self, result: Any) -> str:
        """Take `vault:v1:BASE64` apart; the version is said again, and checked."""
        said, _, text = str(result.get("hmac") or "").removeprefix("vault:v").partition(":")
        try:
            decoded = base64.b64decode(text, validate=True)
        except binascii.Error:
            decoded = b""
        if said != str(self._version) or not decoded:
            raise UnavailableError(
                f"Vault {self._store} made no fingerprint with {self._mount}/{self._key}.",
                means=f"Version {self._version} of the key is gone, or the answer is malformed.",
                do_now="Check the key's `min_decryption_version` and `min_encryption_version`.",
            )
        return decoded.hex()


class TransitKeys:
    """
    The present and the former versions of one transit key, found at the first use.

    The versions are asked once: a key that was rotated counts after a restart.
    """

    def __init__(
        self, connections: Connections, *, store: str, key: str, mount: str = "transit"
    ) -> None:
        self._connections = connections
        self._store = store
        self._key = key
        self._mount = mount.strip("/")
        self._lock = threading.Lock()
        self._versions: tuple[TransitKey, ...] = ()

    def versions(self) -> tuple[TransitKey, ...]:
        """
        Return one key for each version, the latest first.

        Raises:
            AccessDeniedError, NotFoundError, UnavailableError: the key cannot be looked at.
            BadInputError: it is a key of a kind that makes no digests here.
        """
        with self._lock:
            if not self._versions:
                first, latest = self._ask()
                self._versions = tuple(
                    TransitKey(
                        self._connections,
                        store=self._store,
                        key=self._key,
                        mount=self._mount,
                        version=version,
                    )
                    for version in range(latest, first - 1, -1)
                )
            return self._versions

    def _ask(self) -> tuple[int, int]:
        path = f"{self._mount}/keys/{self._key}"
        found = self._connections.ask_vault(
            self._store, "get", path, doing=f"look at the key {path} in vault {self._store}"
        )
        latest = int(found.get("latest_version") or 0)
        if latest < 1:
            raise BadInputError(
                f"{path} in vault {self._store} is no transit key.",
                do_now=f"Make it: “bao write -f {path}”; and grant {rules(self._mount, self._key)}",
            )
        bounds = (found.get("min_decryption_version"), found.get("min_encryption_version"))
        return max(1, *(int(bound or 1) for bound in bounds)), latest


def rules(mount: str, key: str) -> str:
    """Write what the bot's policy needs."""
    return (
        f"{stanza(f'{mount}/keys/{key}', 'read')} "
        f"{stanza(f'{mount}/hmac/{key}/sha2-256', 'update')}"
    )


def _portions(contents: Sequence[bytes]) -> list[list[bytes]]:
    portions: list[list[bytes]] = []
    room = 0
    for content in contents:
        if not portions or len(portions[-1]) >= _AT_ONCE or room < len(content):
            portions.append([])
            room = _BYTES_AT_ONCE
        portions[-1].append(content)
        room -= len(content)
    return portions
