"""
A key of the transit engine of Vault or OpenBao: a new version, and an end to the old ones.

`look` notes the newest version before, and changes nothing; `rotate` adds one if the noted one is
still the newest, so a repeat after a crash adds none. What is encrypted or signed from then on uses
the new version; the old ones still decrypt. When everything is rewrapped, `raise_minimum` has the
store refuse the versions up to the noted one. That can be taken back, as long as nobody trims.

The server's "done" is not believed: the key is read again, and tried: what it encrypts now carries
the new version's number, and what was encrypted with the old version (a text of ours, made just
before the minimum was raised) is refused.

Who holds a copy of the old version decrypts old ciphertext wherever they like: no call ends that.

Example::

    vault_transit.look: {key: "vault://main/transit/keys/payments"}
    vault_transit.rotate: {key: "vault://main/transit/keys/payments"}
    vault_transit.raise_minimum: {key: "vault://main/transit/keys/payments"}

Source: https://openbao.org/api-docs/secret/transit/ (rotate, config: min_decryption_version).
"""

from base64 import b64encode
from typing import Any, ClassVar

from pydantic import Field

from graph import refs
from graph.collector import Permission
from graph.errors import AccessDeniedError, BadInputError, ConflictError, NotFoundError
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

_PROBE = b64encode(b"locksmith looks whether this key works").decode()
_READ = Permission(
    "vault", 'path "MOUNT/keys/NAME" { capabilities = ["read"] }', "see its versions"
)
_ENCRYPT = Permission(
    "vault",
    'path "MOUNT/encrypt/NAME" { capabilities = ["update"] }',
    "optional: try the key on a text of ours",
)


class KeySettings(StepSettings):
    """`noted_by` is the step that looked before anything was changed."""

    key: str = Field(pattern=r"^vault://[^/#]+/[^/#]+/keys/[^/#]+$")
    noted_by: str = "look"


class Look(Step[KeySettings]):
    """Notes the newest version of the key."""

    name: ClassVar[str] = "vault_transit.look"
    permissions: ClassVar[tuple[Permission, ...]] = (_READ,)
    reversible: ClassVar[bool] = False
    changes_world: ClassVar[bool] = False
    Settings = KeySettings

    def preview(self, settings: KeySettings) -> str:
        return f"Notes the newest version of {settings.key}; changes nothing."

    def targets(self, settings: KeySettings) -> tuple[str, ...]:
        return (settings.key,)

    def apply(self, settings: KeySettings, context: StepContext) -> Receipt:
        latest = _Key(settings, context).number("latest_version")
        return Receipt(f"The newest version of {settings.key} is {latest}.", {"latest": latest})

    def verify(self, settings: KeySettings, receipt: Receipt, context: StepContext) -> Verdict:
        return judged(lambda: self._look(settings, context), context)

    def _look(self, settings: KeySettings, context: StepContext) -> Verdict:
        latest = _Key(settings, context).number("latest_version")
        return Verdict(
            VerdictKind.CONFIRMED, f"Read again: the newest version of {settings.key} is {latest}."
        )


class Rotate(Step[KeySettings]):
    """Adds a version to the key."""

    name: ClassVar[str] = "vault_transit.rotate"
    permissions: ClassVar[tuple[Permission, ...]] = (
        _READ,
        _ENCRYPT,
        Permission(
            "vault", 'path "MOUNT/keys/NAME/rotate" { capabilities = ["update"] }', "add a version"
        ),
    )
    reversible: ClassVar[bool] = False
    harmless: ClassVar[bool] = True
    Settings = KeySettings

    def preview(self, settings: KeySettings) -> str:
        return f"Adds a version to {settings.key}; the old ones still decrypt and verify."

    def targets(self, settings: KeySettings) -> tuple[str, ...]:
        return (settings.key,)

    def apply(self, settings: KeySettings, context: StepContext) -> Receipt:
        key = _Key(settings, context)
        noted, latest = key.noted(), key.number("latest_version")
        if latest > noted:
            return Receipt(f"{settings.key} has version {latest} already.", {"noted": noted})
        key.ask("post", f"keys/{key.name}/rotate", f"rotate {settings.key}")
        return Receipt(f"The store took the order to rotate {settings.key}.", {"noted": noted})

    def verify(self, settings: KeySettings, receipt: Receipt, context: StepContext) -> Verdict:
        return judged(lambda: self._look(settings, context), context)

    def _look(self, settings: KeySettings, context: StepContext) -> Verdict:
        key = _Key(settings, context)
        noted, latest = key.noted(), key.number("latest_version")
        if latest <= noted:
            return Verdict(
                VerdictKind.REFUTED, f"The newest version of {settings.key} is still {latest}."
            )
        made = key.encrypt()
        if made and not made.startswith(f"vault:v{latest}:"):
            return Verdict(
                VerdictKind.REFUTED,
                f"{settings.key} has version {latest}, but does not encrypt with it.",
            )
        tried = "encrypts with it" if made else "was not tried (it may not, or does not encrypt)"
        return Verdict(
            VerdictKind.CONFIRMED,
            f"Read back: {settings.key} has version {latest}, and {tried}.",
            {"version": latest},
        )


class RaiseMinimum(Step[KeySettings]):
    """Has the store refuse the versions up to the noted one; undo allows them again."""

    name: ClassVar[str] = "vault_transit.raise_minimum"
    permissions: ClassVar[tuple[Permission, ...]] = (
        _READ,
        _ENCRYPT,
        Permission(
            "vault",
            'path "MOUNT/keys/NAME/config" { capabilities = ["update"] }',
            "set min_decryption_version",
        ),
        Permission(
            "vault",
            'path "MOUNT/decrypt/NAME" { capabilities = ["update"] }',
            "optional: prove that the old version is refused",
        ),
    )
    reversible: ClassVar[bool] = True
    Settings = KeySettings

    def preview(self, settings: KeySettings) -> str:
        return (
            f"Has the store refuse whatever was encrypted or signed with the old versions of"
            f" {settings.key}; what was not rewrapped cannot be read until this is taken back."
        )

    def targets(self, settings: KeySettings) -> tuple[str, ...]:
        return (settings.key,)

    def apply(self, settings: KeySettings, context: StepContext) -> Receipt:
        key = _Key(settings, context)
        wanted, before = key.noted() + 1, key.number("min_decryption_version")
        if key.number("latest_version") < wanted:
            raise ConflictError(
                f"{settings.key} has no version after {wanted - 1}.",
                means="With the minimum above it, the key could do nothing at all.",
                do_now="Rotate the key first.",
            )
        facts: dict[str, Fact] = {"wanted": wanted, "before": before, "probe": ""}
        if before >= wanted:
            return Receipt(f"The minimum of {settings.key} is {before} already.", facts)
        facts["probe"] = key.encrypt(version=wanted - 1)
        key.set_minimum(wanted)
        return Receipt(f"The store took {wanted} as the minimum of {settings.key}.", facts)

    def verify(self, settings: KeySettings, receipt: Receipt, context: StepContext) -> Verdict:
        return judged(lambda: self._look(settings, receipt, context), context)

    def _look(self, settings: KeySettings, receipt: Receipt, context: StepContext) -> Verdict:
        key = _Key(settings, context)
        wanted, minimum = key.noted() + 1, key.number("min_decryption_version")
        probe = str(receipt.facts.get("probe") or "")
        if minimum < wanted or any(version < wanted for version in key.versions()):
            return Verdict(
                VerdictKind.REFUTED,
                f"The minimum of {settings.key} is {minimum}, not {wanted}.",
                {"old_value_refused": False},
            )
        said = f"Read back: the minimum of {settings.key} is {minimum}"
        refused = key.refuses(probe) if probe else None
        if refused is None:
            return Verdict(VerdictKind.CONFIRMED, f"{said}; an old ciphertext was not tried.")
        if not refused:
            return Verdict(
                VerdictKind.REFUTED,
                f"{said}, but what its old version encrypted is still decrypted.",
                {"old_value_refused": False},
            )
        return Verdict(
            VerdictKind.CONFIRMED,
            f"{said}, and what its old version encrypted is refused.",
            {"old_value_refused": True},
        )

    def undo(self, settings: KeySettings, receipt: Receipt, context: StepContext) -> Receipt:
        """
        Allow the old versions again.

        Raises:
            ConflictError: the store does not show the former minimum afterwards.
        """
        key = _Key(settings, context)
        before = receipt.facts.get("before")
        if not isinstance(before, int) or before >= key.number("min_decryption_version"):
            return Receipt(f"The minimum of {settings.key} is what it was.")
        key.set_minimum(before)
        if key.number("min_decryption_version") != before:
            raise ConflictError(f"The store did not take {before} as the minimum.")
        return Receipt(f"The minimum of {settings.key} is {before} again.")


class _Key:
    """The key that a step is about, for one call."""

    def __init__(self, settings: KeySettings, context: StepContext) -> None:
        self._settings, self._context = settings, context
        self._store, self._mount, _, self.name = refs.parse(settings.key).path

    def ask(
        self, method: str, path: str, doing: str, body: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        connections = self._context.connections
        path = f"{self._mount}/{path}"
        return connections.ask_vault(self._store, method, path, doing=doing, body=body)

    def noted(self) -> int:
        """
        Give the version that the look before noted.

        Raises:
            BadInputError: there was no look, so a repeat could rotate twice.
        """
        receipt = self._context.receipts.get(self._settings.noted_by)
        latest = receipt.facts.get("latest") if receipt else None
        if not isinstance(latest, int):
            raise BadInputError(
                f"No step “{self._settings.noted_by}” has noted the newest version of the key.",
                means="Repeated after a crash, it would be rotated twice.",
                do_now="Put vault_transit.look before this step in the playbook.",
            )
        return latest

    def number(self, name: str) -> int:
        found = self._read().get(name)
        if not isinstance(found, int):
            raise NotFoundError(f"{self._settings.key} does not tell its {name}.")
        return found

    def versions(self) -> tuple[int, ...]:
        """Name the versions that the store still works with."""
        found = self._read().get("keys")
        return tuple(int(each) for each in found if str(each).isdigit()) if found else ()

    def set_minimum(self, version: int) -> None:
        body = {"min_decryption_version": version}
        self.ask("post", f"keys/{self.name}/config", f"set the minimum of {self.name}", body)

    def encrypt(self, *, version: int | None = None) -> str:
        """Encrypt a text of ours; "" where the bot may not, or the key is not for that."""
        body: dict[str, Any] = {"plaintext": _PROBE}
        if version is not None:
            body["key_version"] = version
        try:
            made = self.ask("post", f"encrypt/{self.name}", f"encrypt with {self.name}", body)
        except (AccessDeniedError, BadInputError):
            return ""
        return str(made.get("ciphertext") or "")

    def refuses(self, ciphertext: str) -> bool | None:
        """Try to decrypt; None: the bot may not."""
        body = {"ciphertext": ciphertext}
        try:
            self.ask("post", f"decrypt/{self.name}", f"decrypt with {self.name}", body)
        except BadInputError:
            return True
        except AccessDeniedError:
            return None
        return False

    def _read(self) -> dict[str, Any]:
        return self.ask("get", f"keys/{self.name}", f"read {self._settings.key}")
