"""
How a value is proven dead from outside: tried until it is refused twice in a row, with a control.

Why here: issuers, providers and cloud accounts are asked in different ways and judged in the same
one. "Done" from whoever revoked is never believed. An answer that proves neither life nor death is
unknown. Where another value is current by now, it has to be accepted: whoever refuses everybody
proves nothing.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

from responders.step import Fact, StepContext, Verdict, VerdictKind

_IN_A_ROW = 2  # one answer may come from a cache that is about to expire
_BETWEEN = 1.0  # seconds


@dataclass(frozen=True, slots=True)
class Answer:
    """`accepted` None: neither a proof of life nor of death."""

    accepted: bool | None
    sentence: str


def prove_dead(
    probe: Callable[[], Answer],
    *,
    who: str,
    context: StepContext,
    within: float = 0.0,
    control: Callable[[], Answer] | None = None,
) -> Verdict:
    """
    Try the old value; `within` is how many seconds a revocation may take to arrive everywhere.

    `control` tries the current value, None where it is still the old one.
    """
    started, refused = time.monotonic(), 0
    answer = Answer(None, "there was no time to try it")
    for _ in context.attempts(seconds=max(within, _IN_A_ROW * 20), every=_BETWEEN):
        answer = probe()
        refused = refused + 1 if answer.accepted is False else 0
        waited = time.monotonic() - started
        if answer.accepted is None or refused == _IN_A_ROW:
            break
        if answer.accepted and waited >= within:
            break
        if answer.accepted:
            context.progress(f"{who} still accepts the old value; it may take up to {within:.0f} s")
    if answer.accepted:
        return _still_accepted(answer, who, over=time.monotonic() - started >= within)
    if refused < _IN_A_ROW:
        return Verdict(
            VerdictKind.UNKNOWN,
            f"Whether {who} still accepts the old value is not known: {answer.sentence}.",
        )
    return _with_control(who, control)


def _still_accepted(answer: Answer, who: str, *, over: bool) -> Verdict:
    sentence = f"{who} still accepts the old value: {answer.sentence}."
    if over:
        return Verdict(VerdictKind.REFUTED, sentence, {"old_value_refused": False})
    return Verdict(
        VerdictKind.UNKNOWN,
        f"{sentence} It says that this may take longer than was waited.",
        {"do_now": "Have this step look again later."},
    )


def _with_control(who: str, control: Callable[[], Answer] | None) -> Verdict:
    said = f"{who} refused the old value {_IN_A_ROW} times in a row"
    facts: dict[str, Fact] = {"old_value_refused": True, "probes": _IN_A_ROW}
    if control is None:
        return Verdict(VerdictKind.CONFIRMED, f"{said}.", facts)
    if control().accepted:
        return Verdict(VerdictKind.CONFIRMED, f"{said}, and accepts the current one.", facts)
    return Verdict(
        VerdictKind.UNKNOWN,
        f"{said}, but does not accept the current one either: it may refuse everybody now.",
        {"do_now": f"Look at {who}, then have this step look again."},
    )
