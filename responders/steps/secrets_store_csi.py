"""
Files of the Secrets Store CSI driver: which pods have been given the new version.

Nobody can ask the driver to write now: it looks at its store every two minutes, where its rotation
is switched on, and else only when a pod starts. It tells what it wrote in one
SecretProviderClassPodStatus per pod. `confirm` waits until each of them was written after the
store's current version was made, and says which pods have not been given it: those have to be
started anew. The versions in it are the provider's own (a digest for Vault), so the moment counts.

The moment is the API server's record of the last write (managedFields); servers of old, such as
1.20, renew it only for a new object, so that there only restarted pods count, and the rest is
unknown. The clocks of store and cluster are compared: set `clock_seconds` to what they differ by.

Example::

    secrets_store_csi.confirm:
      sync: "k8s://prod/payments/SecretProviderClass/gateway"
      target: "k8s://prod/payments/SecretProviderClass/gateway"
      target_key: token
      secret: "vault://main/kv/payments/gateway"
      field: token

Source: https://secrets-store-csi-driver.sigs.k8s.io/topics/secret-auto-rotation (poll interval,
SecretProviderClassPodStatus).
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, ClassVar

from pydantic import Field

from graph import refs
from graph.collector import Permission
from graph.errors import NotFoundError
from graph.words import counted, every, some_of
from responders.copies import confirmed, judged_copy
from responders.kubernetes_objects import find
from responders.kv_versions import READ_VALUES, READ_VERSIONS, KvSecret
from responders.rollouts import when
from responders.step import (
    Receipt,
    Step,
    StepContext,
    StepSettings,
    Verdict,
    VerdictKind,
    judged,
)

_GROUP = "secrets-store.csi.x-k8s.io"
_PACE = 0.5  # seconds between two looks
_SHOWN = 5  # pods that a sentence names


class ConfirmSettings(StepSettings):
    """`wait_seconds` covers one poll; `target` is the class, or a Secret that is made of it."""

    sync: str
    target: str
    target_key: str = ""
    secret: str
    field: str = ""
    wait_seconds: float = Field(default=150.0, ge=0)
    clock_seconds: float = Field(default=0.0, ge=0)


class Confirm(Step[ConfirmSettings]):
    """Waits until every pod that mounts the class was given the store's current version."""

    name: ClassVar[str] = "secrets_store_csi.confirm"
    permissions: ClassVar[tuple[Permission, ...]] = (
        Permission(
            "kubernetes",
            "get, list on secretproviderclasspodstatuses.secrets-store.csi.x-k8s.io",
            "see what the driver wrote for each pod, and when",
        ),
        Permission(
            "kubernetes",
            "get on secrets (only in mode “fingerprint”)",
            "compare the digest of a Secret made by the driver with the store's",
        ),
        READ_VERSIONS,
        READ_VALUES,
    )
    reversible: ClassVar[bool] = False
    changes_world: ClassVar[bool] = False
    syncs: ClassVar[frozenset[str]] = frozenset({"SecretProviderClass"})
    Settings = ConfirmSettings

    def preview(self, settings: ConfirmSettings) -> str:
        return (
            f"Waits until the driver has written the new version of {settings.secret} for every"
            f" pod that mounts {settings.sync}; changes nothing."
        )

    def targets(self, settings: ConfirmSettings) -> tuple[str, ...]:
        return (settings.sync,)

    def apply(self, settings: ConfirmSettings, context: StepContext) -> Receipt:
        written: dict[str, datetime | None] = {}
        made = _made_at(settings, context)
        for _ in context.attempts(seconds=settings.wait_seconds, every=_PACE):
            written = _written(settings, context)
            late = _late(written, made, settings)
            if not late:
                break
            given = len(written) - len(late)
            context.progress(f"Given to {given} of {counted(len(written), 'pod')}.")
        late = _late(written, made, settings)
        last = max((moment for moment in written.values() if moment), default=made)
        facts = {
            "target": refs.split_key(settings.target)[0],
            "refreshed_at": "" if late else last.isoformat(),
        }
        return Receipt(f"Looked at {counted(len(written), 'pod')} of {settings.sync}.", facts)

    def verify(self, settings: ConfirmSettings, receipt: Receipt, context: StepContext) -> Verdict:
        return judged(lambda: self._look(settings, context), context)

    def _look(self, settings: ConfirmSettings, context: StepContext) -> Verdict:
        written = _written(settings, context)
        late = _late(written, _made_at(settings, context), settings)
        if late:
            names = ", ".join(late[:_SHOWN]) + (", …" if len(late) > _SHOWN else "")
            return Verdict(
                VerdictKind.UNKNOWN,
                "The driver gave no version since the new one was made to "
                f"{some_of(len(late), len(written), 'pod')} of {settings.sync}: {names}.",
                {"do_now": "Switch its rotation on, or restart these pods, and look again."},
            )
        if not written:
            return confirmed(
                settings, f"No pod mounts {settings.sync}: the next one gets what the store holds."
            )
        pods = every(len(written), "pod")
        said = f"The driver wrote {pods} of {settings.sync} after the new version"
        if "/Secret/" in settings.target:
            return judged_copy(settings, context, said)
        return confirmed(settings, f"{said} was made.")


def _made_at(settings: ConfirmSettings, context: StepContext) -> datetime:
    """Ask the store when its current version was made."""
    seen = KvSecret(settings.secret, context.connections).look()
    version = seen.versions.get(seen.current)
    moment = when(version.created) if version else None
    if moment is None:
        raise NotFoundError(f"{settings.secret} does not say when its current version was made.")
    return moment


def _written(settings: ConfirmSettings, context: StepContext) -> dict[str, datetime | None]:
    """Name each pod that mounts the class, and when the driver last wrote its status."""
    bundle = find(context.connections, settings.sync, "SecretProviderClass", group=_GROUP)
    path = bundle.api.resource_path(
        "SecretProviderClassPodStatus", _GROUP, namespace=bundle.namespace
    )
    found: dict[str, datetime | None] = {}
    for each in bundle.api.list(path) if path else ():
        status = each.get("status") or {}
        if status.get("secretProviderClassName") == bundle.name:
            found[str(status.get("podName") or each["metadata"]["name"])] = _last_write(each)
    return found


def _last_write(found: Mapping[str, Any]) -> datetime | None:
    """Tell by the API server's own record of writes, else by when the object was made."""
    metadata = found["metadata"]
    times = [when(entry.get("time")) for entry in metadata.get("managedFields") or ()]
    known = [time for time in [*times, when(metadata.get("creationTimestamp"))] if time]
    return max(known, default=None)


def _late(
    written: Mapping[str, datetime | None], made: datetime, settings: ConfirmSettings
) -> list[str]:
    """Name those that may have been written before; whole seconds of a moment are its beginning."""
    bound = made + timedelta(seconds=settings.clock_seconds)
    return sorted(pod for pod, moment in written.items() if moment is None or moment < bound)
