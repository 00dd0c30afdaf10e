"""
A value that we generate ourselves, in AWS Secrets Manager: rotated by its staging labels.

`stage` writes a new version under AWSPENDING; nobody who asks for the current value gets it yet.
The version's id is made of this plan's key and given as ClientRequestToken, so that a repeat finds
its own version. `promote` moves AWSCURRENT to it, and AWS moves AWSPREVIOUS to the one before; undo
moves AWSCURRENT back. `retire` takes the last labels from the leaked version: AWS calls such a
version deprecated and deletes it when it needs the room. Until then whoever may read the secret can
still ask for it by its id: Secrets Manager knows no way to destroy one version now.

With `field`, the secret is a JSON object, and one member of it changes.

Example::

    aws_secrets_manager.stage: {secret: "aws://111122223333/eu-west-1/secretsmanager/orders"}
    aws_secrets_manager.promote:
      secret: "aws://111122223333/eu-west-1/secretsmanager/orders"
      staged_by: stage
    aws_secrets_manager.retire:
      secret: "aws://111122223333/eu-west-1/secretsmanager/orders"
      promoted_by: promote

Source: https://docs.aws.amazon.com/secretsmanager/latest/userguide/whats-in-a-secret.html and
https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_PutSecretValue.html
"""

import json
from collections.abc import Mapping
from typing import Any, ClassVar
from uuid import NAMESPACE_URL, uuid5

from pydantic import Field

from graph.aws_api import aws_errors, statement
from graph.collector import Permission
from graph.connections import Connections
from graph.errors import BadInputError, ConflictError
from graph.secret_value import SecretValue
from responders.aws_accounts import secret_of
from responders.generated import Alphabet, generate
from responders.step import (
    Receipt,
    Step,
    StepContext,
    StepSettings,
    Verdict,
    VerdictKind,
    judged,
)

CURRENT, PENDING, PREVIOUS = "AWSCURRENT", "AWSPENDING", "AWSPREVIOUS"


def _may(*actions: str, why: str) -> Permission:
    return Permission("aws", statement(*(f"secretsmanager:{one}" for one in actions)), why)


_DESCRIBE = _may("DescribeSecret", why="see which version has which label")
_READ = _may("GetSecretValue", why="compare values, in memory")
_MOVE = _may("UpdateSecretVersionStage", why="move the labels")


class _Secret:
    """One secret: its labels and its values. Every method raises what `aws_errors` does."""

    def __init__(self, ref: str, connections: Connections) -> None:
        self.ref = ref
        api, self._name = secret_of(ref, connections)
        self._client = api.secretsmanager()

    def labels(self) -> dict[str, list[str]]:
        """Give the labels of each version that has any."""
        with aws_errors(f"look at the versions of {self.ref}", service="secretsmanager"):
            answer = self._client.describe_secret(SecretId=self._name)
        return dict(answer.get("VersionIdsToStages") or {})

    def holder(self, label: str) -> str:
        """Name the version that has a label; "" for none."""
        return next((version for version, has in self.labels().items() if label in has), "")

    def value(self, version: str = "") -> tuple[str, SecretValue]:
        """Read one version, or the current one: its id and its text."""
        chosen = {"VersionId": version} if version else {"VersionStage": CURRENT}
        with aws_errors(f"read {self.ref}", service="secretsmanager"):
            answer = self._client.get_secret_value(SecretId=self._name, **chosen)
            found = answer["VersionId"]
        text = answer.get("SecretString")
        if text is None:
            raise BadInputError(
                f"{self.ref} holds bytes and no text.",
                do_now="Replace it by hand: Locksmith generates text only.",
            )
        return found, SecretValue(text)

    def put(self, version: str, value: SecretValue) -> None:
        with aws_errors(f"write a new version of {self.ref}", service="secretsmanager"):
            self._client.put_secret_value(
                SecretId=self._name,
                ClientRequestToken=version,
                SecretString=value.reveal(),
                VersionStages=[PENDING],
            )

    def move(self, label: str, *, to: str = "", away: str = "") -> None:
        given: dict[str, Any] = {"MoveToVersionId": to} if to else {}
        given |= {"RemoveFromVersionId": away} if away else {}
        with aws_errors(f"move {label} of {self.ref}", service="secretsmanager"):
            self._client.update_secret_version_stage(
                SecretId=self._name, VersionStage=label, **given
            )


class StageSettings(StepSettings):
    """`field` "": the whole secret is the value; else it is JSON, and this member changes."""

    secret: str
    field: str = ""
    length: int = Field(default=40, ge=20, le=1024)
    alphabet: Alphabet = "alphanumeric"
    prefix: str = ""


class Stage(Step[StageSettings]):
    """Generates a value and writes it as a version that is not current yet."""

    name: ClassVar[str] = "aws_secrets_manager.stage"
    permissions: ClassVar[tuple[Permission, ...]] = (
        _DESCRIBE,
        _READ,
        _may("PutSecretValue", why="write the new version"),
    )
    reversible: ClassVar[bool] = False
    harmless: ClassVar[bool] = True
    Settings = StageSettings

    def preview(self, settings: StageSettings) -> str:
        what = f"field {settings.field} of " if settings.field else ""
        return (
            f"Generates a new value of {settings.length} characters for {what}{settings.secret} and"
            " writes it under AWSPENDING; readers still get the current one."
        )

    def targets(self, settings: StageSettings) -> tuple[str, ...]:
        return (settings.secret,)

    def apply(self, settings: StageSettings, context: StepContext) -> Receipt:
        secret = _Secret(settings.secret, context.connections)
        version = _version_of(context.key)
        labels = secret.labels()
        if version not in labels:
            _require_none_pending(settings.secret, labels)
            secret.put(version, _next_value(secret, settings))
        return Receipt(
            f"Version {version} of {settings.secret} holds the new value, under AWSPENDING.",
            {"version_id": version, "secret": settings.secret, "field": settings.field},
        )

    def verify(self, settings: StageSettings, receipt: Receipt, context: StepContext) -> Verdict:
        return judged(lambda: self._look(settings, receipt, context), context)

    def _look(self, settings: StageSettings, receipt: Receipt, context: StepContext) -> Verdict:
        secret = _Secret(settings.secret, context.connections)
        version = _noted(receipt, "version_id")
        labels = secret.labels().get(version, [])
        if not labels:
            return Verdict(
                VerdictKind.REFUTED, f"{settings.secret} lists no version {version} with a label."
            )
        if CURRENT in labels:
            return Verdict(VerdictKind.CONFIRMED, f"Version {version} is the current one already.")
        _, staged = secret.value(version)
        _, current = secret.value()
        if _part(staged, settings) == _part(current, settings):
            return Verdict(
                VerdictKind.REFUTED,
                f"Version {version} of {settings.secret} holds the same value as the current one.",
            )
        return Verdict(
            VerdictKind.CONFIRMED,
            f"Read back version {version} of {settings.secret}: {', '.join(labels)}, and another"
            " value than the current one.",
        )


class PromoteSettings(StepSettings):
    """`staged_by` is the plan's step that staged the version."""

    secret: str
    staged_by: str = "stage"


class Promote(Step[PromoteSettings]):
    """Makes the staged version the current one; undo makes the one before it current again."""

    name: ClassVar[str] = "aws_secrets_manager.promote"
    permissions: ClassVar[tuple[Permission, ...]] = (_DESCRIBE, _READ, _MOVE)
    reversible: ClassVar[bool] = True
    Settings = PromoteSettings

    def preview(self, settings: PromoteSettings) -> str:
        return (
            f"Moves AWSCURRENT of {settings.secret} to the staged version; the one before keeps"
            " AWSPREVIOUS."
        )

    def targets(self, settings: PromoteSettings) -> tuple[str, ...]:
        return (settings.secret,)

    def apply(self, settings: PromoteSettings, context: StepContext) -> Receipt:
        secret = _Secret(settings.secret, context.connections)
        version = _of_step(context.receipts, settings.staged_by, "version_id")
        labels = secret.labels()
        if version not in labels:
            raise ConflictError(
                f"{settings.secret} lists no version {version} any more.",
                means="Somebody else staged another value meanwhile; nothing was changed.",
                do_now="Have the staging done again, or plan anew.",
            )
        former = next((v for v, has in labels.items() if CURRENT in has), "")
        if former == version:
            former = next((v for v, has in labels.items() if PREVIOUS in has), "")
        else:
            secret.move(CURRENT, to=version, away=former)
        return Receipt(
            f"Version {version} of {settings.secret} is the current one.",
            {"version_id": version, "former": former, "secret": settings.secret},
        )

    def verify(self, settings: PromoteSettings, receipt: Receipt, context: StepContext) -> Verdict:
        return judged(lambda: self._look(settings, receipt, context), context)

    def _look(self, settings: PromoteSettings, receipt: Receipt, context: StepContext) -> Verdict:
        """Ask as a reader does, and not by the labels."""
        version = _noted(receipt, "version_id")
        served, _ = _Secret(settings.secret, context.connections).value()
        if served != version:
            return Verdict(
                VerdictKind.REFUTED,
                f"Who reads {settings.secret} gets version {served}, not {version}.",
            )
        return Verdict(
            VerdictKind.CONFIRMED,
            f"Who reads {settings.secret} gets version {version}.",
            {"copies": [settings.secret]},
        )

    def undo(self, settings: PromoteSettings, receipt: Receipt, context: StepContext) -> Receipt:
        secret = _Secret(settings.secret, context.connections)
        version, former = _noted(receipt, "version_id"), _noted(receipt, "former")
        current = secret.holder(CURRENT)
        if current == version:
            secret.move(CURRENT, to=former, away=version)
        elif current != former:
            raise ConflictError(
                f"Somebody made version {current} of {settings.secret} the current one meanwhile.",
                means="It was left as it is.",
                do_now="Look at the versions, and move the label by hand if it should go back.",
            )
        return Receipt(f"Version {former} of {settings.secret} is the current one again.", {})


class RetireSettings(StepSettings):
    """`promoted_by` is the plan's step that made another version current."""

    secret: str
    promoted_by: str = "promote"


class Retire(Step[RetireSettings]):
    """Takes the labels from the leaked version, so that AWS may delete it."""

    name: ClassVar[str] = "aws_secrets_manager.retire"
    permissions: ClassVar[tuple[Permission, ...]] = (_DESCRIBE, _MOVE)
    reversible: ClassVar[bool] = False
    final: ClassVar[bool] = True
    Settings = RetireSettings

    def preview(self, settings: RetireSettings) -> str:
        return (
            f"Takes AWSPREVIOUS and every other label from the leaked version of {settings.secret};"
            " AWS then deletes it in its own time."
        )

    def targets(self, settings: RetireSettings) -> tuple[str, ...]:
        return (settings.secret,)

    def apply(self, settings: RetireSettings, context: StepContext) -> Receipt:
        secret = _Secret(settings.secret, context.connections)
        former = _of_step(context.receipts, settings.promoted_by, "former")
        labels = secret.labels().get(former, [])
        if CURRENT in labels:
            raise ConflictError(
                f"Version {former} of {settings.secret} is the current one again.",
                means="Without its label nobody could read the secret; nothing was changed.",
                do_now="Promote the new version again first.",
            )
        for label in labels:
            secret.move(label, away=former)
        return Receipt(
            f"Version {former} of {settings.secret} has no label any more.",
            {"version_id": former, "secret": settings.secret},
        )

    def verify(self, settings: RetireSettings, receipt: Receipt, context: StepContext) -> Verdict:
        return judged(lambda: self._look(settings, receipt, context), context)

    def _look(self, settings: RetireSettings, receipt: Receipt, context: StepContext) -> Verdict:
        former = _noted(receipt, "version_id")
        labels = _Secret(settings.secret, context.connections).labels().get(former, [])
        if labels:
            return Verdict(
                VerdictKind.REFUTED,
                f"Version {former} of {settings.secret} still has {', '.join(labels)}.",
            )
        return Verdict(
            VerdictKind.CONFIRMED,
            f"{settings.secret} lists no label for version {former}: AWS may delete it. Who knows"
            " its id can read it until then.",
        )


def _version_of(key: str) -> str:
    """Name the version that a step makes: the same one for each of its tries."""
    return str(uuid5(NAMESPACE_URL, f"locksmith:{key}"))


def _require_none_pending(ref: str, labels: Mapping[str, list[str]]) -> None:
    pending = next((v for v, has in labels.items() if PENDING in has and CURRENT not in has), "")
    if pending:
        raise ConflictError(
            f"Version {pending} of {ref} is under AWSPENDING already.",
            means="Somebody else rotates it, or a rotation ended half way; nothing was written.",
            do_now="Let it end, or take the label from that version, then try again.",
        )


def _next_value(secret: _Secret, settings: StageSettings) -> SecretValue:
    made = generate(settings.length, settings.alphabet, settings.prefix)
    if not settings.field:
        return made
    _, current = secret.value()
    members = _members(current)
    if settings.field not in members:
        raise BadInputError(
            f"{settings.secret} is no JSON object with the member “{settings.field}”.",
            means="Nothing was written.",
            do_now="Check the field's name; leave it out if the whole secret is the value.",
        )
    return SecretValue(json.dumps({**members, settings.field: made.reveal()}))


def _members(value: SecretValue) -> dict[str, Any]:
    try:
        found = json.loads(value.reveal())
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _part(value: SecretValue, settings: StageSettings) -> Any:
    return _members(value).get(settings.field) if settings.field else value.reveal()


def _of_step(receipts: Mapping[str, Receipt], step: str, fact: str) -> str:
    receipt = receipts.get(step)
    if receipt is None:
        raise BadInputError(
            f"No step “{step}” was done before this one in the plan.",
            do_now="Name the step in the playbook by its id.",
        )
    return _noted(receipt, fact)


def _noted(receipt: Receipt, fact: str) -> str:
    found = str(receipt.facts.get(fact) or "")
    if not found:
        raise BadInputError(f"The step before noted no {fact}: what to do is not known.")
    return found
