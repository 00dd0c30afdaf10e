"""
Recognise a leaked value among stored ones without keeping either: keyed digests of normal forms.

HMAC-SHA256 under a key of the installation: without the key a stolen database allows no guessing,
however weak a password is. Both sides are taken apart into the same normal forms
(`graph/normal_forms.py`), so that either may be encoded, quoted or wrapped in something bigger. A
digest depends on the content alone; the form says how the content came out of the value.
"""

import base64
import binascii
import hmac
import secrets
from collections.abc import Iterable, Sequence
from typing import Protocol

from graph.errors import BadInputError
from graph.model import Fingerprint
from graph.normal_forms import NormalForm, normal_forms
from graph.secret_value import SecretValue

_KEY_BYTES = 32
_HEX_LENGTH = 2 * _KEY_BYTES
DOMAIN = b"locksmith/fingerprint/1\0"  # a later scheme under the same key must not collide


def generate_key() -> str:
    """Make a new installation key: 32 random bytes in hex."""
    return secrets.token_hex(_KEY_BYTES)


class DigestKey(Protocol):
    """A key that makes digests: in memory (`LocalKey`), or in a store that never shows it."""

    @property
    def key_id(self) -> str:
        """Name the key; it is stored with every fingerprint."""

    def digests(self, contents: Sequence[bytes]) -> list[str]:
        """
        Make the digest of each content, in hex, in their order.

        Raises:
            AccessDeniedError, UnavailableError: the key is elsewhere and cannot be used now.
        """


class DigestKeys(Protocol):
    """Where the keys are elsewhere: which there are is asked when the first one is needed."""

    def versions(self) -> tuple[DigestKey, ...]:
        """
        Return the present key, then the former ones.

        Raises:
            AccessDeniedError, UnavailableError: they cannot be asked for now.
        """


class LocalKey:
    """
    An installation key in memory: 32 bytes in hex or base64.

    Raises:
        BadInputError: the key is not 32 bytes in hex or base64.
    """

    def __init__(self, key: SecretValue, *, key_id: str = "") -> None:
        self._key = _decode_key(key)
        self.key_id = key_id or hmac.digest(self._key, b"locksmith/key-id", "sha256").hex()[:8]

    def __repr__(self) -> str:
        return f"LocalKey(key_id={self.key_id!r})"

    def digests(self, contents: Sequence[bytes]) -> list[str]:
        key = self._key
        return [hmac.digest(key, DOMAIN + content, "sha256").hex() for content in contents]


class Fingerprinter:
    """
    Makes fingerprints: of stored values under one key, of leaked ones under every key there is.

    `key` is the text of an installation key, or says where the keys are. `previous` are the keys
    before, the latest first: while the index is re-keyed its older half is still under them, and
    what was known of a past incident stays under the key of its day.

    Raises:
        BadInputError: the key is not 32 bytes in hex or base64.
    """

    def __init__(
        self,
        key: SecretValue | DigestKeys,
        *,
        key_id: str = "",
        previous: Sequence[DigestKey] = (),
    ) -> None:
        self._first = LocalKey(key, key_id=key_id) if isinstance(key, SecretValue) else key
        self._previous = tuple(previous)

    @property
    def key_id(self) -> str:
        return self._keys()[0].key_id

    @property
    def previous_key_ids(self) -> tuple[str, ...]:
        return tuple(key.key_id for key in self._keys()[1:])

    def __repr__(self) -> str:
        return f"Fingerprinter({self._first!r}, previous={self._previous!r})"

    def of_stored(self, value: SecretValue) -> tuple[Fingerprint, ...]:
        """Fingerprint a value read from a store; one per distinct content, the plainest first."""
        return self.of_stored_all((value,))[0]

    def of_stored_all(self, values: Iterable[SecretValue]) -> list[tuple[Fingerprint, ...]]:
        """Fingerprint the fields of one secret: a key that is elsewhere is then asked once."""
        return _under(self._keys()[0], [normal_forms(value.reveal()) for value in values])

    def of_leaked(self, value: SecretValue) -> tuple[Fingerprint, ...]:
        """
        Fingerprint a reported value; any digest in common with a stored one is a match.

        Those under the present key come first; then, in the same order, those under each former.
        """
        return self.of_leaked_all((value,))[0]

    def of_leaked_all(self, values: Iterable[SecretValue]) -> list[tuple[Fingerprint, ...]]:
        """Fingerprint many candidates at once; see `of_leaked`."""
        forms = [normal_forms(value.reveal()) for value in values]
        under = [_under(key, forms) for key in self._keys()]
        return [sum(of_one, ()) for of_one in zip(*under, strict=True)]

    def is_of(self, value: SecretValue, digest: str) -> bool:
        """Tell whether `digest` is of this very value, under the present key or a former one."""
        forms = normal_forms(value.reveal())[:1]
        return bool(forms) and any(
            digest == key.digests([forms[0].content])[0] for key in self._keys()
        )

    def _keys(self) -> tuple[DigestKey, ...]:
        first = self._first
        keys = (first,) if isinstance(first, LocalKey) else first.versions()
        known = {keys[0].key_id}
        return (*keys, *(key for key in self._previous if key.key_id not in known))


def _under(key: DigestKey, forms: Sequence[Sequence[NormalForm]]) -> list[tuple[Fingerprint, ...]]:
    digests = iter(key.digests([form.content for each in forms for form in each]))
    key_id = key.key_id
    return [
        tuple(Fingerprint(next(digests), form.name, key_id, form.weak) for form in each)
        for each in forms
    ]


def _decode_key(key: SecretValue) -> bytes:
    text = key.reveal().strip()
    try:
        if len(text) == _HEX_LENGTH:
            decoded = bytes.fromhex(text)
        else:
            padded = text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4)
            decoded = base64.b64decode(
                padded, altchars=b"-_" if set(text) & set("-_") else None, validate=True
            )
    except (ValueError, binascii.Error):
        decoded = b""
    if len(decoded) != _KEY_BYTES:
        raise BadInputError(
            "The fingerprint key is not 32 bytes in hex or base64.",
            means="Without a full-length key the fingerprints could be guessed.",
            do_now="Make one with “openssl rand -hex 32” and set `fingerprint.key`.",
        )
    return decoded
