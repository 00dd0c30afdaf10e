"""
A VaultStaticSecret of the Vault Secrets Operator copies now instead of after `refreshAfter`.

`refresh` changes an annotation: the operator reads the store again when the annotations, labels or
spec of one of its syncs change (operators before 0.5 listen to the spec alone: there it takes
until the next `refreshAfter`). That it copied shows in `status.secretMAC`, which is another one
for other data, and, where the bot may read values, in the copy itself, whose digest is held
against the store's. A pinned `version` never follows: that is said before anything is changed.

There is no way back: the former value of the copy is the leaked one.

Example::

    vault_static_secret.refresh:
      sync: "k8s://prod/payments/VaultStaticSecret/gateway"
      target: "k8s://prod/payments/Secret/gateway"
      target_key: token
      secret: "vault://main/kv/payments/gateway"
      field: token

Source: https://developer.hashicorp.com/vault/docs/platform/k8s/vso/api-reference and the operator's
controllers/predicates.go (annotationChangedPredicate), controllers/vaultstaticsecret_controller.go.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field

from graph import refs
from graph.collector import Permission
from graph.errors import RefusedError
from responders.copies import comparable, judged_copy, same_value
from responders.kubernetes_objects import KubernetesObject, find
from responders.kv_versions import READ_VALUES
from responders.step import (
    Receipt,
    Step,
    StepContext,
    StepSettings,
    Verdict,
    VerdictKind,
    judged,
)

_GROUP = "secrets.hashicorp.com"
_ASKED_FOR = "locksmith/copy-asked-for"
_BEFORE = "locksmith/mac-before"  # what the status said when we asked: survives a crash
_PACE = 0.5  # seconds between two looks


class RefreshSettings(StepSettings):
    """`target_key` and `field` are "" where the whole secret is meant."""

    sync: str
    target: str
    target_key: str = ""
    secret: str = ""
    field: str = ""
    wait_seconds: float = Field(default=120.0, ge=0)


class Refresh(Step[RefreshSettings]):
    """Makes one VaultStaticSecret copy now, and waits for it."""

    name: ClassVar[str] = "vault_static_secret.refresh"
    permissions: ClassVar[tuple[Permission, ...]] = (
        Permission(
            "kubernetes",
            "get, patch on vaultstaticsecrets.secrets.hashicorp.com",
            "ask for a copy by an annotation, and see that it was made",
        ),
        Permission(
            "kubernetes",
            "get on secrets (only in mode “fingerprint”)",
            "compare the copy's digest with the store's",
        ),
        READ_VALUES,
    )
    reversible: ClassVar[bool] = False
    follows: ClassVar[bool] = True
    syncs: ClassVar[frozenset[str]] = frozenset({"VaultStaticSecret"})
    Settings = RefreshSettings

    def preview(self, settings: RefreshSettings) -> str:
        return f"Asks {settings.sync} to copy now into {settings.target}, and waits for it."

    def targets(self, settings: RefreshSettings) -> tuple[str, ...]:
        return (settings.sync, settings.target)

    def apply(self, settings: RefreshSettings, context: StepContext) -> Receipt:
        sync = _sync(settings, context)
        found = sync.read()
        _refuse_if_pinned(settings, found)
        annotations = found["metadata"].get("annotations") or {}
        if annotations.get(_ASKED_FOR) == context.key:
            before = str(annotations.get(_BEFORE, ""))
        else:
            before = _mac(found)
            sync.annotate({_ASKED_FOR: context.key, _BEFORE: before})
        copied = False
        for _ in context.attempts(seconds=settings.wait_seconds, every=_PACE):
            copied = _has_copied(settings, context, _mac(sync.read()), before)
            if copied:
                break
            context.progress(f"Waiting for {settings.sync}: not copied yet.")
        facts = {
            "sync": settings.sync,
            "target": refs.split_key(settings.target)[0],
            "before": before,
            "refreshed_at": context.now().isoformat() if copied else "",
        }
        if copied:
            return Receipt(f"{settings.sync} has copied.", facts)
        return Receipt(
            f"{settings.sync} was asked, but had not copied when the waiting ended.", facts
        )

    def verify(self, settings: RefreshSettings, receipt: Receipt, context: StepContext) -> Verdict:
        return judged(lambda: self._look(settings, receipt, context), context)

    def _look(self, settings: RefreshSettings, receipt: Receipt, context: StepContext) -> Verdict:
        found = _sync(settings, context).read()
        mac = _mac(found)
        if not _has_copied(settings, context, mac, str(receipt.facts["before"])):
            return Verdict(
                VerdictKind.UNKNOWN,
                f"{settings.sync} has not copied another value since it was asked.",
                {"do_now": "See whether the Vault Secrets Operator runs, and its `refreshAfter`."},
            )
        destination = (found.get("spec") or {}).get("destination") or {}
        return judged_copy(
            settings,
            context,
            f"{settings.sync} shows another secretMAC than before"
            if mac != receipt.facts["before"]
            else f"{settings.sync} keeps the copy",
            templated=bool(destination.get("transformation")),
        )


def _sync(settings: RefreshSettings, context: StepContext) -> KubernetesObject:
    return find(context.connections, settings.sync, "VaultStaticSecret", group=_GROUP)


def _mac(found: Mapping[str, Any]) -> str:
    return str((found.get("status") or {}).get("secretMAC") or "")


def _has_copied(settings: RefreshSettings, context: StepContext, mac: str, before: str) -> bool:
    """Take another MAC for a copy, or (it may have copied before we asked) the copy itself."""
    if mac and mac != before:
        return True
    return comparable(settings, context) and same_value(settings, context)


def _refuse_if_pinned(settings: RefreshSettings, found: Mapping[str, Any]) -> None:
    pinned = (found.get("spec") or {}).get("version")
    if pinned:
        raise RefusedError(
            f"{settings.sync} cannot be refreshed: it is pinned to version {pinned}.",
            means="The operator would copy the old value again.",
            do_now="Remove `version` from its spec where that is kept (often in git), then retry"
            " this step.",
        )
