"""
A certificate of cert-manager is issued anew, with a new key, as `cmctl renew` does it.

`renew` finds the Certificate that writes the Secret and sets its condition `Issuing`; cert-manager
then makes a key and a certificate and writes them to the Secret. That the key is another one is
read from the certificate itself (its public key), because with `rotationPolicy: Never` cert-manager
keeps the key that leaked; this is said before anything is changed. With `address` (host:port) what
is really served there is looked at too.

There is no way back: the former key is the leaked one. What a renewal does not do is revoke the
former certificate: that is asked of the CA (`vault_pki.revoke`, or a person).

Example::

    cert_manager.renew:
      secret: "k8s://prod/shop/Secret/shop-tls"
      address: "shop.example.com:443"

Source: https://cert-manager.io/docs/reference/cmctl/#renew, pkg/renew of cert-manager/cmctl, and
https://cert-manager.io/docs/usage/certificate/#configuring-private-key-rotation.
"""

import hashlib
import ssl
from collections.abc import Mapping
from typing import Any, ClassVar

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from pydantic import Field

from graph import refs
from graph.collector import Permission
from graph.errors import NotFoundError, RefusedError, UnavailableError
from responders.copies import may_read, text_of
from responders.kubernetes_objects import KubernetesObject, find
from responders.step import (
    Fact,
    Receipt,
    Step,
    StepContext,
    StepSettings,
    Verdict,
    VerdictKind,
    judged,
)

_GROUP = "cert-manager.io"
_ASKED_FOR = "locksmith/renewal-asked-for"
_BEFORE = "locksmith/revision-before"
_KEY_BEFORE = "locksmith/key-before"  # the digest of the former public key: nothing secret
_PACE = 0.5  # seconds between two looks
_CONNECT = 5.0  # seconds


class RenewSettings(StepSettings):
    """`secret` is the Secret that a Certificate writes."""

    secret: str
    address: str = Field(default="", pattern=r"^$|^[^\s:/]+:\d+$")
    wait_seconds: float = Field(default=300.0, ge=0)


class Renew(Step[RenewSettings]):
    """Has cert-manager issue a certificate anew, and holds the new key against the old one."""

    name: ClassVar[str] = "cert_manager.renew"
    permissions: ClassVar[tuple[Permission, ...]] = (
        Permission(
            "kubernetes",
            "list, get, patch on certificates.cert-manager.io; patch on certificates/status",
            "ask for the renewal and see that it was made",
        ),
        Permission(
            "kubernetes",
            "get on secrets (only in mode “fingerprint”)",
            "see that the new certificate has another key",
        ),
    )
    reversible: ClassVar[bool] = False
    Settings = RenewSettings

    def preview(self, settings: RenewSettings) -> str:
        return f"Has cert-manager issue the certificate in {settings.secret} anew, with a new key."

    def targets(self, settings: RenewSettings) -> tuple[str, ...]:
        return (settings.secret,)

    def apply(self, settings: RenewSettings, context: StepContext) -> Receipt:
        certificate, found = _certificate(settings, context)
        _refuse_if_key_stays(settings, found)
        annotations = found["metadata"].get("annotations") or {}
        if annotations.get(_ASKED_FOR) != context.key:
            noted: dict[str, str | None] = {
                _ASKED_FOR: context.key,
                _BEFORE: str(_revision(found)),
                _KEY_BEFORE: _key_in(settings, context),
            }
            found = certificate.annotate(noted)
            annotations = found["metadata"]["annotations"]
        before = int(annotations[_BEFORE])
        if _revision(found) == before and not _is(found, "Issuing"):
            certificate.merge(
                {"status": {"conditions": _issuing(found, context)}},
                seen=found,
                subresource="status",
            )
        for _ in context.attempts(seconds=settings.wait_seconds, every=_PACE):
            found = certificate.read()
            if _is_renewed(found, before):
                break
            context.progress(f"Waiting for cert-manager: {_reason(found)}.")
        done = _is_renewed(found, before)
        secret = refs.split_key(settings.secret)[0]
        facts: dict[str, Fact] = {
            "certificate": certificate.ref,
            "before": before,
            "key_before": annotations.get(_KEY_BEFORE, ""),
            "target": secret,
            "refreshed_at": context.now().isoformat() if done else "",
        }
        said = (
            f"issued revision {_revision(found)}" if done else f"has not issued: {_reason(found)}"
        )
        return Receipt(f"cert-manager {said} of {certificate.ref}.", facts)

    def verify(self, settings: RenewSettings, receipt: Receipt, context: StepContext) -> Verdict:
        return judged(lambda: self._look(settings, receipt, context), context)

    def _look(self, settings: RenewSettings, receipt: Receipt, context: StepContext) -> Verdict:
        certificate, found = _certificate(settings, context)
        if not _is_renewed(found, int(str(receipt.facts["before"]))):
            return Verdict(
                VerdictKind.REFUTED if _failed(found) else VerdictKind.UNKNOWN,
                f"{certificate.ref} has not been issued anew: {_reason(found)}.",
                {"do_now": "Look at its CertificateRequest (cmctl status certificate)."},
            )
        said = f"cert-manager issued revision {_revision(found)} of {certificate.ref}"
        now, before = _key_in(settings, context), str(receipt.facts["key_before"] or "")
        if not now or not before:
            always = _policy(found) == "Always"
            note = "the key itself was not looked at (the cluster's mode does not allow it)"
            return _vouched(
                settings,
                VerdictKind.CONFIRMED if always else VerdictKind.UNKNOWN,
                f"{said}; {note}, its rotationPolicy is {_policy(found) or 'not set'}.",
            )
        if now == before:
            return Verdict(VerdictKind.REFUTED, f"{said}, but with the same key as before.")
        if settings.address:
            served = _key_at(settings.address)
            if served != now:
                return Verdict(
                    VerdictKind.REFUTED if served == before else VerdictKind.UNKNOWN,
                    f"{said}, but {settings.address} still serves another key than the new one.",
                    {"do_now": "Restart what serves it, then have this step look again."},
                )
            said += f", {settings.address} serves it"
        return _vouched(settings, VerdictKind.CONFIRMED, f"{said}, and its key is another one.")


def _certificate(
    settings: RenewSettings, context: StepContext
) -> tuple[KubernetesObject, dict[str, Any]]:
    """
    Find the Certificate that writes the Secret.

    Raises:
        NotFoundError: none does.
    """
    secret = find(context.connections, settings.secret, "Secret")
    path = secret.api.resource_path("Certificate", _GROUP, namespace=secret.namespace)
    for each in secret.api.list(path) if path else ():
        if (each.get("spec") or {}).get("secretName") == secret.name:
            name = each["metadata"]["name"]
            ref = refs.k8s(secret.cluster, secret.namespace, "Certificate", name)
            return find(context.connections, ref, "Certificate", group=_GROUP), each
    raise NotFoundError(
        f"No Certificate of cert-manager writes {settings.secret}.",
        means="Somebody else puts the certificate there.",
        do_now="Renew it where it is made, with a new key, or use another playbook.",
    )


def _issuing(found: Mapping[str, Any], context: StepContext) -> list[dict[str, Any]]:
    """Add the condition that `cmctl renew` sets; the others stay as they are."""
    others = [one for one in _conditions(found) if one.get("type") != "Issuing"]
    asked: dict[str, Any] = {
        "type": "Issuing",
        "status": "True",
        "reason": "ManuallyTriggered",
        "message": "Certificate re-issuance manually triggered",
        "lastTransitionTime": context.now().strftime("%Y-%m-%dT%H:%M:%SZ"),
        "observedGeneration": found["metadata"].get("generation", 0),
    }
    return [*others, asked]


def _refuse_if_key_stays(settings: RenewSettings, found: Mapping[str, Any]) -> None:
    if _policy(found) == "Never":
        raise RefusedError(
            f"The Certificate of {settings.secret} says rotationPolicy: Never.",
            means="A renewal would keep the private key that leaked.",
            do_now="Set spec.privateKey.rotationPolicy: Always where it is kept, then retry.",
        )


def _policy(found: Mapping[str, Any]) -> str:
    return str(((found.get("spec") or {}).get("privateKey") or {}).get("rotationPolicy") or "")


def _revision(found: Mapping[str, Any]) -> int:
    return int((found.get("status") or {}).get("revision") or 0)


def _conditions(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    return list((found.get("status") or {}).get("conditions") or ())


def _is(found: Mapping[str, Any], kind: str) -> bool:
    return any(
        one.get("type") == kind and one.get("status") == "True" for one in _conditions(found)
    )


def _is_renewed(found: Mapping[str, Any], before: int) -> bool:
    return _revision(found) > before and _is(found, "Ready") and not _is(found, "Issuing")


def _failed(found: Mapping[str, Any]) -> bool:
    return any(
        one.get("type") == "Issuing" and one.get("reason") == "Failed" for one in _conditions(found)
    )


def _reason(found: Mapping[str, Any]) -> str:
    for one in _conditions(found):
        if one.get("type") == "Issuing":
            return f"Issuing is {one.get('status')} ({one.get('reason') or 'no reason given'})"
    return "it says nothing of an issuance"


def _key_in(settings: RenewSettings, context: StepContext) -> str:
    """Digest the public key of the certificate in the Secret; "" where it may not be read."""
    if not may_read(settings.secret, context):
        return ""
    secret = find(context.connections, settings.secret, "Secret")
    try:
        pem = text_of(secret.read(), "tls.crt", settings.secret)
    except NotFoundError:
        return ""
    return _public_key(pem.reveal())


def _key_at(address: str) -> str:
    host, _, port = address.rpartition(":")
    try:
        pem = ssl.get_server_certificate((host, int(port)), timeout=_CONNECT)
    except OSError as error:
        raise UnavailableError(
            f"{address} could not be asked for its certificate: {type(error).__name__}."
        ) from None
    return _public_key(pem)


def _public_key(pem: str) -> str:
    try:
        key = x509.load_pem_x509_certificate(pem.encode()).public_key()
    except ValueError:
        return ""
    return hashlib.sha256(
        key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    ).hexdigest()


def _vouched(settings: RenewSettings, kind: VerdictKind, sentence: str) -> Verdict:
    secret = refs.split_key(settings.secret)[0]
    facts: dict[str, Fact] = {"copies": [secret]} if kind is VerdictKind.CONFIRMED else {}
    return Verdict(kind, sentence, facts)
