"""
The closing proof and the exit gate: what was seen, per copy, per consumer and for the old value.

Pure: a function of the `Case`. A verdict counts, a receipt does not: "applied" proves nothing.
What follows by itself (a mounted file, a CronJob's next run, a workload scaled to zero) is proven
by the copy that it reads, and the proof says so. How it is printed is `export.py`'s business.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from graph.model import PicksUp
from graph.queries.consumers import Consumer
from graph.refs import parse, split_key, with_key
from responders.forecast import ROTATE_FIRST
from responders.incident import Case, Person, StepProgress, StepState, UseState

FOLLOWS = {
    PicksUp.SYNC: "its file follows the copy",
    PicksUp.POLL: "it reads the copy again by itself",
    PicksUp.NEXT_RUN: "its next run starts with what the copy holds",
}


@dataclass(frozen=True, slots=True)
class Proof:
    """About one thing: proven or not, and what was seen (or what is missing)."""

    subject: str
    proven: bool
    sentence: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything that the exit gate looks at; `uses` is empty where no audit log was asked."""

    copies: tuple[Proof, ...]
    consumers: tuple[Proof, ...]
    uses: tuple[Proof, ...]
    old_value: Proof
    steps: tuple[Proof, ...]


@dataclass(frozen=True, slots=True)
class Gate:
    """The exit gate: open when nothing is missing; else each sentence names one thing."""

    open: bool
    missing: tuple[str, ...]


def gate(case: Case) -> Gate:
    """Say whether the incident may close by itself."""
    found = evidence(case)
    proofs = (*found.steps, *found.copies, *found.consumers, *found.uses, found.old_value)
    missing = tuple(f"{proof.subject}: {proof.sentence}" for proof in proofs if not proof.proven)
    missing = (*unreviewed(case), *missing)
    return Gate(not missing, missing)


def unreviewed(case: Case) -> tuple[str, ...]:
    """Say that a break-glass run waits for its review; no waiver stands in for it."""
    emergency = case.emergency
    if emergency is None or emergency.reviewer is not None:
        return ()
    who = emergency.person.name or emergency.person.identity
    return (f"the break-glass run of {who}: nobody else has reviewed it",)


def evidence(case: Case) -> Evidence:
    """Collect what the confirmed verdicts prove."""
    confirmed = [each for each in case.progress if each.state is StepState.CONFIRMED]
    copies = _copies_seen(confirmed)
    workloads = _workloads_seen(confirmed)
    stale = leaked_is_stale(case)
    return Evidence(
        copies=tuple(_copy(ref, copies, stale=stale) for ref in _places(case)),
        consumers=tuple(
            _consumer(consumer, workloads, copies, stale=stale)
            for consumer in case.blast_radius.consumers
        ),
        uses=tuple(_uses(case)),
        old_value=_old_value(case, confirmed),
        steps=tuple(_step(each) for each in case.progress),
    )


def vouched(case: Case, step: StepProgress, person: Person, evidence: str) -> dict[str, object]:
    """Say what a person's word stands for: by phase, what a step would have proven."""
    radius = case.blast_radius
    vouched: dict[str, object] = {"confirmed_by": person.identity, "evidence": evidence}
    named = step.step.settings
    if step.step.phase == "reload" and "workloads" not in named:
        vouched["workloads"] = [str(consumer.workload) for consumer in radius.consumers]
    if step.step.phase == "refresh" and "target" not in named:
        vouched["copies"] = [str(copy.secret) for copy in radius.copies]
    if step.step.phase == "rotate" and "secret" not in named:
        vouched["copies"] = [str(secret) for secret, _ in radius.secrets]
    if step.step.phase == "verify" and step.step.use.startswith("manual."):
        vouched["old_value_refused"] = True
    return vouched


def leaked_is_stale(case: Case) -> bool:
    """Whether the leaked value had been replaced already when the plan was made."""
    phases = {each.step.phase for each in case.progress}
    found = bool(case.matches) and not any(match.current for match in case.matches)
    return found and "rotate" not in phases


def in_short(progress: StepProgress) -> str:
    """Say what a step saw without the list of the things that it looked at one by one."""
    found = _texts(progress.evidence.get("each"))
    begins = progress.sentence.find(found[0]) if len(found) > 1 else -1
    return f"{progress.sentence[:begins].rstrip(' :;')}." if begins > 0 else progress.sentence


def _step(progress: StepProgress) -> Proof:
    done = progress.state is StepState.CONFIRMED
    said = in_short(progress) or f"is {progress.state}"
    return Proof(
        progress.step.title, done, said if done else f"step {progress.state}: {progress.sentence}"
    )


def _copy(place: str, copies: Mapping[str, str], *, stale: bool) -> Proof:
    if stale:
        return Proof(place, proven=True, sentence="held a newer value than the leaked one already")
    bare, key = split_key(place)
    for name in (place, bare) if key else (place, *_keys_of(bare, copies)):
        if name in copies:
            return Proof(place, proven=True, sentence=copies[name])
    return Proof(place, proven=False, sentence="no step has seen the new value in it")


def _keys_of(bare: str, copies: Iterable[str]) -> tuple[str, ...]:
    return tuple(name for name in copies if split_key(name)[0] == bare)


def _consumer(
    consumer: Consumer, workloads: Mapping[str, str], copies: Mapping[str, str], *, stale: bool
) -> Proof:
    ref = str(consumer.workload)
    if ref in workloads:
        return Proof(ref, proven=True, sentence=workloads[ref])
    if stale:
        return Proof(ref, proven=True, sentence="reads copies that held a newer value already")
    reason = (
        "scaled to zero: starts with what the copy holds"
        if consumer.replicas == 0
        else FOLLOWS.get(consumer.picks_up, "")
    )
    read = {str(use.secret) for use in consumer.via}
    fresh = read and all(_copy(secret, copies, stale=False).proven for secret in read)
    if reason and fresh:
        return Proof(ref, proven=True, sentence=f"{reason}, and that holds the new value")
    if reason:
        return Proof(ref, proven=False, sentence=f"{reason}, which is not proven to be new")
    return Proof(ref, proven=False, sentence="no step has seen it run on the new value")


def _uses(case: Case) -> Iterable[Proof]:
    """Hold what the logs told before it was revoked; whoever used it then may be broken now."""
    if case.plan is None or case.plan.order != ROTATE_FIRST:
        return
    for seen in case.use_seen.values():
        if seen.state is not UseState.UNKNOWN:
            silent = seen.state is UseState.SILENT
            yield Proof("use of the old value", proven=silent, sentence=seen.sentence)


def _old_value(case: Case, confirmed: list[StepProgress]) -> Proof:
    for each in confirmed:
        if each.evidence.get("old_value_refused") is True:
            return Proof("the old value", proven=True, sentence=each.sentence)
    return Proof("the old value", proven=False, sentence="nobody has seen it refused")


def _places(case: Case) -> tuple[str, ...]:
    radius = case.blast_radius
    homes = [with_key(secret, key) for secret, key in radius.secrets]
    return tuple(dict.fromkeys([*homes, *(with_key(c.secret, c.key) for c in radius.copies)]))


def _copies_seen(confirmed: list[StepProgress]) -> dict[str, str]:
    """Map each copy that confirmed steps vouch for to what they saw; facts go before settings."""
    found: dict[str, str] = {}
    for each in confirmed:
        settings = each.step.settings
        if "copies" in each.evidence:
            refs = _texts(each.evidence["copies"])
        elif each.step.phase == "refresh":
            refs = _written(settings, "target", "target_key")
        elif each.step.phase == "rotate":
            refs = _written(settings, "secret", "field")
        else:
            refs = []
        found |= dict.fromkeys(refs, each.sentence)
    return found


def _workloads_seen(confirmed: list[StepProgress]) -> dict[str, str]:
    found: dict[str, str] = {}
    for each in confirmed:
        if "workloads" in each.evidence:
            refs = _texts(each.evidence["workloads"])
        elif each.step.phase == "reload":
            refs = _texts(each.step.settings.get("workloads"))
        else:
            refs = []
        said = _texts(each.evidence.get("each"))
        found |= {ref: _own(ref, said) or each.sentence for ref in refs}
    return found


def _own(ref: str, said: Iterable[str]) -> str:
    """Pick what was said of one workload out of a list that names each by its short name."""
    name = "/".join(parse(ref).path[1:]) + " "
    return next((f"{words.removeprefix(name)}." for words in said if words.startswith(name)), "")


def _written(settings: Mapping[str, object], name: str, key: str) -> list[str]:
    ref = settings.get(name)
    if not isinstance(ref, str):
        return []
    bare, within = split_key(ref)
    return [with_key(bare, str(settings.get(key) or within))]


def _texts(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    return [str(each) for each in value] if isinstance(value, list | tuple) else []
