"""
Between rows and values: how people, matches, plans and steps look as JSON, and back. Pure.

The shapes are those of `incident.py`; what an older version wrote without a newer field reads
back with that field's default.
"""

from collections.abc import Mapping
from typing import Any

from pydantic import TypeAdapter

from graph.model import Match
from responders.incident import Exposure, Person, Plan

_PERSON = TypeAdapter(Person)
_PLAN = TypeAdapter(Plan)
_EXPOSURE = TypeAdapter(Exposure)
_MATCHES = TypeAdapter(tuple[Match, ...])

IdentityFacts = Mapping[str, str | tuple[str, ...]]


def person_to_json(person: Person) -> dict[str, str]:
    return {"identity": person.identity, "name": person.name, "slack_user": person.slack_user}


def person_from_json(stored: Mapping[str, str]) -> Person:
    return _PERSON.validate_python(dict(stored))


def plan_to_json(plan: Plan) -> dict[str, Any]:
    found: dict[str, Any] = _PLAN.dump_python(plan, mode="json")
    return found


def plan_from_json(stored: Mapping[str, Any]) -> Plan:
    return _PLAN.validate_python(dict(stored))


def matches_to_json(matches: tuple[Match, ...]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = _MATCHES.dump_python(matches, mode="json")
    return found


def matches_from_json(stored: list[dict[str, Any]]) -> tuple[Match, ...]:
    return _MATCHES.validate_python(tuple(stored))


def exposure_to_json(exposure: Exposure) -> dict[str, Any]:
    found: dict[str, Any] = _EXPOSURE.dump_python(exposure, mode="json")
    return found


def exposure_from_json(stored: Mapping[str, Any] | None) -> Exposure | None:
    return None if stored is None else _EXPOSURE.validate_python(dict(stored))


def facts_to_json(facts: IdentityFacts) -> dict[str, str | list[str]]:
    return {name: value if isinstance(value, str) else list(value) for name, value in facts.items()}


def facts_from_json(stored: Mapping[str, Any]) -> IdentityFacts:
    return {
        name: value if isinstance(value, str) else tuple(value) for name, value in stored.items()
    }
