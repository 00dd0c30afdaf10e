"""
An access key of an IAM user: a second one into the store, the leaked one off, then deleted.

`rotate` makes the second key and writes the pair to its store in one call, since a secret may not
travel between steps. IAM takes no idempotency key, so the keys that exist are noted before (a mark
in the secret's metadata, see `responders/kv_versions.py`): what a repeat after a crash finds beside
them was made by the try before, and is deleted if nobody has used it. A user has two keys at most;
when both exist, the step says which they are and when each was used, and makes no room by itself.

A run that fails before the switch has the former pair written back, and the second key deleted once
nobody has it any more.

`confirm_unused` waits until IAM reports no use of the leaked key for a while. IAM reports late, so
silence is a hint and not a proof. `deactivate` switches the key off; its undo switches it on again,
which is a way back only while the leak is judged harmless. `delete` wants it off before. Sessions
that the key has opened at STS live on for up to 36 hours: see docs/playbooks.md.

That the old key is dead is seen from outside: AWS is asked who it is, with the leaked pair.

Example::

    aws_access_key.rotate:
      user: "aws://111122223333/iam/user/deploy"
      secret: "vault://main/kv/ci/aws"
    aws_access_key.confirm_unused:
      user: "aws://111122223333/iam/user/deploy"
      secret: "vault://main/kv/ci/aws"
      version: 3
    aws_access_key.deactivate:
      user: "aws://111122223333/iam/user/deploy"
      secret: "vault://main/kv/ci/aws"
      version: 3
    aws_access_key.delete:
      user: "aws://111122223333/iam/user/deploy"
      secret: "vault://main/kv/ci/aws"
      version: 3

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/id-credentials-access-keys-update.html and
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
"""

from collections.abc import Callable
from datetime import timedelta
from typing import ClassVar

from pydantic import Field

from graph.aws_api import statement
from graph.collector import Permission
from graph.errors import RefusedError
from graph.secret_value import SecretValue
from responders.aws_accounts import IamUser
from responders.aws_keys import make_key, store_key
from responders.kv_rotation import KvFieldSettings, KvRotation
from responders.kv_versions import (
    READ_VALUES,
    READ_VERSIONS,
    WRITE_VALUES,
    KvSecret,
)
from responders.kv_way_back import written_back
from responders.probing import Answer, prove_dead
from responders.step import (
    Receipt,
    Step,
    StepContext,
    StepSettings,
    Verdict,
    VerdictKind,
    judged,
)

_DEAD_WITHIN = 60.0  # seconds that switching off may take
_PACE = 5.0


def _may(*actions: str, why: str) -> Permission:
    return Permission("aws", statement(*(f"iam:{action}" for action in actions)), why)


_LIST = _may("ListAccessKeys", why="see which keys the user has")
_LAST_USED = _may("GetAccessKeyLastUsed", why="see whether a key is still used")
_SWITCH = _may("UpdateAccessKey", why="switch the leaked key off, and on again")
_DELETE = _may("DeleteAccessKey", why="delete the leaked key, or one that could not be stored")


class RotateSettings(KvFieldSettings):
    """`id_field` gets the key's id, `field` its secret; both change in one version."""

    user: str
    field: str = Field(default="secret_access_key", min_length=1)
    id_field: str = Field(default="access_key_id", min_length=1)


class Rotate(KvRotation[RotateSettings]):
    """Makes the user's second key and writes it as the secret's next version."""

    name: ClassVar[str] = "aws_access_key.rotate"
    permissions: ClassVar[tuple[Permission, ...]] = (
        _LIST,
        _may("CreateAccessKey", why="make the new key"),
        _LAST_USED,
        _DELETE,
        READ_VERSIONS,
        READ_VALUES,
        *WRITE_VALUES,
    )
    makes: ClassVar[bool] = True
    made_fact: ClassVar[str] = "key_id"
    Settings = RotateSettings

    def preview(self, settings: RotateSettings) -> str:
        return (
            f"Makes a second access key for {settings.user} and writes it to {settings.secret},"
            f" fields {settings.id_field} and {settings.field}; the leaked key stays valid."
        )

    def targets(self, settings: RotateSettings) -> tuple[str, ...]:
        return (settings.secret, settings.user)

    def apply(self, settings: RotateSettings, context: StepContext) -> Receipt:
        secret = KvSecret(settings.secret, context.connections)
        user = IamUser(settings.user, context.connections)
        seen = secret.look()
        version = secret.written_under(seen, context.key, settings.field, context.fingerprinter)
        mark = seen.mark_of(context.key)
        if version is None or mark is None:
            mark, value = make_key(secret, user, seen, context)
            version = store_key(
                secret, user, mark, value, field=settings.field, id_field=settings.id_field
            )
        return Receipt(
            f"{settings.user} has the new access key {mark.issued_id}; it is version {version} of"
            f" {settings.secret}.",
            {
                "version": version,
                "secret": settings.secret,
                "field": settings.field,
                "key_id": mark.issued_id,
            },
        )

    def tried(
        self, settings: RotateSettings, secret: KvSecret, current: int, context: StepContext
    ) -> Verdict:
        identifier = secret.value(settings.id_field).reveal()
        user = IamUser(settings.user, context.connections)
        key = user.key(identifier)
        if key is None or key.status != "Active":
            return Verdict(
                VerdictKind.REFUTED,
                f"Version {current} of {settings.secret} names a key that is no active one of"
                f" {settings.user}.",
            )
        answer = user.probe(identifier, secret.value(settings.field))
        kinds = {True: VerdictKind.CONFIRMED, False: VerdictKind.REFUTED, None: VerdictKind.UNKNOWN}
        return Verdict(
            kinds[answer.accepted],
            f"Read back version {current} of {settings.secret} and tried it: {answer.sentence}.",
            {"version": current, "key_id": identifier},
        )

    def fields_with_it(
        self, settings: RotateSettings, receipt: Receipt, context: StepContext
    ) -> tuple[str, ...]:
        return (settings.id_field,)

    def clear_up(self, settings: RotateSettings, undone: Receipt, context: StepContext) -> Receipt:
        made = str(undone.facts["made"])
        IamUser(settings.user, context.connections).delete(made)
        return Receipt(f"Deleted the key {made} of {settings.user}, which this run had made.")

    def verify_cleared(
        self, settings: RotateSettings, undone: Receipt, context: StepContext
    ) -> Verdict:
        def look() -> Verdict:
            made = str(undone.facts["made"])
            if IamUser(settings.user, context.connections).key(made) is not None:
                return Verdict(VerdictKind.REFUTED, f"IAM still lists the key {made}.")
            former = self.look(settings, written_back(undone), context)
            said = f"IAM lists the key {made} no more. {former.sentence}"
            return Verdict(former.kind, said, former.facts)

        return judged(look, context)


class KeySettings(StepSettings):
    """`version` of `secret` holds the pair that leaked."""

    user: str
    secret: str
    version: int = Field(ge=1)
    field: str = Field(default="secret_access_key", min_length=1)
    id_field: str = Field(default="access_key_id", min_length=1)


class UnusedSettings(KeySettings):
    """`silent_seconds`: how long no use may be reported; `wait_seconds`: how long to wait."""

    silent_seconds: float = Field(default=300.0, ge=0)
    wait_seconds: float = Field(default=480.0, ge=0)


class ConfirmUnused(Step[UnusedSettings]):
    """Waits until IAM reports no use of the leaked key, and says who uses it; changes nothing."""

    name: ClassVar[str] = "aws_access_key.confirm_unused"
    asks_use: ClassVar[bool] = True
    permissions: ClassVar[tuple[Permission, ...]] = (_LIST, _LAST_USED, READ_VERSIONS, READ_VALUES)
    reversible: ClassVar[bool] = False
    changes_world: ClassVar[bool] = False
    Settings = UnusedSettings

    def preview(self, settings: UnusedSettings) -> str:
        return (
            f"Waits until IAM reports no use of the leaked key of {settings.user} for"
            f" {settings.silent_seconds:.0f} seconds."
        )

    def targets(self, settings: UnusedSettings) -> tuple[str, ...]:
        return ()

    def apply(self, settings: UnusedSettings, context: StepContext) -> Receipt:
        return Receipt(f"Nothing to change: IAM is asked about {settings.user}.", {})

    def verify(self, settings: UnusedSettings, receipt: Receipt, context: StepContext) -> Verdict:
        return judged(lambda: self._look(settings, context), context)

    def _look(self, settings: UnusedSettings, context: StepContext) -> Verdict:
        identifier, _ = _leaked(settings, context)
        user = IamUser(settings.user, context.connections)
        if user.key(identifier) is None:
            return Verdict(VerdictKind.CONFIRMED, f"{settings.user} has no key {identifier}.")
        use = user.last_use(identifier)
        for _ in context.attempts(seconds=settings.wait_seconds, every=_PACE):
            use = user.last_use(identifier)
            quiet_since = context.now() - timedelta(seconds=settings.silent_seconds)
            if use.at is None or use.at < quiet_since:
                return Verdict(VerdictKind.CONFIRMED, f"The leaked key {identifier} was {use}.")
            context.progress(f"The leaked key {identifier} is still in use: {use}")
        return Verdict(
            VerdictKind.REFUTED,
            f"The leaked key {identifier} is still in use: {use}.",
            {"do_now": "Find who uses it (CloudTrail knows the key's id), then look again."},
        )


class Deactivate(Step[KeySettings]):
    """Switches the leaked key off, and sees AWS refuse it; undo switches it on again."""

    name: ClassVar[str] = "aws_access_key.deactivate"
    permissions: ClassVar[tuple[Permission, ...]] = (_LIST, _SWITCH, READ_VERSIONS, READ_VALUES)
    reversible: ClassVar[bool] = True
    Settings = KeySettings

    def preview(self, settings: KeySettings) -> str:
        return (
            f"Switches off the access key in version {settings.version} of {settings.secret};"
            " whoever still uses it is refused within seconds."
        )

    def targets(self, settings: KeySettings) -> tuple[str, ...]:
        return (settings.user,)

    def apply(self, settings: KeySettings, context: StepContext) -> Receipt:
        identifier, _ = _leaked(settings, context)
        user = IamUser(settings.user, context.connections)
        key = user.key(identifier)
        facts = {"key_id": identifier, "user": settings.user}
        if key is None:
            return Receipt(f"{settings.user} has no key {identifier} (any more).", facts)
        if key.status != "Inactive":
            user.switch(identifier, on=False)
        return Receipt(f"The key {identifier} of {settings.user} is switched off.", facts)

    def verify(self, settings: KeySettings, receipt: Receipt, context: StepContext) -> Verdict:
        return judged(lambda: _dead(settings, context, "Inactive"), context)

    def undo(self, settings: KeySettings, receipt: Receipt, context: StepContext) -> Receipt:
        identifier = str(receipt.facts["key_id"])
        user = IamUser(settings.user, context.connections)
        if user.key(identifier) is None:
            raise RefusedError(
                f"{settings.user} has no key {identifier} any more: it cannot be switched on.",
                do_now="Go forward: rotate to a new key.",
            )
        user.switch(identifier, on=True)
        return Receipt(f"The key {identifier} of {settings.user} is switched on again.", {})


class Delete(Step[KeySettings]):
    """Deletes the leaked key, which has to be switched off already."""

    name: ClassVar[str] = "aws_access_key.delete"
    permissions: ClassVar[tuple[Permission, ...]] = (_LIST, _DELETE, READ_VERSIONS, READ_VALUES)
    reversible: ClassVar[bool] = False
    final: ClassVar[bool] = True
    Settings = KeySettings

    def preview(self, settings: KeySettings) -> str:
        return (
            f"Deletes the access key in version {settings.version} of {settings.secret} for good,"
            " once it is switched off."
        )

    def targets(self, settings: KeySettings) -> tuple[str, ...]:
        return (settings.user,)

    def apply(self, settings: KeySettings, context: StepContext) -> Receipt:
        identifier, _ = _leaked(settings, context)
        user = IamUser(settings.user, context.connections)
        key = user.key(identifier)
        facts = {"key_id": identifier, "user": settings.user}
        if key is None:
            return Receipt(f"{settings.user} has no key {identifier} (any more).", facts)
        if key.status == "Active":
            raise RefusedError(
                f"The key {identifier} of {settings.user} is still switched on.",
                means="Deleted, it could not be switched on again if somebody needs it.",
                do_now="Switch it off first, and watch for who is missing it.",
            )
        user.delete(identifier)
        return Receipt(f"Deleted the key {identifier} of {settings.user}.", facts)

    def verify(self, settings: KeySettings, receipt: Receipt, context: StepContext) -> Verdict:
        return judged(lambda: _dead(settings, context, ""), context)


def _leaked(settings: KeySettings, context: StepContext) -> tuple[str, SecretValue]:
    secret = KvSecret(settings.secret, context.connections)
    identifier = secret.value(settings.id_field, version=settings.version).reveal().strip()
    return identifier, secret.value(settings.field, version=settings.version)


def _dead(settings: KeySettings, context: StepContext, status: str) -> Verdict:
    """See what IAM lists ("" for: nothing), then try the pair from outside."""
    identifier, value = _leaked(settings, context)
    user = IamUser(settings.user, context.connections)
    key = user.key(identifier)
    if key is not None and key.status != status:
        return Verdict(
            VerdictKind.REFUTED,
            f"IAM lists the key {identifier} of {settings.user} as {key.status.lower()}.",
            {"old_value_refused": False},
        )
    return prove_dead(
        lambda: user.probe(identifier, value),
        who="AWS",
        context=context,
        within=_DEAD_WITHIN,
        control=_control(settings, context, user, identifier),
    )


def _control(
    settings: KeySettings, context: StepContext, user: IamUser, leaked: str
) -> Callable[[], Answer] | None:
    secret = KvSecret(settings.secret, context.connections)
    current = secret.value(settings.id_field).reveal().strip()
    if current == leaked:
        return None
    value = secret.value(settings.field)
    return lambda: user.probe(current, value)
