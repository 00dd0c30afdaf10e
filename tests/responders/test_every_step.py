"""The rules that hold for every step, those of tomorrow included: nothing to list here."""

import importlib
import inspect
import logging
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Never

import pytest
import structlog
import yaml

from graph.connections import (
    AwsSettings,
    Connections,
    HttpSettings,
    IssuerSettings,
    KubernetesSettings,
    PostgresSettings,
    ProviderSettings,
    VaultSettings,
)
from graph.errors import LocksmithError
from graph.plugins import discover
from responders.provider import load_providers
from responders.step import AnyStep, Receipt, Step, StepSettings, Verdict, VerdictKind
from tests.responders.steps.parts import Passed, context, proxy

STEPS = discover(Step, "responders.steps")
CANARY = "canary-Zk3vQ9xT7mR2bW8sL5pD1nH6"

every_step = pytest.mark.parametrize("name", sorted(STEPS))


def examples(module: str) -> dict[str, Any]:
    """Read the `Example::` of a module: settings by the step's name."""
    text = inspect.getdoc(importlib.import_module(module)) or ""
    found = re.search(r"Example::\n\n((?:[ ]{4}.*\n|\n)+)", text)
    assert found, f"{module} has no Example::"
    block = inspect.cleandoc("\n" + found[1])
    loaded: dict[str, Any] = yaml.safe_load(block)
    return loaded


def step_and_settings(name: str) -> tuple[AnyStep, StepSettings]:
    step: AnyStep = STEPS[name]()
    return step, step.Settings.model_validate(examples(type(step).__module__)[name])


@every_step
def test_the_name_fits_the_module(name: str) -> None:
    module, _, verb = name.partition(".")
    assert STEPS[name].__module__ == f"responders.steps.{module}"
    assert re.fullmatch(r"[a-z_]+", verb)


@every_step
def test_permissions_are_declared_with_a_reason(name: str) -> None:
    assert STEPS[name].permissions
    assert all(each.where and each.rule and each.why for each in STEPS[name].permissions)


@every_step
def test_the_example_validates_and_an_unknown_key_does_not(name: str) -> None:
    step, settings = step_and_settings(name)
    assert type(settings) is step.Settings
    with pytest.raises(ValueError, match="extra"):
        step.Settings.model_validate({**settings.model_dump(), "no_such_key": 1})


@every_step
def test_a_source_is_cited(name: str) -> None:
    assert "\nSource: " in (inspect.getdoc(importlib.import_module(STEPS[name].__module__)) or "")


@every_step
def test_it_is_reversible_if_and_only_if_it_has_an_undo(name: str) -> None:
    assert STEPS[name].reversible == (STEPS[name].undo is not Step.undo)


@every_step
def test_what_it_makes_it_can_end(name: str) -> None:
    step = STEPS[name]
    ends = (step.clear_up is not Step.clear_up, step.verify_cleared is not Step.verify_cleared)
    assert ends == (step.makes, step.makes)
    assert step.reversible or not step.makes


@every_step
def test_what_changes_the_world_names_what_it_changes(name: str) -> None:
    step, settings = step_and_settings(name)
    assert step.targets(settings) or not step.changes_world
    assert all("://" in target or target.startswith("issuer:") for target in step.targets(settings))


@every_step
def test_the_preview_is_a_sentence_and_makes_no_call(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> Never:
        raise AssertionError("a preview opened a connection")

    step, settings = step_and_settings(name)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    assert re.match(r"[A-Z].+\.$", step.preview(settings), re.DOTALL)
    assert set(inspect.signature(step.preview).parameters) == {"settings"}


def hostile(address: str, folder: Path) -> Connections:
    """Connect everything that the examples name to one address."""
    file = folder / "kubeconfig"
    call = {"path": "/any", "body": {"token": "{token}"}}
    kubeconfig = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "c",
        "clusters": [{"name": "c", "cluster": {"server": address}}],
        "users": [{"name": "u", "user": {"token": CANARY}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
    }
    file.write_text(yaml.safe_dump(kubeconfig))
    return Connections(
        {"main": VaultSettings.model_validate({"address": address, "token": CANARY})},
        {"prod": KubernetesSettings(kubeconfig=str(file), mode="fingerprint")},
        {
            "paygate": IssuerSettings.model_validate(
                {
                    "base_url": address,
                    "admin_token": CANARY,
                    "create": call,
                    "revoke": call,
                    "probe": call,
                }
            )
        },
        {
            "orders": PostgresSettings.model_validate(
                {
                    "host": "127.0.0.1",
                    "port": 9,  # nobody: it speaks another language than what answers here
                    "admin_user": "admin",
                    "admin_password": CANARY,
                    "sslmode": "disable",
                    "vault_connection": "vault://main/database/config/orders",
                }
            )
        },
        providers={name: ProviderSettings(base_url=address) for name in load_providers()},
        aws={
            "prod": AwsSettings.model_validate(
                {
                    "region": "eu-west-1",
                    "account": "111122223333",
                    "endpoint_url": address,
                    "access_key_id": "AKIAIOSFODNN7TESTING",
                    "secret_access_key": CANARY,
                    "tries": 1,
                }
            )
        },
        http=HttpSettings(hosts=("api.tickets.example", address.rpartition("/")[2])),
    )


# What the looks of several families note: the steps after them go on from it.
LOOKED = {
    "look": Receipt(
        "",
        {
            "digest": "d",
            "leases": ["l"],
            "users": ["u"],
            "database": "orders",
            "oids": ["1"],
            "accessor": "a",
            "mark": "",
            "latest": 1,
        },
    ),
    "stage": Receipt("", {"version_id": "v2"}),
    "promote": Receipt("", {"version_id": "v2", "former": "v1"}),
}


@pytest.fixture
def everything_logged(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    caplog.set_level(logging.DEBUG)
    with structlog.testing.capture_logs() as events:
        yield caplog
    assert CANARY not in str(events)


ECHO = f'{{"errors":["{CANARY}"],"message":"{CANARY}","data":{{"data":{{"token":"{CANARY}"}}}}}}'


@every_step
@pytest.mark.parametrize("status", [200, 400, 403, 404, 500, 0])
def test_a_server_that_echoes_the_value_gets_it_nowhere(
    name: str, status: int, everything_logged: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    step, settings = step_and_settings(name)
    receipt = Receipt("", {"version": 1, "before": ""})

    def echo(_: Passed) -> tuple[int, bytes]:
        return status, ECHO.encode()

    with proxy("http://127.0.0.1:9", echo) as address:
        given = context(hostile(address, tmp_path), receipts=LOOKED, seconds=0.3)
        said: list[object] = [given, settings]
        try:
            said.append(step.apply(settings, given))
        except LocksmithError as error:
            said += [error, error.__cause__, vars(error)]
            shown_with_it = None if error.__suppress_context__ else error.__context__
            said.append(shown_with_it)
        verdict = step.verify(settings, receipt, given)
        given.connections.close()
    assert isinstance(verdict, Verdict)
    assert verdict.kind is not VerdictKind.CONFIRMED or status == 200
    assert CANARY not in f"{said}{verdict!r}"
    assert CANARY not in everything_logged.text


@every_step
def test_a_dead_network_makes_unknown_and_never_a_guess(name: str, tmp_path: Path) -> None:
    step, settings = step_and_settings(name)
    given = context(hostile("http://127.0.0.1:9", tmp_path), receipts=LOOKED, seconds=0.3)
    verdict = step.verify(settings, Receipt("", {"version": 1, "before": ""}), given)
    assert verdict.kind is VerdictKind.UNKNOWN
    given.connections.close()
