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

from graph.errors import BadInputError
from graph.model import Fingerprint
from graph.normal_forms import NormalForm, normal_forms
from graph.secret_value import SecretValue

_KEY_BYTES = 32
_HEX_LENGTH = 2 * _KEY_BYTES
_DOMAIN = b"locksmith/fingerprint/1\0"  # a later scheme under the same key must not collide


def generate_key() -> str:
    """Make a new installation key: 32 random bytes in hex."""
    return secrets.token_hex(_KEY_BYTES)


class Fingerprinter:
    """
    Makes fingerprints under one installation key.

    `key` is 32 bytes in hex or base64. `key_id` is stored with every fingerprint, so that an index
    under several keys stays readable while it is re-keyed; "" derives one from the key.

    Raises:
        BadInputError: the key is not 32 bytes in hex or base64.
    """

    def __init__(self, key: SecretValue, *, key_id: str = "") -> None:
        self._key = _decode_key(key)
        derived = hmac.digest(self._key, b"locksmith/key-id", "sha256").hex()[:8]
        self.key_id = key_id or derived

    def __repr__(self) -> str:
        return f"Fingerprinter(key_id={self.key_id!r})"

    def of_stored(self, value: SecretValue) -> tuple[Fingerprint, ...]:
        """Fingerprint a value read from a store; one per distinct content, the plainest first."""
        return self._of(value)

    def of_leaked(self, value: SecretValue) -> tuple[Fingerprint, ...]:
        """Fingerprint a reported value; any digest in common with a stored one is a match."""
        return self._of(value)

    def equal_forms(self, stored: SecretValue, leaked: SecretValue) -> tuple[str, ...]:
        """Name the forms of `stored` in which `leaked` is recognised; weak ones do not count."""
        known = {found.digest for found in self.of_leaked(leaked) if not found.weak}
        return tuple(
            found.form
            for found in self.of_stored(stored)
            if found.digest in known and not found.weak
        )

    def _of(self, value: SecretValue) -> tuple[Fingerprint, ...]:
        return tuple(self._digest(form) for form in normal_forms(value.reveal()))

    def _digest(self, form: NormalForm) -> Fingerprint:
        digest = hmac.digest(self._key, _DOMAIN + form.content, "sha256").hex()
        return Fingerprint(digest=digest, form=form.name, key_id=self.key_id, weak=form.weak)


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
