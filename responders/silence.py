"""
The silence gate: nothing is revoked for good while somebody may still need the old value. Pure.

Asked before each step that revokes, in a plan that rotates first (contain first is a decision of
its own, and its forecast says what breaks). It goes by what steps have seen: a copy that none of
them has seen the new value in may be the one that production reads, for instance where the new key
was written to another environment. And by what the audit log told that shows uses of such a value
(`silence_gate.py` looks): who used it since the consumers moved. It names who that is, and a named
person with a reason may waive it for what was named (`waivers.py`). Sessions and last uses are
looked at by steps of their own (`postgres_roles`, `aws_access_key`), consumers by
`workload_restart.confirm`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256

from graph.errors import RefusedError
from graph.refs import split_key
from responders.evidence import evidence
from responders.forecast import ROTATE_FIRST
from responders.incident import Case, PlannedStep, StepState, UseState

WAIVED = "silence_waived"
SEEN = "use_seen"
_SHOWN = 5  # as many as fit a message
_IN_USE = frozenset({UseState.USED, UseState.UNREADABLE})


@dataclass(frozen=True, slots=True)
class Loud:
    """
    What holds a revocation back: a copy and the workloads that read it, or a log and who it names.

    `told` is the sentence of a log; it names them itself.
    """

    copy: str
    why: str
    readers: tuple[str, ...]
    told: str = ""

    @property
    def sentence(self) -> str:
        if self.told:
            return self.told.rstrip(".")
        if not self.readers:
            return f"{self.copy} {self.why}"
        more = f" and {len(self.readers) - _SHOWN} more" if len(self.readers) > _SHOWN else ""
        return f"{self.copy} {self.why} (read by {', '.join(self.readers[:_SHOWN])}{more})"


def require_silence(case: Case, step: PlannedStep) -> None:
    """
    Refuse to revoke while somebody may still need the old value.

    Raises:
        RefusedError: with the copies, who reads them, and how it goes on.
    """
    loud = still_loud(case, step)
    if not loud:
        return
    named = "; ".join(each.sentence for each in loud[:_SHOWN])
    raise RefusedError(
        f"Held back, the old value is still needed or nobody can tell: {named}"
        + (f"; and {len(loud) - _SHOWN} more." if len(loud) > _SHOWN else "."),
        means="Nothing was revoked.",
        do_now=(
            "Bring what is named to the new value and retry, or have an approver answer, with a "
            "reason, for revoking all the same."
        ),
    )


def still_loud(case: Case, step: PlannedStep) -> tuple[Loud, ...]:
    """Name what holds a revocation back, without what somebody answers for."""
    if step.phase != "revoke" or not rotates_first(case):
        return ()
    copies = {str(copy.secret) for copy in case.blast_radius.copies}
    left_out = {
        str(each.step.settings.get("target", ""))
        for each in case.progress
        if each.state is StepState.SKIPPED and each.step.phase == "refresh"
    }
    found = []
    for proof in evidence(case).copies:
        bare = split_key(proof.subject)[0]
        if not proof.proven and bare in copies and bare not in left_out:
            found.append(Loud(proof.subject, _why(case, bare), _readers(case, bare)))
    seen = case.use_seen.get(step.id)
    if seen is not None and seen.state in _IN_USE:
        found.append(Loud(seen.source, "shows it in use", seen.users, told=seen.sentence))
    return tuple(each for each in found if not _waived(case, each))


def although(named: Iterable[str]) -> str:
    """Say in short what a waiver is about: copies that may hold it, logs that show its use."""
    logs = sorted(each for each in named if each.startswith("audit_log/"))
    copies = sorted(set(named) - set(logs))
    parts = [f"{', '.join(copies)} may hold it"] if copies else []
    return " and ".join([*parts, *([f"{', '.join(logs)} shows its use"] if logs else [])])


def mark_of(loud: Sequence[Loud]) -> str:
    """Give a short text that is another one when the list is."""
    listed = sorted(f"{each.copy} {' '.join(each.readers)}" for each in loud)
    return sha256("\n".join(listed).encode()).hexdigest()[:16]


def rotates_first(case: Case) -> bool:
    """In the other order the outage is what was approved: `postgres-password` rotates to revoke."""
    return case.plan is not None and case.plan.order == ROTATE_FIRST


def _waived(case: Case, loud: Loud) -> bool:
    """Whether somebody answers for this and for everybody who is named with it, in this plan."""
    readers = case.silence_waived.get(loud.copy)
    return readers is not None and set(loud.readers) <= set(readers)


def _why(case: Case, secret: str) -> str:
    held = any(match.secret == secret and match.current for match in case.matches)
    if held:
        return "held the leaked value, and no step has seen another one in it"
    return "may hold it: no step has seen the new value in it"


def _readers(case: Case, secret: str) -> tuple[str, ...]:
    return tuple(
        sorted(
            str(consumer.workload)
            for consumer in case.blast_radius.consumers
            if any(str(use.secret) == secret for use in consumer.via)
        )
    )
