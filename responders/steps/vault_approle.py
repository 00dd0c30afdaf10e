"""
The secret-id of an AppRole: a new one into the store, the leaked one destroyed.

A role may have many secret-ids, so the new one works beside the old. `rotate` makes one and writes
it to the KV field (see `responders/kv_versions.py`). It gives it a mark of its own as well: the
server puts the metadata of a secret-id into each token that is issued for it, which is the only way
to tell the tokens of one secret-id from those of another (`responders/app_roles.py`).

`look` notes the leaked one's accessor and mark while it can still be looked up. `destroy` ends it
by that accessor. Tokens that were issued for it live on: `vault_approle_tokens.revoke` ends them.

The server's "done" is not believed: both are looked up again, the old one is tried in a login.

Example::

    vault_approle.rotate:
      role: "vault://main/auth/approle/role/ci"
      secret: "vault://main/kv/ci/approle"
      field: secret_id
    vault_approle.look: &look
      role: "vault://main/auth/approle/role/ci"
      secret: "vault://main/kv/ci/approle"
      field: secret_id
      version: 3
    vault_approle.destroy: *look

Source: https://openbao.org/api-docs/auth/approle/ (secret-id with metadata, secret-id-accessor).
"""

from dataclasses import replace
from typing import ClassVar

from pydantic import Field

from graph import refs
from graph.audit_log import log_source
from graph.collector import Permission
from graph.errors import BadInputError
from graph.secret_value import SecretValue
from responders.app_roles import MARK, AppRole
from responders.issuing import require_word
from responders.kv_rotation import KvFieldSettings, KvRotation
from responders.kv_versions import (
    READ_VALUES,
    READ_VERSIONS,
    WRITE_VALUES,
    KvSecret,
    Mark,
    digest,
)
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

_ROLE = r"^vault://[^/#]+/auth/.+/role/[^/#]+$"


def _may(path: str, why: str, *capabilities: str) -> Permission:
    granted = ", ".join(f'"{each}"' for each in capabilities)
    return Permission("vault", f'path "{path}" {{ capabilities = [{granted}] }}', why)


_LOOK = (
    _may("auth/MOUNT/role/ROLE/secret-id/lookup", "recognise the leaked secret-id", "update"),
    _may("auth/MOUNT/role/ROLE/secret-id-accessor/lookup", "see whether it lives", "update"),
)


class RotateSettings(KvFieldSettings):
    role: str = Field(pattern=_ROLE)


class LeakedSettings(StepSettings):
    """`version` is the one that leaked; `noted_by` the step that looked before."""

    role: str = Field(pattern=_ROLE)
    secret: str
    field: str = Field(min_length=1)
    version: int = Field(ge=1)
    noted_by: str = "look"


class Rotate(KvRotation[RotateSettings]):
    """Makes a secret-id and writes it as the secret's next version."""

    name: ClassVar[str] = "vault_approle.rotate"
    permissions: ClassVar[tuple[Permission, ...]] = (
        _may("auth/MOUNT/role/ROLE/secret-id", "make a new secret-id", "update"),
        _may("auth/MOUNT/role/ROLE/secret-id", "find one that a crash left behind", "list"),
        _may("auth/MOUNT/role/ROLE/secret-id-accessor/destroy", "destroy that one", "update"),
        *_LOOK,
        READ_VERSIONS,
        READ_VALUES,
        *WRITE_VALUES,
    )
    makes: ClassVar[bool] = True
    made_fact: ClassVar[str] = "accessor"
    Settings = RotateSettings

    def preview(self, settings: RotateSettings) -> str:
        return (
            f"Makes a new secret-id for {settings.role} and writes it to {settings.secret}, field"
            f" {settings.field}; the old one stays valid."
        )

    def targets(self, settings: RotateSettings) -> tuple[str, ...]:
        return (settings.secret, settings.role)

    def apply(self, settings: RotateSettings, context: StepContext) -> Receipt:
        secret = KvSecret(settings.secret, context.connections)
        role = AppRole(settings.role, context)
        seen = secret.look()
        done = secret.written_under(seen, context.key, settings.field, context.fingerprinter)
        doubt = ""
        if done is None:
            former = seen.mark_of(context.key)
            if former is not None and former.issued_id:
                role.destroy(former.issued_id)  # made by an earlier try, stored nowhere
            elif former is not None and not role.destroy_made(context):
                require_word(secret, former, context, what="A secret-id", where=settings.role)
                doubt = " An earlier try may have made one that nobody has; a person looked for it."
            mark = Mark(context.key, seen.current, since=context.began.isoformat())
            secret.set_mark(mark)
            value, accessor = role.make(context)
            known = digest(value, context.fingerprinter)
            secret.set_mark(replace(mark, digest=known, issued_id=accessor))
            done = secret.write(settings.field, value, after=seen.current)
        else:
            stored = seen.mark_of(context.key)
            accessor = stored.issued_id if stored else ""
        facts: dict[str, Fact] = {"version": done, "secret": settings.secret}
        facts |= {"field": settings.field, "accessor": accessor}
        return Receipt(
            f"A new secret-id of {settings.role} is version {done} of {settings.secret}.{doubt}",
            facts,
        )

    def tried(
        self, settings: RotateSettings, secret: KvSecret, current: int, context: StepContext
    ) -> Verdict:
        if not AppRole(settings.role, context).find(secret.value(settings.field)):
            return Verdict(
                VerdictKind.REFUTED,
                f"Version {current} of {settings.secret} holds no living secret-id of the role.",
            )
        return Verdict(
            VerdictKind.CONFIRMED,
            f"Read back: the role knows the secret-id in version {current} of {settings.secret}.",
            {"version": current},
        )

    def clear_up(self, settings: RotateSettings, undone: Receipt, context: StepContext) -> Receipt:
        made = str(undone.facts.get("made") or "")
        AppRole(settings.role, context).destroy(made)
        return Receipt(f"The secret-id of {settings.role} with accessor {made} is destroyed.")

    def verify_cleared(
        self, settings: RotateSettings, undone: Receipt, context: StepContext
    ) -> Verdict:
        def look() -> Verdict:
            role = AppRole(settings.role, context)
            secret = KvSecret(settings.secret, context.connections)
            made = secret.value(settings.field, version=int(str(undone.facts["made_version"])))
            if role.lives(str(undone.facts.get("made") or "")) or role.find(made):
                return Verdict(VerdictKind.REFUTED, f"{settings.role} still knows it.")
            if not role.find(secret.value(settings.field)):
                return Verdict(VerdictKind.REFUTED, f"{settings.role} knows the former no more.")
            said = f"{settings.role} knows it no more, and the former one as before."
            return Verdict(VerdictKind.CONFIRMED, said)

        return judged(look, context)


class Look(Step[LeakedSettings]):
    """Notes the accessor of the leaked secret-id, and the mark that its tokens carry."""

    name: ClassVar[str] = "vault_approle.look"
    permissions: ClassVar[tuple[Permission, ...]] = (*_LOOK, READ_VALUES)
    reversible: ClassVar[bool] = False
    changes_world: ClassVar[bool] = False
    Settings = LeakedSettings

    def preview(self, settings: LeakedSettings) -> str:
        return f"Notes the accessor of the leaked secret-id of {settings.role}; changes nothing."

    def targets(self, settings: LeakedSettings) -> tuple[str, ...]:
        return (settings.role,)

    def apply(self, settings: LeakedSettings, context: StepContext) -> Receipt:
        found = AppRole(settings.role, context).find(_leaked(settings, context))
        if not found:
            return Receipt(
                f"{settings.role} knows no such secret-id (any more).",
                {"accessor": "", "mark": None},
            )
        metadata = found.get("metadata")
        mark = metadata.get(MARK) if isinstance(metadata, dict) else None
        return Receipt(
            f"Noted the accessor of the leaked secret-id of {settings.role}.",
            {"accessor": str(found.get("secret_id_accessor") or ""), "mark": str(mark or "")},
        )

    def verify(self, settings: LeakedSettings, receipt: Receipt, context: StepContext) -> Verdict:
        return judged(lambda: self._look(settings, context), context)

    def _look(self, settings: LeakedSettings, context: StepContext) -> Verdict:
        lives = bool(AppRole(settings.role, context).find(_leaked(settings, context)))
        return Verdict(
            VerdictKind.CONFIRMED, f"The leaked secret-id {'lives' if lives else 'is gone'}."
        )


class Destroy(Step[LeakedSettings]):
    """Destroys the leaked secret-id, and proves that it logs nobody in."""

    name: ClassVar[str] = "vault_approle.destroy"
    permissions: ClassVar[tuple[Permission, ...]] = (
        *_LOOK,
        _may("auth/MOUNT/role/ROLE/secret-id-accessor/destroy", "destroy it", "update"),
        _may("auth/MOUNT/role/ROLE/secret-id", "prove by a second road that it is gone", "list"),
        _may("auth/MOUNT/role/ROLE/role-id", "try the old secret-id in a login", "read"),
        READ_VALUES,
    )
    reversible: ClassVar[bool] = False
    final: ClassVar[bool] = True
    Settings = LeakedSettings

    def preview(self, settings: LeakedSettings) -> str:
        return (
            f"Destroys the secret-id in version {settings.version} of {settings.secret}; whoever"
            f" logs in to {settings.role} with it is refused from that moment."
        )

    def targets(self, settings: LeakedSettings) -> tuple[str, ...]:
        return (settings.role,)

    def shown_in(self, settings: LeakedSettings) -> str:
        return log_source("vault", refs.parse(settings.role).path[0])

    def apply(self, settings: LeakedSettings, context: StepContext) -> Receipt:
        role = AppRole(settings.role, context)
        accessor = _noted(settings, context)
        if not accessor or not role.lives(accessor):
            return Receipt(f"The leaked secret-id of {settings.role} was gone already.")
        role.destroy(accessor)
        return Receipt(
            f"The store took the order to destroy the secret-id with accessor {accessor}."
        )

    def verify(self, settings: LeakedSettings, receipt: Receipt, context: StepContext) -> Verdict:
        return judged(lambda: self._look(settings, context), context)

    def _look(self, settings: LeakedSettings, context: StepContext) -> Verdict:
        role = AppRole(settings.role, context)
        accessor = _noted(settings, context)
        leaked = _leaked(settings, context)
        listed = role.accessors()
        if role.find(leaked) or (accessor and (role.lives(accessor) or accessor in (listed or ()))):
            return Verdict(
                VerdictKind.REFUTED,
                f"{settings.role} still knows the leaked secret-id.",
                {"old_value_refused": False},
            )
        tried = role.logs_in(leaked)
        if tried:
            return Verdict(
                VerdictKind.REFUTED,
                f"The leaked secret-id still logs in to {settings.role}.",
                {"old_value_refused": False},
            )
        facts: dict[str, Fact] = {"list_read": listed is not None}
        said = f"{settings.role} does not know the leaked secret-id"
        if tried is None:
            said += "; a login was not tried, because the bot may not read the role-id"
        else:
            said += ", and a login with it was refused"
            facts["old_value_refused"] = True
        return Verdict(VerdictKind.CONFIRMED, f"{said}.", facts)


def _leaked(settings: LeakedSettings, context: StepContext) -> SecretValue:
    secret = KvSecret(settings.secret, context.connections)
    return secret.value(settings.field, version=settings.version)


def _noted(settings: LeakedSettings, context: StepContext) -> str:
    """
    Give the accessor that the look before noted; "" where it found none.

    Raises:
        BadInputError: there was no look.
    """
    receipt = context.receipts.get(settings.noted_by)
    accessor = receipt.facts.get("accessor") if receipt else None
    if not isinstance(accessor, str):
        raise BadInputError(
            f"No step “{settings.noted_by}” has noted the accessor of the leaked secret-id.",
            means="Once it is destroyed, its tokens could not be told from others.",
            do_now="Put vault_approle.look before this step in the playbook.",
        )
    return accessor
