"""
How each use of a Secret comes to run on a new value, and why.

The facts are Kubernetes': a container's environment is built when the container is created; the
kubelet rewrites the files of secret and projected volumes; a `subPath` mount is bound to the old
file for good; `immutable` data cannot change at all. On top of it come controllers that restart a
workload by themselves: Stakater Reloader and Wave, both told by annotations. Pure.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from graph.fields import Object, flag, mapping, text
from graph.kubernetes.patterns import pattern_of
from graph.kubernetes.references import CRON_KINDS, PickUp, Reference
from graph.model import PicksUp

STAKATER = "reloader.stakater.com"
WAVE = "wave.pusher.com"

_WAVE_KINDS = frozenset({"Deployment", "StatefulSet", "DaemonSet"})
_STAKATER_KINDS = _WAVE_KINDS | {"Rollout", "DeploymentConfig", "CronJob", "Job"}
# What Reloader looks at (internal/pkg/handler/upgrade.go): no pull secrets, no service accounts.
RELOADER = "reloader"  # how a workload uses what only an annotation for reloaders names
_WATCHED = frozenset({"env", "envFrom", "volume", "projected", "subPath", RELOADER})
_STAKATER_LIST = f"secret.{STAKATER}/reload"
_WAVE_LIST = f"{WAVE}/extra-secrets"
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?")


@dataclass(frozen=True, slots=True)
class Reloaders:
    """
    What the annotations of a workload ask of the reloaders.

    `everything`: any referenced Secret, without those `excluded`; `secrets`: names or patterns;
    `search`: Secrets that carry the `match` annotation; `ignored` is said on the Secret, not here.
    """

    name: str = ""
    everything: bool = False
    secrets: tuple[str, ...] = ()
    search: bool = False
    excluded: tuple[str, ...] = ()

    def covers(self, secret: str, annotations: Mapping[str, str]) -> bool:
        """Say whether a change of `secret`, with these annotations, restarts the workload."""
        if self.name == "stakater" and annotations.get(f"{STAKATER}/ignore") == "true":
            return False
        if secret in self.excluded:
            return False
        if self.everything or any(_fits(pattern, secret) for pattern in self.secrets):
            return True
        return self.search and annotations.get(f"{STAKATER}/match") == "true"


NO_RELOADER = Reloaders()


def reloaders_of(kind: str, annotations: Mapping[str, str]) -> Reloaders:
    """Read the annotations of a workload and of its pod template, merged by the caller."""
    if kind in _STAKATER_KINDS:
        secrets = _listed(annotations, _STAKATER_LIST)
        found = Reloaders(
            name="stakater",
            everything=annotations.get(f"{STAKATER}/auto") == "true"
            or annotations.get(f"secret.{STAKATER}/auto") == "true",
            secrets=secrets,
            search=annotations.get(f"{STAKATER}/search") == "true",
            excluded=_listed(annotations, f"secrets.exclude.{STAKATER}/reload"),
        )
        if found.everything or found.secrets or found.search:
            return found
    if kind in _WAVE_KINDS and annotations.get(f"{WAVE}/update-on-config-change") == "true":
        return Reloaders(name="wave", everything=True)
    return NO_RELOADER


def named_by(kind: str, annotations: Mapping[str, str]) -> Iterator[Reference]:
    """Yield the Secrets that a workload is to be restarted for, named by its pod spec or not."""
    found = reloaders_of(kind, annotations)
    where = {"stakater": _STAKATER_LIST, "wave": _WAVE_LIST}.get(found.name, "")
    for said in _listed(annotations, where):
        namespace, _, name = said.rpartition("/")
        if _NAME.fullmatch(name):  # and no pattern
            field = f"metadata.annotations['{where}']"
            yield Reference(name, RELOADER, field, namespace=namespace)


def held_back(obj: Object) -> str:
    """Say why a changed pod template makes no new pods; "": it does."""
    kind, spec = text(obj, "kind"), mapping(obj, "spec")
    if kind in {"StatefulSet", "DaemonSet"} and text(spec, "updateStrategy", "type") == "OnDelete":
        return "Its update strategy is OnDelete: a pod changes when somebody deletes it."
    if kind == "Deployment" and flag(spec, "paused"):
        return "It is paused: its pods change when somebody resumes it."
    return ""


def _listed(annotations: Mapping[str, str], name: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in annotations.get(name, "").split(",") if part.strip())


def pick_up(
    use: Reference,
    kind: str,
    *,
    reloaders: Reloaders = NO_RELOADER,
    secret_annotations: Mapping[str, str] | None = None,
    immutable: bool = False,
    finished: bool = False,
    held: str = "",
) -> PickUp:
    """Say how this use by a workload of `kind` follows a new value; `held`: see `held_back`."""
    if finished or use.follows is ROLLBACK:
        return _FINISHED if finished else ROLLBACK
    if immutable:
        return _IMMUTABLE
    if use.how not in {"imagePull", "ingressTls"} and kind in _BY_KIND:
        return _BY_KIND[kind]
    covered = use.how in _WATCHED and reloaders.covers(use.name, secret_annotations or {})
    if covered and not held:
        tool = "Stakater Reloader" if reloaders.name == "stakater" else "Wave"
        return PickUp(
            PicksUp.RESTART,
            f"{_WHY_RESTART.get(use.how, 'Restarted')} {tool} restarts it when the Secret changes.",
            by_itself=True,
        )
    own = use.follows or _OWN.get(use.how, _UNKNOWN)
    more = held or (_BARE if kind == "Pod" else "")
    if more and own.picks_up is PicksUp.RESTART:
        return replace(own, reason=f"{own.reason} {more}")
    return own


def _fits(pattern: str, name: str) -> bool:
    """Compare as Reloader does: a name, or a regular expression over the whole name."""
    found = None if pattern == name else pattern_of(pattern)
    return pattern == name or (found is not None and found.fullmatch(name) is not None)


_WHY_RESTART = {
    "env": "An environment variable is set at the container's start.",
    "envFrom": "Environment variables are set at the container's start.",
    "subPath": "A file mounted by subPath never changes in a running container.",
    "volume": "The kubelet rewrites the file.",
    "projected": "The kubelet rewrites the file.",
    RELOADER: "An annotation asks for it.",
}
_FOLLOWS = PickUp(
    PicksUp.SYNC,
    "The kubelet rewrites the file within about two minutes; the application must read it again.",
    by_itself=True,
)
ROLLBACK = PickUp(
    PicksUp.NEVER,
    "Only an earlier revision names it: a rollback would need it again.",
    by_itself=True,
)
_FINISHED = PickUp(PicksUp.NEVER, "It has finished and holds no value any more.", by_itself=True)
_BARE = "Nobody recreates a Pod without an owner."
_IMMUTABLE = PickUp(
    PicksUp.NEVER,
    "The Secret is immutable: the new value needs a Secret of another name, or this one deleted "
    "and created again, and new pods.",
)
_NEXT_RUN = PickUp(
    PicksUp.NEXT_RUN,
    "Each run starts new pods, which read the value of that moment.",
    by_itself=True,
)
_BY_KIND: Mapping[str, PickUp] = {
    **dict.fromkeys(CRON_KINDS, _NEXT_RUN),
    "ScaledJob": _NEXT_RUN,
    "Job": PickUp(
        PicksUp.NEVER, "A Job does not start again: a run under way keeps the old value."
    ),
}
_OWN: Mapping[str, PickUp] = {
    "env": PickUp(
        PicksUp.RESTART, "An environment variable is set at the container's start and kept."
    ),
    "envFrom": PickUp(
        PicksUp.RESTART, "Environment variables are set at the container's start and kept."
    ),
    "subPath": PickUp(
        PicksUp.RESTART,
        "A file mounted by subPath never changes in a running container; it takes a restart.",
    ),
    "volume": _FOLLOWS,
    "projected": _FOLLOWS,
    "serviceAccountToken": _FOLLOWS,
    "persistentVolume": PickUp(
        PicksUp.RESTART,
        "The driver of the volume is given it when the volume is mounted; a running pod keeps its "
        "mount.",
    ),
    "csi": PickUp(
        PicksUp.POLL,
        "The CSI driver is given it when a volume is mounted, or at its own rotation interval.",
    ),
    "imagePull": PickUp(
        PicksUp.POLL,
        "Read at the next image pull; an image that is on the node already starts without it.",
        by_itself=True,
    ),
    "ingressTls": PickUp(
        PicksUp.POLL, "The ingress controller watches the Secret.", by_itself=True
    ),
    "serviceAccount": PickUp(
        PicksUp.UNKNOWN, "Who uses a Secret listed by a service account is not recorded anywhere."
    ),
    "storeAuth": PickUp(
        PicksUp.POLL, "The External Secrets operator reads it at each refresh.", by_itself=True
    ),
    "template": PickUp(
        PicksUp.POLL, "The External Secrets operator reads it at each refresh.", by_itself=True
    ),
    RELOADER: PickUp(
        PicksUp.RESTART, "An annotation asks to restart it when the Secret changes, nothing more."
    ),
    "inferred": PickUp(
        PicksUp.UNKNOWN,
        "The field looks like a reference to a Secret; what its controller does is not known.",
    ),
}
_UNKNOWN = PickUp(PicksUp.UNKNOWN, "Nothing is known about how this use follows a new value.")
