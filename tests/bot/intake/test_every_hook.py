"""The rules that hold for every kind of webhook: named, cited, signed, and silent in refusals."""

import importlib
import inspect
import json
import re
from datetime import UTC, datetime, timedelta

import pytest

from bot.intake.hook import Delivery, Hook
from graph.errors import AccessDeniedError, BadInputError, LocksmithError, RefusedError
from graph.plugins import discover
from tests.bot.intake.senders import SENDERS, Sent, gitguardian, github, gitlab_signed, pagerduty

HOOKS = discover(Hook, "bot.intake.hooks")
NOW = datetime(2026, 11, 23, 3, 0, tzinfo=UTC)
every_hook = pytest.mark.parametrize("name", sorted(HOOKS))
every_sender = pytest.mark.parametrize("sender", SENDERS)


def documentation(name: str) -> str:
    return inspect.getdoc(importlib.import_module(HOOKS[name].__module__)) or ""


def example(name: str) -> dict[str, object]:
    found = re.search(r"Example::\n\n((?:[ ]{4}.*\n|\n)+)", documentation(name))
    assert found, f"{name} has no Example::"
    read: dict[str, object] = json.loads(inspect.cleandoc("\n" + found[1]))
    return read


def delivered(sent: Sent, *, at: datetime = NOW) -> Delivery:
    return Delivery({key.lower(): value for key, value in sent.headers.items()}, sent.body, at)


@every_hook
def test_the_name_fits_the_module_and_a_source_is_cited(name: str) -> None:
    assert HOOKS[name].__module__ == f"bot.intake.hooks.{name}"
    assert "\nSource: " in documentation(name)


@every_sender
def test_a_signed_delivery_is_taken_and_its_example_says_one_thing(sender: str) -> None:
    kind, send = SENDERS[sender]
    hook, secret = HOOKS[kind](), send.secret
    sent = send(example(kind), NOW)
    delivery = delivered(sent)
    assert hook.verify(delivery, secret)
    payload = hook.payload(delivery)
    assert hook.ignored(delivery, payload) == ""
    for finding in hook.findings(payload):
        assert finding.rule != "unknown"
        assert finding.place.where()
        assert finding.values or finding.alert
    for said in hook.answers(payload):
        assert said.key
        assert said.person.name
    assert len([*hook.findings(payload), *hook.answers(payload)]) == 1


@every_sender
def test_two_deliveries_differ_and_one_is_always_the_same(sender: str) -> None:
    kind, send = SENDERS[sender]
    hook, first = HOOKS[kind](), example(kind)
    once = hook.verify(delivered(send(first, NOW)), send.secret)
    assert hook.verify(delivered(send(first, NOW)), send.secret) == once
    assert hook.verify(delivered(send({**first, "x": 1}, NOW)), send.secret) != once


@every_sender
def test_without_a_signature_or_with_another_secret_it_is_refused(sender: str) -> None:
    kind, send = SENDERS[sender]
    hook, sent = HOOKS[kind](), send(example(kind), NOW)
    for headers in ({}, dict.fromkeys(sent.headers, ""), dict.fromkeys(sent.headers, "é=,=")):
        with pytest.raises(AccessDeniedError):
            hook.verify(delivered(Sent(headers, sent.body)), send.secret)
    with pytest.raises(AccessDeniedError) as refused:
        hook.verify(delivered(sent), send.another)
    assert send.another not in str(refused.value)


@pytest.mark.parametrize("sender", [name for name in SENDERS if name != "gitlab with a token"])
def test_a_changed_body_is_refused(sender: str) -> None:
    kind, send = SENDERS[sender]
    sent = send(example(kind), NOW)
    with pytest.raises(AccessDeniedError):
        HOOKS[kind]().verify(delivered(Sent(sent.headers, sent.body + b" ")), send.secret)


@pytest.mark.parametrize("sender", ["generic", "gitguardian", "gitlab with a signing token"])
@pytest.mark.parametrize("minutes", [-6, 6])
def test_a_right_signature_from_another_time_is_refused(sender: str, minutes: int) -> None:
    kind, send = SENDERS[sender]
    hook, sent = HOOKS[kind](), send(example(kind), NOW)
    with pytest.raises(RefusedError, match="5 minutes"):
        hook.verify(delivered(sent, at=NOW + timedelta(minutes=minutes)), send.secret)
    assert hook.verify(delivered(sent, at=NOW + timedelta(minutes=minutes / 2)), send.secret)


@every_sender
@pytest.mark.parametrize("payload", [None, 7, "x", [], [1], {}, {"alert": 3}, {"incident": []}])
def test_odd_json_is_refused_or_ignored_in_words(sender: str, payload: object) -> None:
    kind, send = SENDERS[sender]
    delivery = delivered(send(payload, NOW))
    hook = HOOKS[kind]()
    hook.verify(delivery, send.secret)
    try:
        because = hook.ignored(delivery, hook.payload(delivery))
    except LocksmithError as refused:
        because = refused.happened
    assert because.endswith(".")


def test_what_gitguardian_publishes_as_a_test_of_its_signature_holds() -> None:
    headers = {
        "Gitguardian-Signature": "sha256="
        "172fe3d694b734aa53dc892fd3b8d62163fc240064de570ba006900bb54a0fc2",
        "Timestamp": "0",
    }
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    assert HOOKS["gitguardian"]().verify(delivered(Sent(headers, b"bar"), at=epoch), "foo")


def test_what_is_no_leak_is_ignored_with_a_reason() -> None:
    cases = [
        ("github", github, {**example("github"), "action": "resolved"}),
        ("gitguardian", gitguardian, {**example("gitguardian"), "action": "incident_assigned"}),
        ("gitguardian", gitguardian, {"type": "Welcome Message Token", "matches": []}),
        ("gitlab", gitlab_signed, {**example("gitlab"), "object_kind": "push"}),
    ]
    for kind, send, payload in cases:
        delivery = delivered(send(payload, NOW))
        hook = HOOKS[kind]()
        assert hook.ignored(delivery, hook.payload(delivery)).endswith(".")
    event: dict[str, object] = json.loads(json.dumps(example("pagerduty")["event"]))
    for change in (
        {"event_type": "incident.annotated"},
        {"agent": {"type": "inbound_integration_reference", "id": "P1"}},  # Locksmith itself
    ):
        delivery = delivered(pagerduty({"event": event | change}, NOW))
        hook = HOOKS["pagerduty"]()
        assert hook.ignored(delivery, hook.payload(delivery)).endswith(".")
    ping = github({"zen": "x"}, NOW)
    ping.headers["X-GitHub-Event"] = "ping"
    assert HOOKS["github"]().ignored(delivered(ping), {}) == "The hook works."


def test_github_may_send_a_form() -> None:
    sent = github(example("github"), NOW, form=True)
    hook, delivery = HOOKS["github"](), delivered(sent)
    assert hook.verify(delivery, github.secret)
    assert hook.ignored(delivery, hook.payload(delivery)) == ""


def test_the_value_of_a_github_alert_is_read_where_a_relay_adds_it() -> None:
    alert = json.loads(json.dumps(example("github")))
    alert["alert"]["secret"] = "pgw_live_0123456789abcdef"
    (finding,) = HOOKS["github"]().findings(alert)
    assert [value.reveal() for value in finding.values] == ["pgw_live_0123456789abcdef"]


def test_a_generic_finding_needs_a_value_or_a_place() -> None:
    sent = SENDERS["generic"][1]([{"value": "x-y-z-1"}, {"value": None, "type": "t"}], NOW)
    delivery, hook = delivered(sent), HOOKS["generic"]()
    with pytest.raises(BadInputError, match="Finding 2"):
        hook.ignored(delivery, hook.payload(delivery))
