"""
A certificate of the PKI engine of Vault or OpenBao, revoked by its serial number.

The serial number is given, or read from the certificate in the leaked version of a secret: the
field may hold the key beside it, nothing of either is kept. Revoked is revoked; whether a client
cares is another matter: many never look at a CRL, so the served certificate has to change too.

The server's "done" is not believed: the certificate is read again, and the CRL that the mount
serves has to list the number and to be signed by its issuer. A mount that rebuilds its CRL later,
or not at all, gives UNKNOWN: revoked in the store, told to nobody yet. That clients refuse the old
certificate is never claimed: nobody asked them.

Example::

    vault_pki.revoke: {mount: "vault://main/pki/issuer/default", serial: "39:dd:2e:90:b7:23:1f:8d"}

Source: https://openbao.org/api-docs/secret/pki/ (revoke, read certificate, read CRL).
"""

import re
from typing import Any, ClassVar, Self

from cryptography import x509
from pydantic import Field, model_validator

from graph import refs
from graph.collector import Permission
from graph.errors import BadInputError, NotFoundError
from responders.kv_versions import READ_VALUES, KvSecret
from responders.step import (
    Receipt,
    Step,
    StepContext,
    StepSettings,
    Verdict,
    VerdictKind,
    judged,
)

_PEM = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)
_TO_BE_LISTED = 10.0  # seconds until the CRL lists it


class RevokeSettings(StepSettings):
    """
    `mount` is the ref of an issuer of the mount: vault://STORE/MOUNT/issuer/NAME.

    Without `serial` it is that of the first certificate in `secret`, `field`, `version`.
    """

    mount: str = Field(pattern=r"^vault://[^/#]+/[^/#]+/issuer/[^/#]+$")
    serial: str = Field(default="", pattern=r"^([0-9a-fA-F]{2}([:-][0-9a-fA-F]{2})*)?$")
    secret: str = ""
    field: str = "certificate"
    version: int | None = None

    @model_validator(mode="after")
    def _names_a_certificate(self) -> Self:
        if not self.serial and not self.secret:
            raise ValueError("give the serial, or the secret with the certificate")
        return self


class Revoke(Step[RevokeSettings]):
    """Revokes one certificate."""

    name: ClassVar[str] = "vault_pki.revoke"
    permissions: ClassVar[tuple[Permission, ...]] = (
        Permission(
            "vault",
            'path "MOUNT/revoke" { capabilities = ["update"] }',
            "revoke the certificate",
        ),
        Permission(
            "vault",
            'path "MOUNT/cert/SERIAL" { capabilities = ["read"] }',
            "see whether it is revoked",
        ),
        Permission(
            "vault",
            'path "MOUNT/issuer/NAME/crl" { capabilities = ["read"] }',
            "see whether clients can know it (open to everybody, as a rule)",
        ),
        READ_VALUES,
    )
    reversible: ClassVar[bool] = False
    final: ClassVar[bool] = True
    Settings = RevokeSettings

    def preview(self, settings: RevokeSettings) -> str:
        which = settings.serial or f"in version {settings.version or 'now'} of {settings.secret}"
        return (
            f"Revokes the certificate {which} at {settings.mount}; clients that check for it refuse"
            " it from their next look at the CRL."
        )

    def targets(self, settings: RevokeSettings) -> tuple[str, ...]:
        return (settings.mount,)

    def apply(self, settings: RevokeSettings, context: StepContext) -> Receipt:
        mount = _Mount(settings, context)
        serial = mount.serial()
        if mount.revoked(serial):
            return Receipt(f"The certificate {serial} was revoked before.", {"serial": serial})
        mount.ask("post", "revoke", f"revoke the certificate {serial}", {"serial_number": serial})
        return Receipt(
            f"The store took the order to revoke the certificate {serial}.", {"serial": serial}
        )

    def verify(self, settings: RevokeSettings, receipt: Receipt, context: StepContext) -> Verdict:
        return judged(lambda: self._look(settings, context), context)

    def _look(self, settings: RevokeSettings, context: StepContext) -> Verdict:
        mount = _Mount(settings, context)
        serial = mount.serial()
        if not mount.revoked(serial):
            return Verdict(
                VerdictKind.REFUTED,
                f"The store shows the certificate {serial} as not revoked.",
                {"old_value_refused": False},
            )
        number = int(serial.replace(":", ""), 16)
        for _ in context.attempts(seconds=_TO_BE_LISTED, every=1.0):
            if mount.crl().get_revoked_certificate_by_serial_number(number) is not None:
                return Verdict(
                    VerdictKind.CONFIRMED,
                    f"The store shows {serial} as revoked, and the CRL that it serves lists it.",
                )
        return Verdict(
            VerdictKind.UNKNOWN,
            f"The store shows {serial} as revoked, but the CRL that it serves does not list it.",
            {"do_now": "Rebuild the CRL (MOUNT/crl/rotate), then have this step look again."},
        )


class _Mount:
    """The PKI mount that a step is about, for one call."""

    def __init__(self, settings: RevokeSettings, context: StepContext) -> None:
        self._settings, self._connections = settings, context.connections
        self._store, self._mount, _, self._issuer = refs.parse(settings.mount).path

    def ask(
        self, method: str, path: str, doing: str, body: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        return self._connections.ask_vault(
            self._store, method, f"{self._mount}/{path}", doing=doing, body=body
        )

    def serial(self) -> str:
        """
        Give the serial number in the store's form: "39:dd:2e".

        Raises:
            BadInputError: the field holds no certificate that can be read.
        """
        settings = self._settings
        if settings.serial:
            return settings.serial.replace("-", ":").lower()
        secret = KvSecret(settings.secret, self._connections)
        found = _PEM.search(secret.value(settings.field, version=settings.version).reveal())
        try:
            number = x509.load_pem_x509_certificate(found[0].encode()).serial_number if found else 0
        except ValueError:
            number = 0
        if number <= 0:
            raise BadInputError(
                f"The field {settings.field} of {settings.secret} holds no certificate.",
                do_now="Name the field with the certificate, or give its serial number.",
            )
        digits = f"{number:x}"
        return bytes.fromhex(digits.zfill(len(digits) + len(digits) % 2)).hex(":")

    def revoked(self, serial: str) -> bool:
        """
        Tell whether the store shows it as revoked.

        Raises:
            NotFoundError: this mount has not issued it.
        """
        found = self.ask("get", f"cert/{serial}", f"read the certificate {serial}")
        when = found.get("revocation_time")
        if not isinstance(when, int):
            raise NotFoundError(f"The mount does not say whether {serial} is revoked.")
        return when > 0

    def crl(self) -> x509.CertificateRevocationList:
        """
        Read the CRL and check its issuer's signature.

        Raises:
            BadInputError: there is none, or it is not signed by the issuer.
        """
        path = f"issuer/{self._issuer}"
        pem = self.ask("get", f"{path}/crl", "read the CRL").get("crl")
        issuer = self.ask("get", f"{path}/json", "read the issuer").get("certificate")
        try:
            crl = x509.load_pem_x509_crl(str(pem).encode())
            key = x509.load_pem_x509_certificate(str(issuer).encode()).public_key()
            signed = crl.is_signature_valid(key)  # type: ignore[arg-type]  # the keys of a CA
        except (ValueError, TypeError):
            crl, signed = None, False
        if crl is None or not signed:
            raise BadInputError(
                f"{self._settings.mount} serves no CRL that is signed by it.",
                means="Clients cannot learn from it that a certificate is revoked.",
                do_now="Turn the CRL on (MOUNT/config/crl), then have this step look again.",
            )
        return crl
