"""Incidents from the shell: report, look, plan, refuse, approve, run, prove; nothing is echoed."""

import base64
import re
import secrets
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from bot.sandbox.outside import Outside
from bot.sandbox.world import World
from tests.bot.cli.conftest import Run, Settings
from tests.bot.guesses import guess
from tests.servers.processes import write_config

SAM, SUE, RITA = (
    ("--as", "sam@example.com"),
    ("--as", "sue@example.com"),
    ("--as", "rita@example.com"),
)


def reported(run: Run, *arguments: str, given: str = "") -> str:
    """Report, and return the incident's id."""
    ended = run("report", *arguments, *RITA, "--json", given=given)
    assert ended.code == 0, ended.err
    (one,) = ended.json["incidents"]
    return str(one["incident_id"])


@pytest.fixture
def own(run: Run, config: str) -> Run:
    """The command line with a database of its own, its graph collected."""
    command: Run = lambda *arguments, **more: run("--config", config, *arguments, **more)  # noqa: E731
    assert command("collect").code == 0
    return command


def test_a_report_opens_joins_and_never_echoes(own: Run, world: World, tmp_path: Path) -> None:
    first = own("report", "--value-stdin", *RITA, given=f"see {world.leaked_token}\n")
    assert first.code == 0, first.err
    assert "(opened)" in first.out
    assert "locksmith incident show inc-" in first.out
    (tmp_path / "given" / "paste.txt").write_text(f"x\nTOKEN={world.leaked_token}\n")
    where = f"https://wiki.example/page?token={world.leaked_token}"
    again = own(
        "report", "--file", str(tmp_path / "given" / "paste.txt"), "--where", where,
        "--note", f"also in {world.leaked_token}", *RITA,
    )  # fmt: skip
    assert again.code == 0, again.err
    assert "(joined)" in again.out
    shown = own("incident", "show", "inc-")
    assert "[value removed]" in shown.out
    for ended in (first, again, shown):
        assert world.leaked_token not in ended.out + ended.err
    assert len(own("incident", "list", "--json").json) == 1


def test_a_report_by_name_needs_no_value(own: Run) -> None:
    incident = reported(own, "--secret", "payments/db#password")
    case = own("incident", "show", incident, "--json").json
    assert case["title"]
    assert "vault://main/kv/payments/db" in str(case["blast_radius"]["secrets"])
    assert own("report", "--secret", "payments/nothing-like-it", *RITA).code == 3


def test_a_value_that_matches_nothing_still_opens(own: Run, plant: Callable[[], str]) -> None:
    value = plant()
    incident = reported(own, "--value-stdin", given=value)
    shown = own("incident", "show", incident)
    assert "redential" in shown.out
    plan = own("plan", incident, "--json").json
    assert plan["playbook"] == "unknown-credential"
    assert value not in shown.out


def test_a_report_by_words_finds_what_is_meant_or_lists_what_may_be(own: Run) -> None:
    incident = reported(own, "--named", "the payments gateway token, I think")
    case = own("incident", "show", incident, "--json").json
    assert case["title"].startswith("payments/gateway#token leaked")
    unclear = own("report", "--named", "something of payments", *RITA)
    assert unclear.code == 3
    assert "payments/db" in unclear.err
    assert "payments/gateway" in unclear.err


def test_a_value_as_an_argument_is_refused_and_not_repeated(own: Run, world: World) -> None:
    for arguments in ((world.leaked_token,), ("--named", world.leaked_token)):
        ended = own("report", *arguments, *RITA)
        assert ended.code == 2
        assert "never given as an argument" in ended.err
        assert "history" in ended.err
        assert world.leaked_token not in ended.out + ended.err
    assert own("incident", "list", "--json").json == []


def test_a_value_is_shown_to_its_issuer_only_where_that_is_allowed(
    own: Run, settings: dict[str, Any], config: str, world: World
) -> None:
    asked = ("report", "--value-stdin", "--validate", *RITA)
    refused = own(*asked, given=world.leaked_token)
    assert refused.code == 4
    assert "switched off" in refused.err
    settings["detection"] = {"live_checks": "ask"}
    Path(config).write_text(yaml.safe_dump(settings))
    ended = own(*asked, given=world.leaked_token)
    assert ended.code == 0, ended.err
    assert "(opened), active: " in ended.out
    case = own("incident", "show", "inc-", "--json").json
    assert case["identity_facts"]["validity"] == "active"
    assert "- Validity: active, " in own("incident", "show", "inc-").out
    own("report", "--value-stdin", *RITA, given=f"ghp_{secrets.token_hex(18)}")
    shown = own("incident", "list", "--json").json
    assert [one["identity_facts"].get("validity") for one in shown].count(None) == 1


def test_candidates_are_listed_masked_and_one_is_chosen(own: Run) -> None:
    values = [guess() for _ in range(2)]
    given = "it was one of\n" + "\n".join(values)
    listed = own("report", "--value-stdin", *RITA, given=given)
    assert listed.code == 3
    assert f"2: {values[1][:3]}…{values[1][-2:]} (28 characters" in listed.err
    assert own("report", "--value-stdin", "--choose", "3", *RITA, given=given).code == 3
    chosen = reported(own, "--value-stdin", "--choose", "2", given=given)
    assert reported(own, "--value-stdin", given=values[1]) == chosen
    assert reported(own, "--value-stdin", given=values[0]) != chosen
    assert not any(value in listed.out + listed.err for value in values)


@pytest.mark.parametrize(
    ("arguments", "given", "said"),
    [
        ((), "", "Give exactly one of"),
        (("--value-stdin", "--secret", "payments/db"), "x", "Give exactly one of"),
        (("--value-stdin",), "  \n", "No value came in"),
        (("--value-stdin",), "x" * (4 * 1024 * 1024 + 1), "More than 4 MiB"),
        (("--file", "/nowhere/at.all"), "", "cannot be read"),
    ],
)
def test_a_report_with_nothing_in_it_exits_2(
    own: Run, arguments: tuple[str, ...], given: str, said: str
) -> None:
    ended = own("report", *arguments, *RITA, given=given)
    assert ended.code == 2
    assert said in ended.err


def test_three_megabytes_are_taken_and_said_to_be_cut(own: Run, world: World) -> None:
    ended = own(
        "report", "--value-stdin", *RITA, given=world.leaked_token + "\n" + "word " * 600_000
    )
    assert ended.code == 0, ended.err
    assert "Only the first 200,000" in ended.out
    assert "(opened)" in ended.out


def test_both_orders_can_be_planned(own: Run, world: World) -> None:
    incident = reported(own, "--value-stdin", given=world.leaked_token)
    for order in ("revoke-first", "rotate-first"):
        plan = own("plan", incident, "--order", order, "--json").json
        assert plan["order"] == order
        assert {one["order"] for one in plan["forecasts"]} == {"rotate-first", "revoke-first"}
    shown = own("plan", incident)
    assert "rotate-first" in shown.out
    assert "revoke-first: " in shown.out
    assert "Nothing has run." in shown.out
    assert own("plan", incident, "--order", "sideways").code == 2


def test_policy_refuses_with_4_and_says_who_can(own: Run, world: World) -> None:
    incident = reported(own, "--value-stdin", given=world.leaked_token)
    early = own("approve", incident, *SAM)
    assert early.code == 4
    assert "locksmith run" in early.err
    assert own("run", incident).code == 2, "nobody said who asks"
    asked = own("run", incident, *SUE)
    assert asked.code == 0, asked.err
    assert "Asked for approval" in asked.out
    waiting = own("run", incident, *SUE)
    assert waiting.code == 4
    for person in (RITA, SUE):
        refused = own("approve", incident, *person)
        assert refused.code == 4
        assert "sam" in refused.err
    assert own("deny", incident, "--reason", "not tonight", *RITA).code == 4
    denied = own("deny", incident, "--reason", "not tonight", *SAM)
    assert denied.code == 0, denied.err
    assert "denied" in denied.out
    assert "not tonight" in own("incident", "timeline", incident).out


def test_where_a_sign_in_is_needed_approving_shows_the_link(
    run: Run, settings: Settings, world: World, tmp_path: Path
) -> None:
    settings["web"] = {"listen": "127.0.0.1:0"}
    settings["step_up"] = {
        "issuer": "https://login.example",
        "client_id": "locksmith",
        "public_url": "https://locksmith.example",
    }
    path = str(write_config(settings, tmp_path))
    assert run("--config", path, "collect").code == 0
    incident = reported(
        lambda *arguments, **more: run("--config", path, *arguments, **more),
        "--value-stdin",
        given=world.leaked_token,
    )
    assert run("--config", path, "run", incident, *SUE).code == 0
    stands = run("--config", path, "approve", incident, *SAM)
    assert stands.code == 4, stands.err
    assert "Nothing runs yet. Sign in here, by " in " ".join(stands.err.split())
    assert "https://locksmith.example/step-up/" in stands.err
    shown = run("--config", path, "incident", "show", incident, "--json").json
    assert shown["state"] == "waiting"


def test_unknown_and_ambiguous_incidents_exit_3(own: Run, world: World) -> None:
    reported(own, "--value-stdin", given=world.leaked_token)
    reported(own, "--secret", "payments/db")
    for command in (("incident", "show"), ("plan",), ("run",), ("incident", "timeline")):
        assert own(*command, "inc-nothing").code == 3
    ambiguous = own("incident", "show", "inc-")
    assert ambiguous.code == 3
    assert ambiguous.err.count("inc-") >= 3


def test_an_incident_that_was_none_can_be_dismissed_by_an_approver(own: Run) -> None:
    incident = reported(own, "--secret", "payments/db")
    assert own("incident", "dismiss", incident, "--reason", "a test value", *RITA).code == 4
    closed = own("incident", "close", incident, *SAM)
    assert closed.code == 4
    assert "Not everything is proven" in closed.err
    assert own("incident", "dismiss", incident, "--reason", "a test value", *SAM).code == 0
    assert own("incident", "list", "--json").json == []
    assert len(own("incident", "list", "--all", "--json").json) == 1
    assert own("run", incident, *SAM).code == 4


def test_words_for_the_record_that_hold_a_secret_are_refused(
    own: Run, plant: Callable[[], str]
) -> None:
    value = f"pgw_live_{plant()}"
    incident = reported(own, "--secret", "payments/db")
    words = f"{value} is refused now"
    for said in (
        ("incident", "dismiss", incident, "--reason", words, *SAM),
        ("incident", "close", incident, "--waiver", words, *SAM),
        ("incident", "severity", incident, "low", "--reason", words, *SAM),
        ("stop", incident, "--reason", words, *SAM),
        ("findings", "add", incident, words, "--owner", "team:payments", *SAM),
    ):
        refused = own(*said)
        assert refused.code == 2, said[:2]
        assert "hold a secret" in refused.err
        assert value not in refused.out + refused.err
    assert value not in own("incident", "export", incident).out


def test_manual_steps_are_confirmed_from_the_shell(own: Run, plant: Callable[[], str]) -> None:
    incident = reported(own, "--value-stdin", given=plant())
    assert own("run", incident, *SUE).code == 0
    stands = own("approve", incident, *SAM)
    assert stands.code == 1, "the run waits for a person: it is not done"
    assert "locksmith retry" in stands.out
    assert own("confirm", incident, "--evidence", "ticket 7", *RITA).code == 4
    assert own("confirm", incident, "--evidence", " ", *SAM).code == 4
    codes = [own("confirm", incident, "--evidence", "ticket 7", *SAM).code for _ in range(3)]
    assert codes == [1, 1, 1]
    skipped = own("skip", incident, "--reason", "nothing to try it against", *SAM)
    assert skipped.code == 0, skipped.out
    assert "ticket 7" in own("incident", "export", incident).out
    assert own("stop", incident, *RITA).code == 4
    closed = own("incident", "close", incident, "--waiver", "the provider is gone", *SAM)
    assert closed.code == 0, closed.err
    assert "closed" in closed.out


def test_a_run_from_report_to_proof(changing: Run, fresh_world: World) -> None:
    leaked = fresh_world.leaked_token
    incident = reported(changing, "--value-stdin", given=leaked)
    assert changing("plan", incident, "--order", "rotate-first", *SUE).code == 0
    assert changing("run", incident, *SUE).code == 0
    ran = changing("approve", incident, *SAM)
    assert ran.code == 0, ran.out + ran.err
    assert re.search(r"█{12} (\d+)/\1 confirmed", ran.out), "no line says that all is done"
    assert f"{incident} is closed" in ran.out
    with Outside(fresh_world) as outside:
        assert outside.token_in_store() != leaked
        assert not outside.issuer_accepts(leaked)
        values = (leaked, outside.token_in_store())
    record = changing("incident", "export", incident)
    assert "the old value: " in record.out
    case = changing("incident", "export", incident, "--json").json
    assert case["state"] == "closed"
    assert case["missing"] == []
    timeline = changing("incident", "timeline", incident, "--json").json
    assert [one["sequence"] for one in timeline] == sorted(one["sequence"] for one in timeline)
    verified = changing("audit", "verify", "--json")
    assert verified.json["finding"] == "intact"
    exported = changing("audit", "export")
    assert len(exported.json) >= len(timeline)
    for ended in (ran, record, exported):
        for value in values:
            assert value not in ended.out + ended.err
            assert base64.b64encode(value.encode()).decode() not in ended.out


def test_a_changed_audit_log_fails_the_verification(own: Run, config: str) -> None:
    reported(own, "--secret", "payments/db")
    settings = yaml.safe_load(Path(config).read_text())
    database = Path(settings["data_folder"]) / "locksmith.sqlite"
    assert own("audit", "verify").code == 0
    edit(database)
    ended = own("audit", "verify")
    assert ended.code == 1
    assert ended.out.strip()


def edit(database: Path) -> None:
    with sqlite3.connect(database) as connection:
        changed = connection.execute("UPDATE audit_event SET actor = 'somebody else'").rowcount
        assert changed
    connection.close()
