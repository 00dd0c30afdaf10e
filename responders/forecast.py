"""
What breaks, when and how, if the credential is revoked first or rotated first. Pure.

A forecast is a promise that the verification can hold against what happened: one sentence per
consumer and order, from how the consumer picks a new value up, and one over all. What brings the
new value, and within which seconds a clock bounds it, stands beside the sentence.
"""

from collections.abc import Mapping, Sequence

from graph.model import PicksUp
from graph.queries.consumers import Consumer
from graph.refs import parse
from graph.words import some_of
from responders.incident import Breakage, Forecast

ROTATE_FIRST = "rotate-first"
REVOKE_FIRST = "revoke-first"

KUBELET_SYNC = 120.0  # seconds: what a kubelet takes at most to rewrite a file, unless configured

_BY = {
    PicksUp.NEVER: "hand",
    PicksUp.SYNC: "file",
    PicksUp.POLL: "poll",
    PicksUp.NEXT_RUN: "run",
}
_NAMED = 3  # consumers that the sentence over all names who hold it back

# Kinds whose pods a change of the template replaces.
ROLLABLE = frozenset({"Deployment", "StatefulSet", "DaemonSet", "Rollout"})


def forecast(
    order: str,
    consumers: Sequence[Consumer],
    *,
    waves: int,
    stale: bool,
    file_seconds: Mapping[str, float] | None = None,
) -> Forecast:
    """
    Say how each consumer fares. `waves`: how many restarts the plan makes.

    `stale`: the leaked value had been replaced before, so nothing should run on it any more.
    `file_seconds`: how long the kubelets of a cluster take at most to rewrite a mounted file.
    """
    synced = file_seconds or {}
    if stale:
        breakages = tuple(_stale(consumer) for consumer in consumers)
        return Forecast(
            order,
            "The leaked version is not the current one: it is revoked without a rotation. "
            "A consumer breaks only if it was never restarted since.",
            breakages,
        )
    if order == REVOKE_FIRST:
        breakages = tuple(_revoked_now(consumer, synced) for consumer in consumers)
        return Forecast(order, _revoke_sentence(breakages), breakages)
    breakages = tuple(_rotated_first(consumer, synced) for consumer in consumers)
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


def _revoked_now(consumer: Consumer, synced: Mapping[str, float]) -> Breakage:
    how, follows, seconds = uses_of(consumer), _follows(consumer), _seconds(consumer, synced)
    match follows:
        case "start":
            return _fine(
                consumer, f"{how}: scaled to zero, so only when it is started before the end"
            )
        case "run":
            return _fine(
                consumer,
                f"{how}: a run fails if it is under way, or starts before the copy is new",
            )
        case "restart":
            said = f"{how}: fails at its next call, until its restart is done"
        case "hand":
            said = f"{how}: fails at its next call, until somebody makes it anew by hand"
        case "file":
            said = f"{how}: fails at once; reads the new file {_within(seconds)}"
        case "poll":
            said = f"{how}: fails at once, until it reads the new value by itself"
        case _:  # unknown
            said = f"{how}: fails at its next call; not known how it picks up a new value"
    return Breakage(consumer.workload, True, f"{said}.", follows, seconds)  # noqa: FBT003


def _rotated_first(consumer: Consumer, synced: Mapping[str, float]) -> Breakage:
    how, follows, seconds = uses_of(consumer), _follows(consumer), _seconds(consumer, synced)
    match follows:
        case "start":
            return _fine(consumer, f"{how}: scaled to zero, starts with the new value")
        case "run":
            return _fine(
                consumer,
                f"{how}: its next run starts with the new value; one under way keeps the old",
            )
        case "restart":
            return _fine(consumer, f"{how}: runs on the old value until its restart, then the new")
        case "hand":
            said = f"{how}: keeps the old value; make it anew by hand before the old one is revoked"
        case "file":
            return _fine(consumer, f"{how}: reads the new file {_within(seconds)}", seconds)
        case "poll":
            return _fine(consumer, f"{how}: reads the new value by itself")
        case _:  # unknown
            said = f"{how}: not known how it picks up a new value; look before the old is revoked"
    return Breakage(consumer.workload, True, f"{said}.", follows, seconds)  # noqa: FBT003


def _stale(consumer: Consumer) -> Breakage:
    sentence = f"{uses_of(consumer)}: its copy holds a newer value."
    return Breakage(consumer.workload, breaks=False, sentence=sentence, follows="nothing")


def _fine(consumer: Consumer, sentence: str, seconds: float | None = None) -> Breakage:
    return Breakage(
        consumer.workload,
        breaks=False,
        sentence=f"{sentence}.",
        follows=_follows(consumer),
        seconds=seconds,
    )


def _follows(consumer: Consumer) -> str:
    """Say what brings a consumer the new value."""
    if consumer.replicas == 0:
        return "start"
    if consumer.picks_up is PicksUp.RESTART:
        return "restart" if kind_of(consumer) in ROLLABLE else "hand"
    return _BY.get(consumer.picks_up, "unknown")


def _seconds(consumer: Consumer, synced: Mapping[str, float]) -> float | None:
    if _follows(consumer) != "file":
        return None
    return synced.get(parse(consumer.workload).path[0], KUBELET_SYNC)


def _within(seconds: float | None) -> str:
    return f"within {_spoken(seconds or 0.0)} after its copy changed"


def _spoken(seconds: float) -> str:
    whole = seconds >= 120 and seconds % 60 == 0  # noqa: PLR2004 - two minutes
    return f"about {seconds / 60:.0f} minutes" if whole else f"{seconds:.0f} s"


def _revoke_sentence(breakages: Sequence[Breakage]) -> str:
    if not breakages:
        return "Revoking now breaks nothing that Locksmith knows of: no consumer is known."
    broken = sum(each.breaks for each in breakages)
    until = f", until {'it runs' if broken == 1 else 'they run'} on a new value" if broken else ""
    return f"Revoking now {_breaks(broken, len(breakages))} at once{until}."


def _rotate_sentence(breakages: Sequence[Breakage], waves: int) -> str:
    if not breakages:
        return "Rotating first breaks nothing that Locksmith knows of: no consumer is known."
    held = [each.workload for each in breakages if each.breaks]
    if held:
        return (
            f"Rotating first {_breaks(len(held), len(breakages))} when the old value is revoked: "
            f"{_first_of(held)} must be seen to first."
        )
    safe = _earliest(breakages, waves)
    return f"Rotating first {_breaks(0, len(breakages))}; it is safe to revoke {safe}."


def _breaks(broken: int, total: int) -> str:
    if total == 1 and not broken:
        return "does not break the only consumer"
    return f"breaks {some_of(broken, total, 'consumer')}"


def _earliest(breakages: Sequence[Breakage], waves: int) -> str:
    """Name the earliest safe moment, and the mounted files that may hold it back."""
    after = (
        "once the copies hold the new value"
        if not waves
        else "after the restart wave"
        if waves == 1
        else f"after the last of {waves} restart waves"
    )
    files = [each for each in breakages if each.seconds]
    if not files:
        return after
    longest = max(each.seconds or 0.0 for each in files)
    read = "reads" if len(files) == 1 else "read"
    return (
        f"{after}, at the earliest {_spoken(longest)} after the copies changed:"
        f" {_first_of([each.workload for each in files])} {read} it as a file"
    )


def _first_of(refs: Sequence[str]) -> str:
    named = ", ".join(ref.removeprefix("k8s://") for ref in refs[:_NAMED])
    return f"{named} and {len(refs) - _NAMED} more" if refs[_NAMED:] else named
