"""
A token that somebody else issues over HTTP: a new one into the store, the leaked one revoked.

How an issuer is asked to create, revoke and probe is told in the configuration (`issuers.NAME`),
so that a new provider needs no code. `rotate` does it all in one call, since a value may not travel
between steps: create, try it, write it to the store. A token that cannot be stored is revoked
again. A repeat after a crash never makes a second one silently: see `responders/issuing.py`.

`revoke` reads the leaked version from the store, in memory, and never believes the issuer's "done":
the old value is tried twice and has to be refused, while the current one, if it is another, has to
be accepted (an issuer that refuses everybody proves nothing). Statuses beside `ok` and `dead`,
time-outs and lost connections are UNKNOWN.

Revoked is revoked. A run that fails before that has the former version written back; the token that
it had made is revoked last, when nobody is on it any more.

Example::

    http_token.rotate: {issuer: paygate, secret: "vault://main/kv/payments/gateway", field: token}
    http_token.revoke:
      issuer: paygate
      secret: "vault://main/kv/payments/gateway"
      field: token
      version: 3

Source: https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/
"""

from typing import ClassVar

import structlog
from pydantic import Field

from graph.collector import Permission
from graph.secret_value import SecretValue
from responders.issuers import HttpIssuer
from responders.issuing import make_token, store_token
from responders.kv_rotation import KvFieldSettings, KvRotation
from responders.kv_versions import (
    READ_VALUES,
    READ_VERSIONS,
    WRITE_VALUES,
    KvSecret,
    digest,
)
from responders.probing import prove_dead
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

log = structlog.get_logger()

_KINDS = {
    True: VerdictKind.CONFIRMED,
    False: VerdictKind.REFUTED,
    None: VerdictKind.UNKNOWN,
}
_ADMIN = Permission(
    "issuer", "an admin token that may create, revoke and look", "configured in issuers.NAME"
)


class RotateSettings(KvFieldSettings):
    issuer: str


class Rotate(KvRotation[RotateSettings]):
    """Creates a token at the issuer and writes it as the secret's next version."""

    name: ClassVar[str] = "http_token.rotate"
    permissions: ClassVar[tuple[Permission, ...]] = (
        _ADMIN,
        READ_VERSIONS,
        READ_VALUES,
        *WRITE_VALUES,
    )
    makes: ClassVar[bool] = True
    made_fact: ClassVar[str] = "token_id"
    Settings = RotateSettings

    def preview(self, settings: RotateSettings) -> str:
        return (
            f"Creates a new token at {settings.issuer} and writes it to {settings.secret}, field"
            f" {settings.field}, as a new version; the old token stays valid."
        )

    def targets(self, settings: RotateSettings) -> tuple[str, ...]:
        return (settings.secret, f"issuer:{settings.issuer}")

    def apply(self, settings: RotateSettings, context: StepContext) -> Receipt:
        secret = KvSecret(settings.secret, context.connections)
        issuer = HttpIssuer(settings.issuer, context.connections)
        seen = secret.look()
        version = secret.written_under(seen, context.key, settings.field, context.fingerprinter)
        mark, left_over = seen.mark_of(context.key), ""
        if version is None or mark is None:
            mark, value, left_over = make_token(secret, issuer, seen, context)
            version = store_token(secret, issuer, mark, value, settings.field)
        facts: dict[str, Fact] = {
            "version": version,
            "secret": settings.secret,
            "field": settings.field,
            "token_id": mark.issued_id,
        }
        sentence = (
            f"{settings.issuer} issued the token {mark.issued_id or '(no id)'}; it is version"
            f" {version} of {settings.secret}."
        )
        if left_over:
            facts["left_over"] = left_over
            sentence += f" An earlier try left the token {left_over}: make sure that it is revoked."
        return Receipt(sentence, facts)

    def tried(
        self, settings: RotateSettings, secret: KvSecret, current: int, context: StepContext
    ) -> Verdict:
        issuer = HttpIssuer(settings.issuer, context.connections)
        answer = issuer.probe(secret.value(settings.field))
        return Verdict(
            _KINDS[answer.accepted],
            f"Read back version {current} of {settings.secret} and tried it at {settings.issuer}:"
            f" {answer.sentence}.",
            {"version": current},
        )

    def clear_up(self, settings: RotateSettings, undone: Receipt, context: StepContext) -> Receipt:
        made = str(undone.facts.get("made") or "")
        issuer = HttpIssuer(settings.issuer, context.connections)
        issuer.end(self._made(settings, undone, context), made)
        return Receipt(f"{settings.issuer} took the revocation of the token {made or '(no id)'}.")

    def verify_cleared(
        self, settings: RotateSettings, undone: Receipt, context: StepContext
    ) -> Verdict:
        def look() -> Verdict:
            secret = KvSecret(settings.secret, context.connections)
            issuer = HttpIssuer(settings.issuer, context.connections)
            made, current = self._made(settings, undone, context), secret.value(settings.field)
            return prove_dead(
                lambda: issuer.probe(made),
                who=settings.issuer,
                context=context,
                control=lambda: issuer.probe(current),
            )

        return judged(look, context)

    def _made(self, settings: RotateSettings, undone: Receipt, context: StepContext) -> SecretValue:
        secret = KvSecret(settings.secret, context.connections)
        return secret.value(settings.field, version=int(str(undone.facts["made_version"])))


class RevokeSettings(StepSettings):
    """`version` is the one that leaked."""

    issuer: str
    secret: str
    field: str = Field(min_length=1)
    version: int = Field(ge=1)


class Revoke(Step[RevokeSettings]):
    """Revokes the leaked version's token at the issuer, and proves that it is refused."""

    name: ClassVar[str] = "http_token.revoke"
    permissions: ClassVar[tuple[Permission, ...]] = (_ADMIN, READ_VERSIONS, READ_VALUES)
    reversible: ClassVar[bool] = False
    final: ClassVar[bool] = True
    Settings = RevokeSettings

    def preview(self, settings: RevokeSettings) -> str:
        return (
            f"Revokes at {settings.issuer} the token in version {settings.version} of"
            f" {settings.secret}; whoever still uses it is refused from that moment."
        )

    def targets(self, settings: RevokeSettings) -> tuple[str, ...]:
        return (f"issuer:{settings.issuer}",)

    def apply(self, settings: RevokeSettings, context: StepContext) -> Receipt:
        secret = KvSecret(settings.secret, context.connections)
        issuer = HttpIssuer(settings.issuer, context.connections)
        leaked = secret.value(settings.field, version=settings.version)
        mark = secret.look().mark  # names the token's id if we issued this version ourselves
        issued_here = mark is not None and mark.after + 1 == settings.version
        known = issuer.revoke(leaked, mark.issued_id if mark and issued_here else "")
        what = f"the token in version {settings.version} of {settings.secret}"
        sentence = (
            f"{settings.issuer} took the revocation of {what}."
            if known
            else f"{settings.issuer} knows no such token (any more): {what}."
        )
        return Receipt(sentence, {"issuer": settings.issuer, "version": settings.version})

    def verify(self, settings: RevokeSettings, receipt: Receipt, context: StepContext) -> Verdict:
        return judged(lambda: self._look(settings, context), context)

    def _look(self, settings: RevokeSettings, context: StepContext) -> Verdict:
        secret = KvSecret(settings.secret, context.connections)
        issuer = HttpIssuer(settings.issuer, context.connections)
        leaked = secret.value(settings.field, version=settings.version)
        current = secret.value(settings.field)
        moved = digest(current, context.fingerprinter) != digest(leaked, context.fingerprinter)
        return prove_dead(
            lambda: issuer.probe(leaked),
            who=settings.issuer,
            context=context,
            control=(lambda: issuer.probe(current)) if moved else None,
        )
