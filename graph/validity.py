"""
Ask whether a credential is alive: one of four words, never a guess, and only where it was allowed.

Kingfisher's rules hold the calls; this decides which may be made. A call goes out only to a host
of the list, and only if the rule's text tells the host beforehand: where the value itself decides
where it is sent, nothing is sent. An answer that proves neither life nor death is a failed check.
Source: `kingfisher_sdk.Validator` (outcomes), `Rules.detail` (the calls as data).
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import kingfisher_sdk

from graph import detect
from graph.endpoints import LiveChecks
from graph.identify import Identified
from graph.secret_value import SecretValue
from graph.shapes import OPENBAO_TOKEN, spoken

_HOST = re.compile(r"https?://(?P<host>[a-z0-9.-]+)(?::\d+)?(?P<rest>[/?].*)?", re.IGNORECASE)
_AWS = "sts.amazonaws.com"  # what `aws.validate` of a rule asks: GetCallerIdentity
_DEAD = frozenset({400, 401, 403, 404})  # a 5xx or 429 called “inactive” proves nothing
_SILENT = frozenset({"validate", "strings", "bytes", "base64", "env", "time", "crypto", "hex"})

Expression = Mapping[str, Any]


class Validity(StrEnum):
    ACTIVE = "active"
    INACTIVE = "inactive"
    CANNOT_CHECK = "cannot check"
    CHECK_FAILED = "check failed"


@dataclass(frozen=True, slots=True)
class Checked:
    """What is known of a credential's life; `why` says who was asked, or why nobody was."""

    validity: Validity
    why: str
    at: datetime

    def facts(self) -> dict[str, str]:
        """Give it as facts of an incident."""
        moment = f"{self.at:%Y-%m-%d %H:%M:%S} UTC"
        return {"validity": str(self.validity), "validity_because": f"{self.why} ({moment})"}


def of_identified(said: Identified, *, now: datetime) -> Checked | None:
    """Say what our own stores know of a token of theirs; None for everything else."""
    if said.credential is not None:
        return Checked(Validity.ACTIVE, f"{said.facts['issuer']} knows it", now)
    if said.detector != OPENBAO_TOKEN:
        return None
    if said.gaps:
        return Checked(Validity.CHECK_FAILED, said.gaps[0].reason, now)
    why = "no store of yours knows it: it expired, was revoked, or is of another one"
    return Checked(Validity.CANNOT_CHECK, why, now)


def check(
    value: SecretValue, *, around: str, settings: LiveChecks, now: Callable[[], datetime]
) -> Checked:
    """
    Ask the issuer of a value, if its rule has a call and the host is allowed.

    `around` is the text it stands in: some calls need the other half of a pair.
    """
    plain = value.reveal()
    found = _findings(around) if plain in around else []
    ours = [each for each in found if each.visible and each.secret == plain]
    if not ours:
        found = _findings(plain)
        ours = [each for each in found if each.visible and each.secret == plain.strip()]
    calls = {each.rule_id: _calls_of(each.rule_id, settings) for each in found}
    able = [each for each in ours if calls[each.rule_id] is not None]
    if not able:
        return Checked(Validity.CANNOT_CHECK, "there is no call that tells", now())
    chosen = next((each for each in able if _may(calls[each.rule_id], settings)), None)
    if chosen is None:
        hosts = calls[able[0].rule_id] or frozenset()
        listed = ", ".join(sorted(hosts))
        why = f"{listed} is not among detection.hosts" if hosts else "the value decides whom to ask"
        return Checked(Validity.CANNOT_CHECK, why, now())
    # A companion with a call of its own is left out, unless its call may be made as well.
    together = [
        each
        for each in found
        if each is chosen or calls[each.rule_id] is None or _may(calls[each.rule_id], settings)
    ]
    return _ask(chosen, together, settings, sorted(calls[chosen.rule_id] or ()), now)


def _ask(
    chosen: kingfisher_sdk.Finding,
    together: Sequence[kingfisher_sdk.Finding],
    settings: LiveChecks,
    hosts: Sequence[str],
    now: Callable[[], datetime],
) -> Checked:
    validator = kingfisher_sdk.Validator(
        timeout=settings.timeout_seconds,
        allow_internal_ips=settings.internal,
        variables=settings.variables,
    )
    asked = ", ".join(hosts)
    try:
        results = validator.validate(together, timeout=3 * settings.timeout_seconds)
    except (TimeoutError, RuntimeError):  # no text of it: it may hold the request
        return Checked(Validity.CHECK_FAILED, f"{asked} did not answer in time", now())
    result = next(each for each in results if each.finding is chosen)
    name = spoken(detect.detector_of(chosen.rule_id))
    status = f" ({result.http_status})" if result.http_status else ""
    match result.outcome:
        case "verified_active":
            return Checked(Validity.ACTIVE, f"{asked} accepts it as {name}{status}", now())
        case "verified_inactive" if result.http_status in _DEAD | {None}:
            return Checked(Validity.INACTIVE, f"{asked} refuses it{status}", now())
        case "verified_inactive" | "unavailable":
            why = "could not be reached" if result.reason == "request_failed" else "did not tell"
            return Checked(Validity.CHECK_FAILED, f"{asked} {why}", now())
        case "skipped" | "not_attempted":
            why = "the call needs more than the value, such as the other half of a pair"
            return Checked(Validity.CANNOT_CHECK, why, now())
        case _:  # assumed, derived: not asked of anybody
            return Checked(Validity.CANNOT_CHECK, "there is no call that tells", now())


def _findings(text: str) -> list[kingfisher_sdk.Finding]:
    return list(detect.SCANNER.scan(text.encode("utf-8", "replace")))


def _may(hosts: frozenset[str] | None, settings: LiveChecks) -> bool:
    return bool(hosts) and all(settings.allows(host) for host in hosts or ())


def _calls_of(rule_id: str, settings: LiveChecks) -> frozenset[str] | None:
    """Name the hosts that a rule's call goes to; empty: not known beforehand; None: no call."""
    validation = detect.SCANNER.rule(rule_id).get("validation")
    if not validation or validation["type"] == "Assumed":
        return None
    if validation["type"] == "Http":
        request = validation["content"]["request"]
        found = _HOST.match(str(request["url"]).partition("{{")[0])
        return frozenset({found["host"]}) if found and found["rest"] else frozenset()
    if validation["type"] != "Betterleaks":
        return frozenset()
    expression = validation["content"]["expression"]
    names = {
        node["name"]: node["value"]
        for node in _nodes(expression)
        if node.get("kind") == "variable_declarator"
    }
    hosts: set[str] = set()
    for call in _nodes(expression):
        callee = call.get("callee") if call.get("kind") == "call" else None
        if not callee or callee.get("kind") != "member":
            continue
        owner = str(callee["node"].get("value"))
        if owner == "aws":
            hosts.add(_AWS)
        elif owner == "http":
            host = _host_of(call["arguments"][0], names, settings.variables)
            if host is None:
                return frozenset()
            hosts.add(host)
        elif owner not in _SILENT:
            return frozenset()
    return frozenset(hosts)


def _host_of(
    address: Expression, names: Mapping[str, Expression], variables: Mapping[str, str]
) -> str | None:
    """Read the host off the beginning of an address; None if it is not written there."""
    parts = list(_parts(address, names, variables, 0))
    if not parts or parts[0] is None:
        return None
    found = _HOST.fullmatch(parts[0])
    begins_path = len(parts) > 1 and (parts[1] or "").startswith(("/", "?"))
    if found is None or not (found["rest"] or begins_path or len(parts) == 1):
        return None
    return found["host"]


def _parts(
    address: Expression, names: Mapping[str, Expression], variables: Mapping[str, str], depth: int
) -> Iterator[str | None]:
    kind = address.get("kind")
    if kind == "binary" and address.get("operator") == "+":
        yield from _parts(address["left"], names, variables, depth)
        yield from _parts(address["right"], names, variables, depth)
    elif kind == "string":
        yield str(address["value"])
    elif kind == "identifier" and address["value"] in names and depth < len(names):
        yield from _parts(names[address["value"]], names, variables, depth + 1)
    elif kind == "call" and _is_setting(address):
        name, default = address["arguments"][:2]
        yield variables.get(str(name.get("value"))) or str(default.get("value"))
    else:
        yield None


def _is_setting(call: Expression) -> bool:
    callee = call["callee"]
    return bool(callee.get("kind") == "member" and callee["node"].get("value") == "env")


def _nodes(expression: object) -> Iterator[dict[str, Any]]:
    waiting = [expression]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            yield node
            waiting += node.values()
        elif isinstance(node, list):
            waiting += node
