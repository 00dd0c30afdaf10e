"""
Verdicts on workloads: which run on the new value, judged by their pods, runs or files.

Restarting, switching references and merely confirming end in the same question, so the answer is
here once. A workload is CONFIRMED by what its pods are (`rollouts.look`), never by the receipt of
the step that moved it. The worst finding of a group is its verdict, the proven ones its evidence.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime

from graph import refs
from graph.words import counted
from responders.rollouts import WorkloadState, has_pods, look, when
from responders.step import Fact, Receipt, StepContext, Verdict, VerdictKind

PACE = 0.5  # seconds between two looks
_WORST = (VerdictKind.REFUTED, VerdictKind.UNKNOWN, VerdictKind.CONFIRMED)

Finding = tuple[VerdictKind, str]

_WITHOUT_PODS: Finding = (
    VerdictKind.UNKNOWN,
    "has no pods that could be looked at: see that it uses the new value, and confirm that",
)


def copied_at(receipts: Mapping[str, Receipt], copies: Iterable[str]) -> datetime | None:
    """When the last of these copies got the new value, by the receipts of the refreshes."""
    wanted = {refs.split_key(copy)[0] for copy in copies}
    times = [
        when(str(receipt.facts["refreshed_at"]))
        for receipt in receipts.values()
        if receipt.facts.get("target") in wanted and receipt.facts.get("refreshed_at")
    ]
    return max((time for time in times if time is not None), default=None)


def wait_until_rolled(
    workloads: Iterable[str], context: StepContext, *, seconds: float, since: datetime | None
) -> dict[str, bool]:
    """
    Watch those that roll, by our mark or by themselves, until all their pods are new.

    What needs a person's hand, or has given up, is not worth waiting for.
    """
    rolled: dict[str, bool] = {}
    for _ in context.attempts(seconds=seconds, every=PACE):
        states = [look(context.connections, ref) for ref in workloads]
        rolling = [state for state in states if state.marked(context.key) or _moved(state, since)]
        rolled = {state.ref: state.rolled_out(context.key, since) for state in rolling}
        context.progress("; ".join(_count(state, context.key, since) for state in rolling))
        if all(rolled[state.ref] or state.by_hand or state.stalled for state in rolling):
            break
    return rolled


def _moved(state: WorkloadState, since: datetime | None) -> bool:
    return since is not None and bool(state.new_pods("", since))


def _count(state: WorkloadState, key: str, since: datetime | None) -> str:
    new = sum(pod.ready for pod in state.new_pods(key, since))
    return f"{short(state.ref)}: {new} of {state.replicas} pods new"


def judge_all(
    workloads: Iterable[str],
    copies: tuple[str, ...],
    context: StepContext,
    judge: Callable[[WorkloadState], Finding],
) -> Verdict:
    """Judge each workload; the worst finding is the verdict, the proven ones are its evidence."""
    findings: dict[str, Finding] = {}
    for ref in workloads:
        known = has_pods(ref)
        findings[ref] = judge(look(context.connections, ref, copies)) if known else _WITHOUT_PODS
    kinds = {kind for kind, _ in findings.values()}
    worst = next((kind for kind in _WORST if kind in kinds), VerdictKind.CONFIRMED)
    said = [f"{short(ref)} {sentence}" for ref, (_, sentence) in findings.items()]
    proven = [ref for ref, (kind, _) in findings.items() if kind is VerdictKind.CONFIRMED]
    shown = [f"{short(ref)} {text}" for ref, (kind, text) in findings.items() if kind is worst]
    if worst is VerdictKind.CONFIRMED and len(said) > 1:
        shown = [f"All {len(said)} consumers are accounted for: {'; '.join(said)}"]
    facts: dict[str, Fact] = {"workloads": proven, "each": said}
    return Verdict(worst, "; ".join(shown) + "." if shown else "There is no consumer.", facts)


def by_its_files(passed: float, allowed: float) -> Finding:
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


def by_its_pods(state: WorkloadState, key: str, since: datetime | None) -> Finding:
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
        all_of = "one pod that" if len(live) == 1 else f"{len(live)} pods that all"
        return VerdictKind.CONFIRMED, f"runs on {all_of} started after {moment}"
    count = f"{len(new)} of {counted(len(live), 'pod')} started on the new value"
    return _why_not(state, count, all_new=len(new) == len(live))


def _without_pods(state: WorkloadState) -> Finding:
    if state.idle:
        return VerdictKind.CONFIRMED, "is scaled to zero and will start on the new value"
    if state.kind in {"Job", "Pod"}:
        return VerdictKind.CONFIRMED, "has ended"
    return VerdictKind.UNKNOWN, "has no pods: say why none of them starts"


def _why_not(state: WorkloadState, counted: str, *, all_new: bool) -> Finding:
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


def _by_its_runs(state: WorkloadState, since: datetime | None) -> Finding:
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


def short(ref: str) -> str:
    """Shorten a ref for people: payments/Deployment/api."""
    parts = refs.parse(ref).path
    return "/".join(parts[1:])
