"""
Workloads come to run on the new value: restarted, or seen to follow it by themselves.

`restart` patches the pod template's annotations, as `kubectl rollout restart` does, and waits until
every pod was replaced. `confirm` changes nothing: it looks at all consumers, those included that
mount the value as a file, run on a schedule or are scaled to zero, and says for each what is known.
Bare Pods and Jobs cannot be restarted; that is said, and a person is asked.

What restarts by itself is not restarted twice: a workload that Stakater Reloader, Wave or the Vault
Secrets Operator looks after is given `reloader_seconds` to begin, and only then asked. An Argo
Rollout is asked by `spec.restartAt`. Argo CD leaves both alone: an annotation and a field that git
does not have are no difference to it.

There is no way back and none is needed: the former pods held the leaked value.

Example::

    workload_restart.restart:
      workloads: ["k8s://prod/payments/Deployment/api"]
      copies: ["k8s://prod/payments/Secret/gateway#token"]
    workload_restart.confirm:
      workloads: ["k8s://prod/payments/CronJob/settlement"]
      copies: ["k8s://prod/payments/Secret/gateway#token"]

Source: https://kubernetes.io/docs/reference/kubectl/generated/kubectl_rollout/ (the annotation),
https://argoproj.github.io/argo-rollouts/features/restart/ and
https://kubernetes.io/docs/concepts/configuration/secret/ (mounted Secrets are updated within the
kubelet's sync period plus the cache's delay; environment variables and subPath mounts are not).
"""

from datetime import datetime, timedelta
from typing import ClassVar

from pydantic import Field

from graph import refs
from graph.collector import Permission
from graph.words import counted
from responders.pod_verdicts import (
    PACE,
    Finding,
    by_its_files,
    by_its_pods,
    copied_at,
    judge_all,
    short,
    wait_until_rolled,
)
from responders.rollouts import MARK, ROLLING_KINDS, WorkloadState, has_pods, look
from responders.step import Receipt, Step, StepContext, StepSettings, Verdict, judged

_KUBECTL_MARK = "kubectl.kubernetes.io/restartedAt"
_LOOK = Permission(
    "kubernetes",
    "get, list on pods, deployments, statefulsets, daemonsets, replicasets, jobs, cronjobs",
    "see which pods run on the new value",
)


class WorkloadSettings(StepSettings):
    """`copies` are the Secrets (with or without #key) whose new value has to arrive."""

    workloads: tuple[str, ...] = ()
    copies: tuple[str, ...] = ()


class RestartSettings(WorkloadSettings):
    wait_seconds: float = Field(default=300.0, ge=0)
    reloader_seconds: float = Field(default=30.0, ge=0)


class Restart(Step[RestartSettings]):
    """Restarts one wave of workloads and waits until all of their pods are new."""

    name: ClassVar[str] = "workload_restart.restart"
    permissions: ClassVar[tuple[Permission, ...]] = (
        _LOOK,
        Permission(
            "kubernetes",
            "patch on deployments, statefulsets, daemonsets, rollouts.argoproj.io",
            "restart by an annotation of the pod template, or by spec.restartAt",
        ),
    )
    reversible: ClassVar[bool] = False
    follows: ClassVar[bool] = True
    Settings = RestartSettings

    def preview(self, settings: RestartSettings) -> str:
        names = ", ".join(short(ref) for ref in settings.workloads) or "no workload"
        return f"Restarts {names}, pod by pod, and waits until all run on the new value."

    def targets(self, settings: RestartSettings) -> tuple[str, ...]:
        return settings.workloads

    def apply(self, settings: RestartSettings, context: StepContext) -> Receipt:
        asked_at = context.now()
        since = copied_at(context.receipts, settings.copies)
        by_itself = _by_themselves(settings, context, since)
        for ref in settings.workloads:
            state = look(context.connections, ref)
            running = state.exists and state.kind in ROLLING_KINDS and not state.idle
            if running and ref not in by_itself:
                _mark(state, context, asked_at)
        rolled = wait_until_rolled(
            settings.workloads, context, seconds=settings.wait_seconds, since=since
        )
        done = [ref for ref, is_done in rolled.items() if is_done]
        late = [short(ref) for ref, is_done in rolled.items() if not is_done]
        sentence = f"Restarted {', '.join(map(short, done)) or 'nothing'}."
        if by_itself:
            said = ", ".join(f"{short(ref)} by {tool}" for ref, tool in by_itself.items())
            sentence += f" Not asked twice: {said}."
        if late:
            sentence += f" Not finished when the waiting ended: {', '.join(late)}."
        return Receipt(
            sentence, {"asked_at": asked_at.isoformat(), "restarted": done, "late": late}
        )

    def verify(self, settings: RestartSettings, receipt: Receipt, context: StepContext) -> Verdict:
        since = copied_at(context.receipts, settings.copies)

        def judge(state: WorkloadState) -> Finding:
            return by_its_pods(state, context.key, since)

        return judged(
            lambda: judge_all(settings.workloads, settings.copies, context, judge), context
        )


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
            f"Looks at {counted(len(settings.workloads), 'consumer')} and says for each whether it"
            " runs on the new value; mounted files get the time that the kubelets take to follow."
        )

    def targets(self, settings: ConfirmSettings) -> tuple[str, ...]:
        return settings.workloads

    def apply(self, settings: ConfirmSettings, context: StepContext) -> Receipt:
        """Give mounted files their time; whoever does not follow a file is not waited for."""
        since = copied_at(context.receipts, settings.copies)
        followers = [
            ref
            for ref in filter(has_pods, settings.workloads)
            if look(context.connections, ref, settings.copies).follows
        ]
        longest = max((_sync_seconds(context, ref) for ref in followers), default=0.0)
        if since is not None and followers:
            settled = since + timedelta(seconds=longest)
            for _ in context.attempts(seconds=longest, every=PACE):
                left = (settled - context.now()).total_seconds()
                if left <= 0:
                    break
                context.progress(f"Mounted files follow within {left:.0f} s at the latest.")
        return Receipt(f"Looked at {counted(len(settings.workloads), 'consumer')}.")

    def verify(self, settings: ConfirmSettings, receipt: Receipt, context: StepContext) -> Verdict:
        since = copied_at(context.receipts, settings.copies)

        def judge(state: WorkloadState) -> Finding:
            if state.follows and since is not None and state.live:
                passed = (context.now() - since).total_seconds()
                return by_its_files(passed, _sync_seconds(context, state.ref))
            # Without a time the mark proves nothing: it may be that of an earlier incident.
            return by_its_pods(state, state.mark if since else "", since)

        return judged(
            lambda: judge_all(settings.workloads, settings.copies, context, judge), context
        )


def _by_themselves(
    settings: RestartSettings, context: StepContext, since: datetime | None
) -> dict[str, str]:
    """
    Give those that look after themselves the time to begin; return who did, with the tool.

    Without the time of the change nobody could tell their restart from an older one.
    """
    if since is None:
        return {}
    begun: dict[str, str] = {}
    for _ in context.attempts(seconds=settings.reloader_seconds, every=PACE):
        states = [look(context.connections, ref, settings.copies) for ref in settings.workloads]
        looked_after = [state for state in states if state.reloader and not state.idle]
        begun = {
            state.ref: state.reloader
            for state in looked_after
            if state.new_pods("", since) and not state.marked(context.key)
        }
        asked = sum(state.marked(context.key) for state in looked_after)
        if len(begun) + asked == len(looked_after):
            break
        waiting = [short(state.ref) for state in looked_after if state.ref not in begun]
        context.progress(f"Waiting for their reloader to restart {', '.join(waiting)}.")
    return begun


def _mark(state: WorkloadState, context: StepContext, asked_at: datetime) -> None:
    """Ask once: a repeat finds its own key and leaves it alone."""
    if state.marked(context.key):
        return
    stamp = asked_at.strftime("%Y-%m-%dT%H:%M:%SZ")
    cluster = refs.parse(state.ref).path[0]
    if state.kind == "Rollout":
        change = {"metadata": {"annotations": {MARK: context.key}}, "spec": {"restartAt": stamp}}
    else:
        annotations = {MARK: context.key, _KUBECTL_MARK: stamp}
        change = {"spec": {"template": {"metadata": {"annotations": annotations}}}}
    context.connections.kubernetes(cluster).patch(state.path, change)


def _sync_seconds(context: StepContext, ref: str) -> float:
    cluster = refs.parse(ref).path[0]
    return context.connections.cluster_settings(cluster).volume_sync_seconds
