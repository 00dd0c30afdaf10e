"""
What breaks, when and how, if the credential is revoked first or rotated first. Pure.

A forecast is a promise that the verification can hold against what happened: one sentence per
consumer and order, from how the consumer picks a new value up, and one over all.
"""

from collections.abc import Iterable, Sequence

from graph.model import PicksUp
from graph.queries.consumers import Consumer
from graph.refs import parse
from responders.incident import Breakage, Forecast

ROTATE_FIRST = "rotate-first"
REVOKE_FIRST = "revoke-first"

KUBELET_SYNC = "within about 2 minutes after its copy changed"

# Kinds whose pods a change of the template replaces.
ROLLABLE = frozenset({"Deployment", "StatefulSet", "DaemonSet", "Rollout"})


def forecast(order: str, consumers: Sequence[Consumer], *, waves: int, stale: bool) -> Forecast:
    """
    Say how each consumer fares. `waves`: how many restarts the plan makes.

    `stale`: the leaked value had been replaced before, so nothing should run on it any more.
    """
    if stale:
        breakages = tuple(_stale(consumer) for consumer in consumers)
        return Forecast(
            order,
            "The leaked version is not the current one: it is revoked without a rotation. "
            "A consumer breaks only if it was never restarted since.",
            breakages,
        )
    if order == REVOKE_FIRST:
        breakages = tuple(_revoked_now(consumer) for consumer in consumers)
        return Forecast(order, _revoke_sentence(breakages), breakages)
    breakages = tuple(_rotated_first(consumer) for consumer in consumers)
    return Forecast(order, _rotate_sentence(breakages, waves), breakages)


def needs_restart(consumer: Consumer) -> bool:
    """Whether it must be restarted, and can be: pods exist and their owner can replace them."""
    return (
        consumer.picks_up is PicksUp.RESTART
        and consumer.replicas != 0
        and kind_of(consumer) in ROLLABLE
    )


def kind_of(consumer: Consumer) -> str:
    parts = parse(consumer.workload)
    return parts.path[2] if parts.scheme == "k8s" else ""


def uses_of(consumer: Consumer) -> str:
    """Name its ways of use: “env, volume”."""
    return ", ".join(dict.fromkeys(use.how for use in consumer.via)) or "in an unknown way"


def _revoked_now(consumer: Consumer) -> Breakage:
    how = uses_of(consumer)
    if consumer.replicas == 0:
        return _fine(consumer, f"{how}: scaled to zero, so only when it is started before the end")
    match consumer.picks_up:
        case PicksUp.RESTART if kind_of(consumer) in ROLLABLE:
            said = f"{how}: fails at its next call, until its restart is done"
        case PicksUp.RESTART | PicksUp.NEVER:
            said = f"{how}: fails at its next call, until somebody makes it anew by hand"
        case PicksUp.SYNC:
            said = f"{how}: fails at once; reads the new file {KUBELET_SYNC}"
        case PicksUp.POLL:
            said = f"{how}: fails at once, until it reads the new value by itself"
        case PicksUp.NEXT_RUN:
            return _fine(consumer, f"{how}: a run fails if it starts before the copy is new")
        case _:  # unknown
            said = f"{how}: fails at its next call; not known how it picks up a new value"
    return Breakage(consumer.workload, breaks=True, sentence=f"{said}.")


def _rotated_first(consumer: Consumer) -> Breakage:
    how = uses_of(consumer)
    if consumer.replicas == 0:
        return _fine(consumer, f"{how}: scaled to zero, starts with the new value")
    match consumer.picks_up:
        case PicksUp.RESTART if kind_of(consumer) in ROLLABLE:
            return _fine(consumer, f"{how}: runs on the old value until its restart, then the new")
        case PicksUp.RESTART | PicksUp.NEVER:
            said = f"{how}: keeps the old value; make it anew by hand before the old one is revoked"
        case PicksUp.SYNC:
            return _fine(consumer, f"{how}: reads the new file {KUBELET_SYNC}")
        case PicksUp.POLL:
            return _fine(consumer, f"{how}: reads the new value by itself")
        case PicksUp.NEXT_RUN:
            return _fine(consumer, f"{how}: its next run starts with the new value")
        case _:  # unknown
            said = f"{how}: not known how it picks up a new value; look before the old is revoked"
    return Breakage(consumer.workload, breaks=True, sentence=f"{said}.")


def _stale(consumer: Consumer) -> Breakage:
    return _fine(consumer, f"{uses_of(consumer)}: its copy holds a newer value")


def _fine(consumer: Consumer, sentence: str) -> Breakage:
    return Breakage(consumer.workload, breaks=False, sentence=f"{sentence}.")


def _revoke_sentence(breakages: Sequence[Breakage]) -> str:
    if not breakages:
        return "Revoking now breaks nothing that Locksmith knows of: no consumer is known."
    broken = sum(each.breaks for each in breakages)
    total = len(breakages)
    if not broken:
        return f"Revoking now breaks none of {total} consumers at once."
    return (
        f"Revoking now breaks {broken} of {total} consumers at once, until they run on a new value."
    )


def _rotate_sentence(breakages: Sequence[Breakage], waves: int) -> str:
    if not breakages:
        return "Rotating first breaks nothing that Locksmith knows of: no consumer is known."
    held = [each.workload for each in breakages if each.breaks]
    after = (
        "once the copies hold the new value"
        if not waves
        else "after the restart wave"
        if waves == 1
        else f"after the last of {waves} restart waves"
    )
    if held:
        return (
            f"Rotating first breaks {len(held)} of {len(breakages)} consumers when the old value "
            f"is revoked: {_names(held)} must be seen to first."
        )
    return (
        f"Rotating first breaks none of {len(breakages)} consumers; it is safe to revoke {after}."
    )


def _names(refs: Iterable[str]) -> str:
    return ", ".join(ref.removeprefix("k8s://") for ref in refs)
