"""
An ExternalSecret copies now instead of at its next interval.

`refresh` changes an annotation, which External Secrets Operator takes as a reason to copy, and
waits until the status says so. Where the operator would ignore it (CreatedOnce, an interval of
zero, an immutable target, a pinned version), that is said before anything is changed. `verify`
does not rest on the status alone where the bot may read values: the copy's digest is held against
the digest of the store's current version; neither value leaves the call.

There is no way back: the former value of the copy is the leaked one.

Example::

    external_secret.refresh:
      sync: "k8s://prod/payments/ExternalSecret/gateway"
      target: "k8s://prod/payments/Secret/gateway"
      target_key: token
      secret: "vault://main/kv/payments/gateway"
      field: token

Source: https://external-secrets.io/latest/api/externalsecret/ and the operator's
pkg/controllers/externalsecret/externalsecret_controller.go (shouldRefresh: any change of a label or
annotation changes syncedResourceVersion).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from pydantic import Field

from graph import refs
from graph.collector import Permission
from graph.errors import RefusedError
from responders.copies import judged_copy
from responders.kubernetes_objects import KubernetesObject, find
from responders.kv_versions import READ_VALUES
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

_GROUP = "external-secrets.io"
_ASKED_FOR = "force-sync"  # the operator's documented convention; any annotation would do
_BEFORE = "locksmith/synced-before"  # what the status said when we asked: survives a crash
_PACE = 0.5  # seconds between two looks


class RefreshSettings(StepSettings):
    """`target_key` and `field` are "" where the sync copies the whole secret."""

    sync: str
    target: str
    target_key: str = ""
    secret: str = ""
    field: str = ""
    wait_seconds: float = Field(default=120.0, ge=0)


@dataclass(frozen=True, slots=True)
class _Status:
    """`synced` changes with each copy: the operator's resource version, or else the time."""

    synced: str
    refreshed_at: str
    ready: bool
    reason: str


class Refresh(Step[RefreshSettings]):
    """Makes one ExternalSecret copy now, and waits for it."""

    name: ClassVar[str] = "external_secret.refresh"
    permissions: ClassVar[tuple[Permission, ...]] = (
        Permission(
            "kubernetes",
            "get, patch on externalsecrets.external-secrets.io",
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
    syncs: ClassVar[frozenset[str]] = frozenset({"ExternalSecret"})
    Settings = RefreshSettings

    def preview(self, settings: RefreshSettings) -> str:
        return f"Asks {settings.sync} to copy now into {settings.target}, and waits for it."

    def targets(self, settings: RefreshSettings) -> tuple[str, ...]:
        return (settings.sync, settings.target)

    def apply(self, settings: RefreshSettings, context: StepContext) -> Receipt:
        sync = _sync(settings, context)
        found = sync.read()
        _refuse_if_deaf(settings, found)
        annotations = found["metadata"].get("annotations") or {}
        if annotations.get(_ASKED_FOR) == context.key:
            before = str(annotations.get(_BEFORE, ""))
        else:
            before = _status(found).synced
            sync.annotate({_ASKED_FOR: context.key, _BEFORE: before})
        seen = _status(found)
        for _ in context.attempts(seconds=settings.wait_seconds, every=_PACE):
            seen = _status(sync.read())
            if seen.ready and seen.synced != before:
                break
            context.progress(f"Waiting for {settings.sync}: {seen.reason or 'not copied yet'}.")
        done = seen.ready and seen.synced != before
        facts: dict[str, Fact] = {
            "sync": settings.sync,
            "target": refs.split_key(settings.target)[0],
            "before": before,
            "synced": seen.synced if done else "",
            "refreshed_at": seen.refreshed_at if done else "",
        }
        if done:
            return Receipt(f"{settings.sync} copied at {seen.refreshed_at}.", facts)
        return Receipt(
            f"{settings.sync} was asked, but had not copied when the waiting ended"
            f" ({seen.reason or 'no reason given'}).",
            facts,
        )

    def verify(self, settings: RefreshSettings, receipt: Receipt, context: StepContext) -> Verdict:
        return judged(lambda: self._look(settings, receipt, context), context)

    def _look(self, settings: RefreshSettings, receipt: Receipt, context: StepContext) -> Verdict:
        found = _sync(settings, context).read()
        seen = _status(found)
        if not seen.ready:
            return Verdict(
                VerdictKind.REFUTED,
                f"{settings.sync} is not ready: {seen.reason or 'no reason given'}.",
            )
        if seen.synced == receipt.facts["before"]:
            return Verdict(
                VerdictKind.UNKNOWN,
                f"{settings.sync} has not copied since it was asked.",
                {"do_now": "See whether the External Secrets operator runs, then try again."},
            )
        said = f"{settings.sync} says that it copied at {seen.refreshed_at}"
        templated = bool((found["spec"].get("target") or {}).get("template"))
        return judged_copy(settings, context, said, templated=templated)


def _sync(settings: RefreshSettings, context: StepContext) -> KubernetesObject:
    return find(context.connections, settings.sync, "ExternalSecret", group=_GROUP)


def _status(found: Mapping[str, Any]) -> _Status:
    status = found.get("status") or {}
    ready: Mapping[str, Any] = next(
        (entry for entry in status.get("conditions") or () if entry.get("type") == "Ready"), {}
    )
    refreshed_at = str(status.get("refreshTime") or "")
    return _Status(
        synced=str(status.get("syncedResourceVersion") or "") or refreshed_at,
        refreshed_at=refreshed_at,
        ready=ready.get("status") == "True",
        reason="" if ready.get("status") == "True" else str(ready.get("reason") or ""),
    )


def _refuse_if_deaf(settings: RefreshSettings, found: Mapping[str, Any]) -> None:
    """
    Say beforehand where the operator would not copy, or the copy would not change.

    Raises:
        RefusedError: with what a person can do instead.
    """
    spec = found.get("spec") or {}
    target = spec.get("target") or {}
    pinned = _pinned(settings, spec)
    why, do_now = "", f"Delete the Secret {settings.target}: the operator makes it anew."
    if spec.get("refreshPolicy") == "CreatedOnce":
        why = "its refreshPolicy is CreatedOnce: it copies only when the Secret is missing"
    elif spec.get("refreshPolicy") != "OnChange" and _is_zero(spec.get("refreshInterval")):
        why = "its refreshInterval is 0: it copies once and never again"
    elif target.get("immutable"):
        why = "its target is immutable: an existing Secret is never rewritten"
    elif target.get("creationPolicy") == "None":
        why, do_now = "its creationPolicy is None: it writes no Secret", "Skip this step."
    elif pinned:
        why = f"it is pinned to version {pinned} of the store's secret"
        do_now = "Remove `remoteRef.version` from its spec where that is kept (often in git)."
    if why:
        raise RefusedError(
            f"{settings.sync} cannot be refreshed: {why}.",
            means="An annotation changes nothing there, and the copy would keep the old value.",
            do_now=f"{do_now} Then retry this step, or skip it with that reason.",
        )


def _pinned(settings: RefreshSettings, spec: Mapping[str, Any]) -> str:
    for entry in spec.get("data") or ():
        if settings.target_key in {"", entry.get("secretKey")}:
            version = str((entry.get("remoteRef") or {}).get("version") or "")
            if version:
                return version
    return ""


def _is_zero(interval: object) -> bool:
    """Tell 0, "0s", "0h0m0s" and less from "1h"; absent means the operator's default of 1h."""
    text = "" if interval is None else str(interval)
    return text.startswith("-") or bool(text and not text.strip("0hmsnuµ."))
