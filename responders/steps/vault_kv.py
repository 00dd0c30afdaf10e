"""
A value that we generate ourselves, in KV version 2: written anew, and the leaked version destroyed.

For secrets that the store itself is the source of: signing keys, webhook secrets, passwords of
things that read them from the store. A token that somebody else issues is `http_token`.

The way back of `rotate` writes the former value, which is the leaked one, as the next version: for
a run that fails before its point of no return, so that everybody has one value again. The next plan
is about that version. `destroy_version` has no way back: destroyed data is gone. What was written
back lies in two versions, and it destroys both.

Example::

    vault_kv.rotate: {secret: "vault://main/kv/shop/session", field: signing_key, length: 48}
    vault_kv.destroy_version: {secret: "vault://main/kv/shop/session", version: 3}

Source: https://openbao.org/api-docs/secret/kv/kv-v2/ (patch with options.cas, destroy, metadata).
"""

from typing import ClassVar

from pydantic import Field

from graph.collector import Permission
from graph.errors import NotFoundError, RefusedError
from responders.generated import Alphabet, generate
from responders.kv_versions import (
    READ_VALUES,
    READ_VERSIONS,
    WRITE_VALUES,
    KvSecret,
    Mark,
    Versions,
    digest,
)
from responders.kv_way_back import judged_back, put_back
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


class RotateSettings(StepSettings):
    """`length` counts the generated characters, without `prefix`."""

    secret: str
    field: str = Field(min_length=1)
    length: int = Field(default=40, ge=20, le=1024)
    alphabet: Alphabet = "alphanumeric"
    prefix: str = ""
    leaked_version: int | None = None


class Rotate(Step[RotateSettings]):
    """Generates a value and writes it as the next version; other fields stay as they are."""

    name: ClassVar[str] = "vault_kv.rotate"
    permissions: ClassVar[tuple[Permission, ...]] = (READ_VERSIONS, READ_VALUES, *WRITE_VALUES)
    reversible: ClassVar[bool] = True
    Settings = RotateSettings

    def preview(self, settings: RotateSettings) -> str:
        return (
            f"Generates a new value of {settings.length} characters and writes it to"
            f" {settings.secret}, field {settings.field}, as a new version; the other fields stay."
        )

    def targets(self, settings: RotateSettings) -> tuple[str, ...]:
        return (settings.secret,)

    def apply(self, settings: RotateSettings, context: StepContext) -> Receipt:
        secret = KvSecret(settings.secret, context.connections)
        seen = secret.look()
        done = secret.written_under(seen, context.key, settings.field, context.fingerprinter)
        if done is None:
            value = generate(settings.length, settings.alphabet, settings.prefix)
            secret.set_mark(
                Mark(context.key, seen.current, digest=digest(value, context.fingerprinter))
            )
            done = secret.write(settings.field, value, after=seen.current)
        return Receipt(
            f"Version {done} of {settings.secret} holds the new value of {settings.field}.",
            {"version": done, "secret": settings.secret, "field": settings.field},
        )

    def verify(self, settings: RotateSettings, receipt: Receipt, context: StepContext) -> Verdict:
        return judged(lambda: self._look(settings, receipt, context), context)

    def _look(self, settings: RotateSettings, receipt: Receipt, context: StepContext) -> Verdict:
        version = int(str(receipt.facts["version"]))
        secret = KvSecret(settings.secret, context.connections)
        seen = secret.look()
        facts: dict[str, Fact] = {"version": seen.current}
        if seen.current < version:
            return Verdict(
                VerdictKind.REFUTED,
                f"The current version of {settings.secret} is {seen.current}, not {version}.",
                facts,
            )
        current = digest(secret.value(settings.field), context.fingerprinter)
        former = settings.leaked_version or version - 1
        try:
            leaked = digest(secret.value(settings.field, version=former), context.fingerprinter)
        except NotFoundError:
            leaked = ""
        if current == leaked:
            return Verdict(
                VerdictKind.REFUTED,
                f"The current version {seen.current} of {settings.secret} holds the same value in"
                f" {settings.field} as version {former}.",
                facts,
            )
        later = "" if seen.current == version else f" (somebody wrote after our {version})"
        return Verdict(
            VerdictKind.CONFIRMED,
            f"Read back: version {seen.current} of {settings.secret} is current{later}, and its"
            f" {settings.field} is another value than in version {former}.",
            facts,
        )

    def undo(self, settings: RotateSettings, receipt: Receipt, context: StepContext) -> Receipt:
        return put_back(settings.secret, settings.field, receipt, context)

    def verify_undo(
        self, settings: RotateSettings, receipt: Receipt, undone: Receipt, context: StepContext
    ) -> Verdict:
        return judged_back(settings.secret, settings.field, receipt, undone, context)


class DestroyVersionSettings(StepSettings):
    secret: str
    version: int = Field(ge=1)


class DestroyVersion(Step[DestroyVersionSettings]):
    """Destroys one version, so that nobody reads the leaked value from the store any more."""

    name: ClassVar[str] = "vault_kv.destroy_version"
    permissions: ClassVar[tuple[Permission, ...]] = (
        READ_VERSIONS,
        Permission(
            "vault",
            'path "MOUNT/destroy/PATH" { capabilities = ["update"] }',
            "destroy the version that leaked",
        ),
    )
    reversible: ClassVar[bool] = False
    final: ClassVar[bool] = True
    Settings = DestroyVersionSettings

    def preview(self, settings: DestroyVersionSettings) -> str:
        return f"Destroys version {settings.version} of {settings.secret} for good."

    def targets(self, settings: DestroyVersionSettings) -> tuple[str, ...]:
        return (settings.secret,)

    def apply(self, settings: DestroyVersionSettings, context: StepContext) -> Receipt:
        secret = KvSecret(settings.secret, context.connections)
        seen = secret.look()
        facts: dict[str, Fact] = {"secret": settings.secret, "version": settings.version}
        if seen.current == settings.version:
            raise RefusedError(
                f"Version {settings.version} of {settings.secret} is the current one.",
                means="Destroyed, it would take the value from everything that reads the secret.",
                do_now="Rotate first, then destroy the version that was current before.",
            )
        left = [v for v in seen.holding_the_same(settings.version) if not _gone(seen, v)]
        for version in left:
            secret.destroy(version)
        if not left:
            return Receipt(
                f"Version {settings.version} of {settings.secret} was gone already.", facts
            )
        said = " and ".join(str(version) for version in left)
        return Receipt(f"Destroyed version {said} of {settings.secret}.", facts)

    def verify(
        self, settings: DestroyVersionSettings, receipt: Receipt, context: StepContext
    ) -> Verdict:
        return judged(lambda: self._look(settings, context), context)

    def _look(self, settings: DestroyVersionSettings, context: StepContext) -> Verdict:
        seen = KvSecret(settings.secret, context.connections).look()
        there = seen.versions.get(settings.version)
        if there is None:
            return Verdict(
                VerdictKind.CONFIRMED,
                f"The metadata of {settings.secret} lists no version {settings.version} any more.",
            )
        held = seen.holding_the_same(settings.version)
        left = [str(version) for version in held if not _gone(seen, version)]
        if left:
            return Verdict(
                VerdictKind.REFUTED,
                f"Version {' and '.join(left)} of {settings.secret} is still there.",
            )
        said = " and ".join(str(version) for version in held)
        return Verdict(
            VerdictKind.CONFIRMED,
            f"The metadata of {settings.secret} says: version {said} is destroyed.",
        )


def _gone(seen: Versions, version: int) -> bool:
    there = seen.versions.get(version)
    return there is None or there.destroyed
