"""
Workloads come to run on the new value: restarted, or seen to follow it by themselves.

`restart` patches the pod template's annotations, as `kubectl rollout restart` does, and waits until
every pod was replaced. `confirm` changes nothing: it looks at all consumers, those included that
mount the value as a file, run on a schedule or are scaled to zero, and says for each what is known.
Bare Pods and Jobs cannot be restarted; that is said, and a person is asked.

There is no way back and none is needed: the former pods held the leaked value.

Example::

    workload_restart.restart:
      workloads: ["k8s://prod/payments/Deployment/api"]
      copies: ["k8s://prod/payments/Secret/gateway#token"]
    workload_restart.confirm:
      workloads: ["k8s://prod/payments/CronJob/settlement"]
      copies: ["k8s://prod/payments/Secret/gateway#token"]

Source: https://kubernetes.io/docs/reference/kubectl/generated/kubectl_rollout/ (the annotation) and
https://kubernetes.io/docs/concepts/configuration/secret/ (mounted Secrets are updated within the
kubelet's sync period plus the cache's delay; environment variables and subPath mounts are not).
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import ClassVar

from pydantic import Field

from graph import refs
from graph.collector import Permission
from responders.rollouts import MARK, ROLLING_KINDS, WorkloadState, look, when
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

_KUBECTL_MARK = "kubectl.kubernetes.io/restartedAt"
_LOOK = Permission(
    "kubernetes",
    "get, list on pods, deployments, statefulsets, daemonsets, replicasets, jobs, cronjobs",
    "see which pods run on the new value",
)
_PACE = 0.5  # seconds between two looks
_WORST = (VerdictKind.REFUTED, VerdictKind.UNKNOWN, VerdictKind.CONFIRMED)

_Finding = tuple[VerdictKind, str]


class WorkloadSettings(StepSettings):
    """`copies` are the Secrets (with or without #key) whose new value has to arrive."""

    workloads: tuple[str, ...] = ()
    copies: tuple[str, ...] = ()


class RestartSettings(WorkloadSettings):
    wait_seconds: float = Field(default=300.0, ge=0)


class Restart(Step[RestartSettings]):
    """Restarts one wave of workloads and waits until all of their pods are new."""

    name: ClassVar[str] = "workload_restart.restart"
    permissions: ClassVar[tuple[Permission, ...]] = (
        _LOOK,
        Permission(
            "kubernetes",
            "patch on deployments, statefulsets, daemonsets",
            "restart by an annotation of the pod template",
        ),
    )
    reversible: ClassVar[bool] = False
    Settings = RestartSettings

    def preview(self, settings: RestartSettings) -> str:
        names = ", ".join(_name(ref) for ref in settings.workloads) or "no workload"
        return f"Restarts {names}, pod by pod, and waits until all run on the new value."

    def targets(self, settings: RestartSettings) -> tuple[str, ...]:
        return settings.workloads

    def apply(self, settings: RestartSettings, context: StepContext) -> Receipt:
        asked_at = context.now()
        for ref in settings.workloads:
            state = look(context.connections, ref)
            if state.exists and state.kind in ROLLING_KINDS and not state.idle:
                _mark(state, context, asked_at)
        rolled = _wait(settings, context)
        done = [ref for ref, is_done in rolled.items() if is_done]
        late = [_name(ref) for ref, is_done in rolled.items() if not is_done]
        sentence = f"Restarted {', '.join(map(_name, done)) or 'nothing'}."
        if late:
            sentence += f" Not finished when the waiting ended: {', '.join(late)}."
        return Receipt(
            sentence, {"asked_at": asked_at.isoformat(), "restarted": done, "late": late}
        )

    def verify(self, settings: RestartSettings, receipt: Receipt, context: StepContext) -> Verdict:
        since = copied_at(context.receipts, settings.copies)

        def judge(state: WorkloadState) -> _Finding:
            return _by_its_pods(state, context.key, since)

        return judged(lambda: _all(settings, context, judge), context)


class ConfirmSettings(WorkloadSettings):
    """How long mounted files may take to follow is a setting of the cluster."""


class Confirm(Step[ConfirmSettings]):
    """Looks at every consumer, and says for each how it is known to be on the new value."""

    name: ClassVar[str] = "workload_restart.confirm"
    permissions: ClassVar[tuple[Permission, ...]] = (_LOOK,)
    reversible: ClassVar[bool] = False
    changes_world: ClassVar[bool] = False
    Settings = ConfirmSettings

    def preview(self, settings: ConfirmSettings) -> str:
        return (
            f"Looks at {len(settings.workloads)} consumers and says for each whether it runs on"
            " the new value; mounted files get the time that the kubelets take to follow."
        )

    def targets(self, settings: ConfirmSettings) -> tuple[str, ...]:
        return settings.workloads

    def apply(self, settings: ConfirmSettings, context: StepContext) -> Receipt:
        """Give mounted files their time; whoever does not follow a file is not waited for."""
        since = copied_at(context.receipts, settings.copies)
        followers = [
            ref
            for ref in settings.workloads
            if look(context.connections, ref, settings.copies).follows
        ]
        longest = max((_sync_seconds(context, ref) for ref in followers), default=0.0)
        if since is not None and followers:
            settled = since + timedelta(seconds=longest)
            for _ in context.attempts(seconds=longest, every=_PACE):
                left = (settled - context.now()).total_seconds()
                if left <= 0:
                    break
                context.progress(f"Mounted files follow within {left:.0f} s at the latest.")
        return Receipt(f"Looked at {len(settings.workloads)} consumers.")

    def verify(self, settings: ConfirmSettings, receipt: Receipt, context: StepContext) -> Verdict:
        since = copied_at(context.receipts, settings.copies)

        def judge(state: WorkloadState) -> _Finding:
            if state.follows and since is not None and state.live:
                passed = (context.now() - since).total_seconds()
                return _by_its_files(passed, _sync_seconds(context, state.ref))
            # Without a time the mark proves nothing: it may be that of an earlier incident.
            return _by_its_pods(state, state.mark if since else "", since)

        return judged(lambda: _all(settings, context, judge), context)


def copied_at(receipts: Mapping[str, Receipt], copies: Iterable[str]) -> datetime | None:
    """When the last of these copies got the new value, by the receipts of the refreshes."""
    wanted = {refs.split_key(copy)[0] for copy in copies}
    times = [
        when(str(receipt.facts["refreshed_at"]))
        for receipt in receipts.values()
        if receipt.facts.get("target") in wanted and receipt.facts.get("refreshed_at")
    ]
    return max((time for time in times if time is not None), default=None)


def _mark(state: WorkloadState, context: StepContext, asked_at: datetime) -> None:
    """Ask once: a repeat finds its own key in the template and leaves it alone."""
    if state.mark == context.key:
        return
    stamp = asked_at.strftime("%Y-%m-%dT%H:%M:%SZ")
    annotations = {MARK: context.key, _KUBECTL_MARK: stamp}
    cluster = refs.parse(state.ref).path[0]
    context.connections.kubernetes(cluster).patch(
        state.path, {"spec": {"template": {"metadata": {"annotations": annotations}}}}
    )


def _wait(settings: RestartSettings, context: StepContext) -> dict[str, bool]:
    """Watch the restarted ones until all their pods are new, or the time is over."""
    rolled: dict[str, bool] = {}
    for _ in context.attempts(seconds=settings.wait_seconds, every=_PACE):
        states = [look(context.connections, ref) for ref in settings.workloads]
        rolling = [state for state in states if state.mark == context.key]
        rolled = {state.ref: state.rolled_out(context.key, None) for state in rolling}
        context.progress("; ".join(_count(state, context.key) for state in rolling))
        # What needs a person's hand, or has given up, is not worth waiting for.
        if all(rolled[state.ref] or state.by_hand or state.stalled for state in rolling):
            break
    return rolled


def _count(state: WorkloadState, key: str) -> str:
    new = sum(pod.ready for pod in state.new_pods(key, None))
    return f"{_name(state.ref)}: {new} of {state.replicas} pods new"


def _all(
    settings: WorkloadSettings, context: StepContext, judge: Callable[[WorkloadState], _Finding]
) -> Verdict:
    """Judge each workload; the worst finding is the verdict, the proven ones are its evidence."""
    findings: dict[str, _Finding] = {}
    for ref in settings.workloads:
        findings[ref] = judge(look(context.connections, ref, settings.copies))
    kinds = {kind for kind, _ in findings.values()}
    worst = next((kind for kind in _WORST if kind in kinds), VerdictKind.CONFIRMED)
    said = [f"{_name(ref)} {sentence}" for ref, (_, sentence) in findings.items()]
    proven = [ref for ref, (kind, _) in findings.items() if kind is VerdictKind.CONFIRMED]
    shown = [f"{_name(ref)} {text}" for ref, (kind, text) in findings.items() if kind is worst]
    if worst is VerdictKind.CONFIRMED and len(said) > 1:
        shown = [f"All {len(said)} consumers are accounted for: {'; '.join(said)}"]
    facts: dict[str, Fact] = {"workloads": proven, "each": said}
    return Verdict(worst, "; ".join(shown) + "." if shown else "There is no consumer.", facts)


def _sync_seconds(context: StepContext, ref: str) -> float:
    cluster = refs.parse(ref).path[0]
    return context.connections.cluster_settings(cluster).volume_sync_seconds


def _by_its_files(passed: float, allowed: float) -> _Finding:
    """Judge by the time that the kubelet has had: `passed` and `allowed` are in seconds."""
    if passed >= allowed:
        sentence = (
            f"mounts the value as a file, and the kubelet has had {passed:.0f} s to rewrite it"
            f" (it takes at most {allowed:g} s); the application must read the file again"
        )
        return VerdictKind.CONFIRMED, sentence
    return (
        VerdictKind.UNKNOWN,
        f"mounts the value as a file, and only {passed:.0f} of {allowed:g} s have passed",
    )


def _by_its_pods(state: WorkloadState, key: str, since: datetime | None) -> _Finding:
    if not state.exists:
        return VerdictKind.UNKNOWN, "is not there any more: say where it runs now"
    if state.kind == "CronJob":
        return _by_its_runs(state, since)
    if not state.live:
        return _without_pods(state)
    if since is None and not key:
        return VerdictKind.UNKNOWN, "is not judged: nothing here says when its copy changed"
    live, new = state.live, state.new_pods(key, since)
    if state.rolled_out(key, since):
        moment = "the restart was asked for" if since is None else "the copy had changed"
        return VerdictKind.CONFIRMED, f"runs on {len(live)} pods that all started after {moment}"
    counted = f"{len(new)} of {len(live)} pods started on the new value"
    return _why_not(state, counted, all_new=len(new) == len(live))


def _without_pods(state: WorkloadState) -> _Finding:
    if state.idle:
        return VerdictKind.CONFIRMED, "is scaled to zero and will start on the new value"
    if state.kind in {"Job", "Pod"}:
        return VerdictKind.CONFIRMED, "has ended"
    return VerdictKind.UNKNOWN, "has no pods: say why none of them starts"


def _why_not(state: WorkloadState, counted: str, *, all_new: bool) -> _Finding:
    if state.kind in {"Pod", "Job"}:
        what = "bare Pod" if state.kind == "Pod" else "Job under way"
        sentence = (
            f"is a {what} that started before and cannot be restarted: delete it, let its owner"
            " create it again, and look once more"
        )
        return VerdictKind.UNKNOWN, sentence
    if state.by_hand:
        return VerdictKind.UNKNOWN, f"has {counted}; {state.by_hand}, and look once more"
    troubles = ", ".join(sorted({pod.trouble for pod in state.live if pod.trouble}))
    if state.stalled or troubles:
        return VerdictKind.REFUTED, f"has {counted}, and is stuck: {troubles or state.stalled}"
    if all_new:
        return VerdictKind.UNKNOWN, f"has {counted}, but not all of them are ready"
    return VerdictKind.REFUTED, f"has {counted}; the others still hold the old one"


def _by_its_runs(state: WorkloadState, since: datetime | None) -> _Finding:
    old = [
        pod
        for pod in state.live
        if since is None or pod.started_at is None or pod.started_at <= since
    ]
    if old:
        sentence = (
            f"has a run under way that may hold the old value ({old[0].name}): wait for its end,"
            " and look once more"
        )
        return VerdictKind.UNKNOWN, sentence
    rest = " (it is suspended)" if state.suspended else f" (schedule {state.schedule})"
    return VerdictKind.CONFIRMED, f"reads the new value at its next run{rest}"


def _name(ref: str) -> str:
    """Shorten a ref for people: payments/Deployment/api."""
    parts = refs.parse(ref).path
    return "/".join(parts[1:])
