"""The issuers of docs/issuers.md, as they stand there, on stand-ins that speak those APIs."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from graph.connections import IssuerSettings
from graph.errors import RefusedError, UnavailableError
from responders.step import StepContext, VerdictKind
from responders.steps.http_token import Revoke, RevokeSettings, Rotate, RotateSettings
from tests.responders.steps.parts import Passed, Store, context, proxy
from tests.servers.providers import Providers

PAGE = Path(__file__).parents[3] / "docs" / "issuers.md"
BLOCKS: dict[str, dict[str, Any]] = {}
for block in re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL):
    BLOCKS |= yaml.safe_load(block)["issuers"]
PATH = "shop/key"


def asking(store: Store, providers: Providers, name: str, through: str = "") -> StepContext:
    described = dict(BLOCKS[name])
    del described["admin_token_file"]
    provider = described["base_url"].partition("api.")[2].partition(".")[0]
    address = through + f"/{provider}" if through else providers.address_of(provider)
    described |= {"base_url": address, "admin_token": providers.admin}
    issuer = IssuerSettings.model_validate(described)
    return context(store.connections(issuers={name: issuer}))


@pytest.mark.parametrize("name", BLOCKS)
def test_a_key_is_made_stored_and_the_one_before_deleted(
    store: Store, providers: Providers, name: str
) -> None:
    store.put(PATH, key="the-one-before-that-somebody-else-made")
    given = asking(store, providers, name)
    rotation = RotateSettings(issuer=name, secret=store.ref(PATH), field="key")
    first = Rotate().apply(rotation, given)
    assert Rotate().verify(rotation, first, given).kind is VerdictKind.CONFIRMED
    leaked = store.read(PATH)["key"]
    assert providers.live(leaked)
    revocation = RevokeSettings(issuer=name, secret=store.ref(PATH), field="key", version=2)
    receipt = Revoke().apply(revocation, given)
    assert not providers.live(leaked)
    assert Revoke().verify(revocation, receipt, given).kind is VerdictKind.CONFIRMED
    assert leaked not in f"{first}{receipt}"


@pytest.mark.parametrize("name", BLOCKS)
def test_a_key_whose_answer_got_lost_is_found_and_deleted(
    store: Store, providers: Providers, name: str
) -> None:
    store.put(PATH, key="the-one-before")
    made: list[bytes] = []

    def lose_the_first(passed: Passed) -> tuple[int, bytes] | None:
        if passed.method != "POST" or made:
            return None
        made.append(passed.forward()[1])
        return 502, b""

    rotation = RotateSettings(issuer=name, secret=store.ref(PATH), field="key")
    with proxy(providers.address, lose_the_first) as address:
        given = asking(store, providers, name, address)
        with pytest.raises(UnavailableError):
            Rotate().apply(rotation, given)
        Rotate().apply(rotation, given)
    lost = json.loads(made[0])["api_key"]
    assert not providers.live(lost["value"] if name == "openai-orders" else lost)
    assert providers.live(store.read(PATH)["key"])


def test_a_key_of_sendgrid_that_was_made_elsewhere_is_found_by_the_id_in_it(
    store: Store, providers: Providers
) -> None:
    leaked = providers.make("sendgrid")
    store.put(PATH, key=leaked)
    given = asking(store, providers, "sendgrid")
    settings = RevokeSettings(issuer="sendgrid", secret=store.ref(PATH), field="key", version=1)
    receipt = Revoke().apply(settings, given)
    assert not providers.live(leaked)
    assert Revoke().verify(settings, receipt, given).kind is VerdictKind.CONFIRMED


def test_a_key_of_openai_that_was_made_elsewhere_is_left_to_people(
    store: Store, providers: Providers
) -> None:
    leaked = providers.make("openai")
    store.put(PATH, key=leaked)
    settings = RevokeSettings(
        issuer="openai-orders", secret=store.ref(PATH), field="key", version=1
    )
    with pytest.raises(RefusedError, match="the id of this token is not known"):
        Revoke().apply(settings, asking(store, providers, "openai-orders"))
    assert providers.live(leaked)


@pytest.mark.parametrize("pattern", ["no group", "(two)(groups)", "(open"])
def test_an_id_pattern_that_finds_no_one_id_is_refused(pattern: str) -> None:
    call = {"path": "/x"}
    with pytest.raises(ValidationError, match="id_pattern"):
        IssuerSettings.model_validate(
            {
                "base_url": "https://a.example",
                "admin_token": "t",
                "create": call,
                "revoke": call,
                "probe": call,
                "id_pattern": pattern,
            }
        )
