"""
A Secret of Kubernetes that is itself the original: a new value in it, and the end of an old one.

`rotate` is for values that nobody else issues (a signing key, a password between two services of
the cluster): it generates one and writes it under the resourceVersion that it was decided on, so
that it never overwrites somebody else's change. It refuses where another controller or git would
put the former value back, and takes away the annotation in which `kubectl apply` kept it. `remove`
deletes a Secret whose successor is in use (`kubernetes_successor`), and refuses while a pod still
names it.

Why there is no way back: the former value would have to lie somewhere for the length of the run, in
a second Secret that other rights open than the first. A third value is one more `rotate`; where a
way back is worth more, `kubernetes_successor` has one.

Example::

    kubernetes_secret.rotate: {secret: "k8s://prod/shop/Secret/session", field: signing_key}
    kubernetes_secret.remove: {secret: "k8s://prod/shop/Secret/session", noted_by: successor}

Source: https://kubernetes.io/docs/concepts/configuration/secret/ and
https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions.
"""

import base64
import secrets
import string
from typing import ClassVar

from pydantic import Field

from graph import refs
from graph.collector import Permission
from graph.errors import ConflictError, RefusedError
from graph.kubernetes.references import pod_references
from graph.words import counted
from responders.copies import text_of
from responders.kubernetes_objects import APPLIED, Json, KubernetesObject, find, put_back_by
from responders.kv_versions import digest
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

_ROTATED_FOR = "locksmith/rotated-for"  # these three are written with the value, in one call
_ROTATED_AT = "locksmith/rotated-at"
_FORMER = "locksmith/former-digest"  # keyed: nobody guesses the value from it
_ALPHABET = string.ascii_letters + string.digits
_TRIES = 3  # against others who change labels and annotations meanwhile
_SHOWN = 5  # pods that a sentence names


class RotateSettings(StepSettings):
    """`although_kept` writes even where git or Helm would put the former value back later."""

    secret: str
    field: str = Field(min_length=1)
    length: int = Field(default=40, ge=20, le=1024)
    prefix: str = ""
    although_kept: bool = False


class Rotate(Step[RotateSettings]):
    """Generates a value and writes it into the Secret; its other keys stay as they are."""

    name: ClassVar[str] = "kubernetes_secret.rotate"
    permissions: ClassVar[tuple[Permission, ...]] = (
        Permission("kubernetes", "get, patch on secrets", "write the new value, read it back"),
        Permission(
            "kubernetes",
            "list on applications.argoproj.io (optional)",
            "see whether Argo CD lets the Secret be",
        ),
    )
    reversible: ClassVar[bool] = False
    Settings = RotateSettings

    def preview(self, settings: RotateSettings) -> str:
        return (
            f"Generates a new value of {settings.length} characters and writes it to"
            f" {settings.secret}, key {settings.field}; the other keys stay."
        )

    def targets(self, settings: RotateSettings) -> tuple[str, ...]:
        return (settings.secret,)

    def apply(self, settings: RotateSettings, context: StepContext) -> Receipt:
        secret = find(context.connections, settings.secret, "Secret")
        found = secret.read()
        former = _digest(settings, found, context)
        for _ in range(_TRIES + 1):  # the last round only looks whether the write before it counted
            if _noted(found, _ROTATED_FOR) == context.key:
                return _rotated(settings, found, context)
            if _digest(settings, found, context) != former:
                break  # somebody else gave it another value
            _refuse_if_vain(settings, secret, found)
            try:
                found = _write(settings, secret, found, context)
            except ConflictError:
                found = secret.read()
        raise ConflictError(
            f"Somebody else writes to {settings.secret} at the same time.",
            means="Nothing was written: their value may be the new one already.",
            do_now="See who it is (an operator, a deployment), then retry this step or skip it.",
        )

    def verify(self, settings: RotateSettings, receipt: Receipt, context: StepContext) -> Verdict:
        return judged(lambda: self._look(settings, receipt, context), context)

    def _look(self, settings: RotateSettings, receipt: Receipt, context: StepContext) -> Verdict:
        secret = find(context.connections, settings.secret, "Secret")
        found = secret.read()
        now, ours = _digest(settings, found, context), _noted(found, _ROTATED_FOR) == context.key
        if now == receipt.facts["former"]:
            return Verdict(
                VerdictKind.REFUTED,
                f"{settings.secret} holds the former value of {settings.field} again:"
                f" {put_back_by(secret, found) or 'somebody put it back'}.",
            )
        if not ours or now != receipt.facts["digest"]:
            return Verdict(
                VerdictKind.UNKNOWN,
                f"{settings.secret} has changed since: {settings.field} holds a value that is"
                " neither the former one nor ours.",
                {"do_now": "See who wrote it, and whether the consumers should have it."},
            )
        copy = refs.with_key(refs.split_key(settings.secret)[0], settings.field)
        return Verdict(
            VerdictKind.CONFIRMED,
            f"Read back: {settings.secret} holds the new value of {settings.field}.",
            {"copies": [copy]},
        )


class RemoveSettings(StepSettings):
    """`noted_by` is the step that made the successor; what it noted names the one to delete."""

    secret: str
    noted_by: str = "successor"


class Remove(Step[RemoveSettings]):
    """Deletes the Secret that leaked, after nothing uses it any more."""

    name: ClassVar[str] = "kubernetes_secret.remove"
    permissions: ClassVar[tuple[Permission, ...]] = (
        Permission("kubernetes", "get, delete on secrets", "delete the Secret that leaked"),
        Permission("kubernetes", "list on pods", "refuse while a pod still names it"),
    )
    reversible: ClassVar[bool] = False
    final: ClassVar[bool] = True
    Settings = RemoveSettings

    def preview(self, settings: RemoveSettings) -> str:
        return f"Deletes {settings.secret} for good, unless a pod still names it."

    def targets(self, settings: RemoveSettings) -> tuple[str, ...]:
        return (settings.secret,)

    def apply(self, settings: RemoveSettings, context: StepContext) -> Receipt:
        secret = find(context.connections, settings.secret, "Secret")
        noted = context.receipts.get(settings.noted_by)
        uid = str(noted.facts.get("former_uid") or "") if noted else ""
        if not uid:
            raise RefusedError(
                f"No successor of {settings.secret} was made in this run.",
                means="Deleted, it would take the value from everything that names it.",
                do_now="Make the successor first (kubernetes_successor.create).",
            )
        users = _users(secret)
        if users:
            raise RefusedError(
                f"{settings.secret} is still named by {counted(len(users), 'pod')}: "
                f"{', '.join(users[:_SHOWN])}.",
                means="Deleted, they would not start again.",
                do_now="Move them to the successor, then retry this step.",
            )
        secret.delete(uid)
        return Receipt(f"Deleted {settings.secret}.", {"secret": settings.secret, "uid": uid})

    def verify(self, settings: RemoveSettings, receipt: Receipt, context: StepContext) -> Verdict:
        return judged(lambda: self._look(settings, context), context)

    def _look(self, settings: RemoveSettings, context: StepContext) -> Verdict:
        secret = find(context.connections, settings.secret, "Secret")
        if not secret.exists():
            return Verdict(
                VerdictKind.CONFIRMED, f"The API server has no {settings.secret} any more."
            )
        return Verdict(
            VerdictKind.REFUTED,
            f"{settings.secret} is there, or there again.",
            {"do_now": "See who makes it anew (git, an operator) and what it holds."},
        )


def _write(
    settings: RotateSettings, secret: KubernetesObject, found: Json, context: StepContext
) -> Json:
    value = settings.prefix + "".join(secrets.choice(_ALPHABET) for _ in range(settings.length))
    annotations: dict[str, str | None] = {
        _ROTATED_FOR: context.key,
        _ROTATED_AT: context.now().isoformat(),
        _FORMER: _digest(settings, found, context),
    }
    if APPLIED in (found["metadata"].get("annotations") or {}):
        annotations[APPLIED] = None
    encoded = base64.b64encode(value.encode()).decode()
    change = {"metadata": {"annotations": annotations}, "data": {settings.field: encoded}}
    return secret.merge(change, seen=found)


def _rotated(settings: RotateSettings, found: Json, context: StepContext) -> Receipt:
    facts: dict[str, Fact] = {
        "secret": settings.secret,
        "field": settings.field,
        "target": refs.split_key(settings.secret)[0],
        "refreshed_at": _noted(found, _ROTATED_AT),
        "former": _noted(found, _FORMER),
        "digest": _digest(settings, found, context),
    }
    return Receipt(f"{settings.secret} holds a new value of {settings.field}.", facts)


def _refuse_if_vain(settings: RotateSettings, secret: KubernetesObject, found: Json) -> None:
    if found.get("immutable"):
        raise RefusedError(
            f"{settings.secret} is immutable: its data cannot change.",
            do_now="Use the playbook for immutable Secrets (kubernetes_successor.create).",
        )
    why = put_back_by(secret, found)
    if why and not settings.although_kept:
        raise RefusedError(
            f"A new value in {settings.secret} would not last: {why}.",
            means="The leaked value would come back, with or without notice.",
            do_now="Change it there, and tell Argo CD to leave the data alone (ignoreDifferences"
            " with RespectIgnoreDifferences=true), or set although_kept in the playbook.",
        )


def _noted(found: Json, name: str) -> str:
    return str((found["metadata"].get("annotations") or {}).get(name) or "")


def _digest(settings: RotateSettings, found: Json, context: StepContext) -> str:
    """Digest the key's value. Raises NotFoundError where there is none, or it is no text."""
    return digest(text_of(found, settings.field, settings.secret), context.fingerprinter)


def _users(secret: KubernetesObject) -> list[str]:
    path = secret.api.resource_path("Pod", "", namespace=secret.namespace)
    return [
        pod["metadata"]["name"]
        for pod in (secret.api.list(path) if path else ())
        if (pod.get("status") or {}).get("phase") not in {"Succeeded", "Failed"}
        and any(use.name == secret.name for use in pod_references(pod.get("spec") or {}))
    ]
