"""`readiness` and `mine`: what App Home shows, from the shell."""

import pytest

from bot.sandbox.world import World
from tests.bot.cli.conftest import Run
from tests.bot.cli.test_incidents import reported

GATEWAY, STRIPE = "vault://main/kv/payments/gateway", "vault://main/kv/shop/stripe"
SAM, ANA = ("--as", "sam@example.com"), ("--as", "ana@example.com")


@pytest.fixture
def own(run: Run, config: str) -> Run:
    command: Run = lambda *arguments, **more: run("--config", config, *arguments, **more)  # noqa: E731
    assert command("collect").code == 0
    return command


def test_readiness_names_every_owner_and_what_is_lacking(company: Run) -> None:
    found = {one["owner"]: one for one in company("readiness", "--json").json}
    assert GATEWAY in found["team:payments"]["secrets"]
    assert GATEWAY in found["team:payments"]["lacks"]["rotation"]
    assert GATEWAY not in found["team:payments"]["lacks"]["owner"]
    assert GATEWAY in found["team:shop"]["used"], "services of shop use it, too"
    assert STRIPE not in found["team:payments"]["secrets"]
    table = company("readiness").out
    for words in ("without owner", "by hand", "never rotated", "team:shop"):
        assert words in table
    one = company("readiness", "payments")
    assert one.code == 0, one.err
    assert GATEWAY in one.out
    assert "team:shop" not in one.out
    unknown = company("readiness", "paiments")
    assert unknown.code == 3
    assert "team:payments" in unknown.err


def test_mine_is_app_home_in_the_shell(own: Run, world: World) -> None:
    incident = reported(own, "--value-stdin", given=world.leaked_token)
    asked = own("run", incident, *ANA)
    assert asked.code in {0, 1}, asked.err
    sam = own("mine", "--json", *SAM).json
    assert [one["incident"] for one in sam["waiting"]] == [incident]
    assert sam["waiting"][0]["why"] == "approval"
    assert sam["open"] == [incident]
    ana = own("mine", "--json", *ANA).json
    assert ana["waiting"] == [], "who asked cannot approve"
    assert GATEWAY in ana["secrets"]
    shown = own("mine", *SAM)
    assert shown.code == 0, shown.err
    for words in ("Waiting for me: 1", "You may decide on its plan.", "Open incidents: 1"):
        assert words in shown.out
    assert own("mine").code == 2, "who am I?"
