"""
What is wrong with a playbook file, all of it at once: shape, steps, settings, order. Pure.

`playbook.py` refuses the first thing that makes a file unusable. Here the steps are known too: does
each exist, does it take these settings, are they of the right kind as far as that can be said
before an incident fills the placeholders in.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from graph.errors import BadInputError
from responders.playbook import Playbook, line_of, parse_playbook, placeholders_in
from responders.step import AnyStep

_LINE = ":"


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing to mend, and where it stands."""

    file: str
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.message}"


def lint(text: str, file: str, steps: Mapping[str, type[AnyStep]]) -> tuple[Fault, ...]:
    """Return everything that is wrong with one playbook."""
    try:
        playbook = parse_playbook(text, file)
    except BadInputError as error:
        where, _, message = error.happened.removeprefix(file + _LINE).partition(": ")
        return (Fault(file, int(where) if where.isdigit() else 1, message or error.happened),)
    found = [*_of_steps(playbook, text, steps), *_of_orders(playbook)]
    return tuple(Fault(file, line_of(text, path), message) for path, message in found)


Path = tuple[str | int, ...]


def _of_steps(
    playbook: Playbook, text: str, steps: Mapping[str, type[AnyStep]]
) -> Iterator[tuple[Path, str]]:
    for step_id, planned in playbook.steps.items():
        member = steps.get(planned.use)
        if member is None:
            known = ", ".join(sorted(steps))
            yield ("steps", step_id, "use"), f"there is no step {planned.use}; installed: {known}"
            continue
        for name, message in _of_settings(member, planned.settings):
            yield ("steps", step_id, "with", name), f"{planned.use}: {name}: {message}"


def _of_settings(member: type[AnyStep], settings: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Validate; what a placeholder will be filled into cannot be judged yet."""
    open_ones = {name for name, value in settings.items() if placeholders_in([value])}
    try:
        member.Settings.model_validate(dict(settings))
    except ValidationError as error:
        for problem in error.errors(include_input=False, include_url=False):
            name = str(problem["loc"][0]) if problem["loc"] else ""
            if name and name not in open_ones:
                yield name, problem["msg"]


def _of_orders(playbook: Playbook) -> Iterator[tuple[Path, str]]:
    for order, ids in playbook.orders.items():
        phases = [playbook.steps[step_id].phase for step_id in ids]
        if "refresh" in phases and "rotate" not in phases[: phases.index("refresh")]:
            yield ("orders", order), f"{order} copies before anything new was written"
        if order != "rotate-first" or "revoke" not in phases:
            continue
        later = phases[phases.index("revoke") :]
        if "reload" in later or "refresh" in later:
            yield ("orders", order), f"{order} revokes before every consumer has moved"
