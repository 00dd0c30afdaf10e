"""`locksmith import` on the demo's company: what is ours opens incidents, the rest is counted."""

import json
import secrets
from collections.abc import Callable
from pathlib import Path

import pytest

from bot.sandbox.world import World
from tests.bot.cli.conftest import Ended, Run
from tests.bot.intake.scanner_reports import WITH_VALUES, Spot, detect_secrets, gitleaks
from tests.canary.canary import GIVEN

ME = ("--as", "rita@example.com")


@pytest.fixture
def importing(config: str, run: Run, tmp_path: Path) -> Run:
    """Import a report, given as text, into a database of its own; the graph is collected."""
    assert run("--config", config, "collect").code == 0
    report = tmp_path / GIVEN / "report.json"

    def command(text: str | bytes, *options: str) -> Ended:
        report.write_bytes(text.encode() if isinstance(text, str) else text)
        return run("--config", config, "import", str(report), *ME, *options)

    return command


@pytest.fixture
def incidents(config: str, run: Run) -> Callable[[], list[dict[str, object]]]:
    return lambda: run("--config", config, "incident", "list", "--all", "--json").json


def everywhere(value: str, count: int) -> list[Spot]:
    return [Spot(value, path=f"src/module_{number}.py", line=number) for number in range(count)]


def stranger() -> str:
    return f"pgw_live_{secrets.token_hex(16)}"


def test_thousands_of_findings_become_one_incident_with_each_place_once(
    importing: Run, incidents: Callable[[], list[dict[str, object]]], world: World
) -> None:
    spots = [
        *everywhere(world.leaked_token, 40),
        *everywhere(world.leaked_token, 40),  # the scanner repeats itself
        *[Spot(stranger(), path=f"tests/{number}.py") for number in range(2500)],
    ]
    told = importing(gitleaks(spots), "--json").json
    assert (told["findings"], told["credentials"]) == (2580, 2501)
    assert told["counts"] == {
        "matched": 1, "issued": 0, "unmatched": 2500, "weak": 0, "no value": 0,
    }  # fmt: skip
    (row,) = told["incidents"]
    assert row["outcome"] == "opened"
    assert row["places"] == 40
    assert "vault://main/kv/payments/gateway#token" in row["secrets"]
    assert len(told["not_opened"]) == 2500
    (case,) = incidents()
    assert case["id"] == row["incident_id"]
    assert len(case["sightings"]) == 40  # type: ignore[arg-type]

    again = importing(gitleaks(spots[:60]), "--json").json
    assert again["incidents"][0]["outcome"] == "joined"
    (case,) = incidents()
    assert len(case["sightings"]) == 40  # type: ignore[arg-type]


def test_an_old_finding_does_not_reopen_what_was_closed_and_a_new_place_does(
    importing: Run, run: Run, config: str, world: World
) -> None:
    first = importing(gitleaks(everywhere(world.leaked_token, 2)), "--json").json
    incident = first["incidents"][0]["incident_id"]
    closing = ("--reason", "a rehearsal", "--as", "sam@example.com")
    assert run("--config", config, "incident", "dismiss", incident, *closing).code == 0
    again = importing(gitleaks(everywhere(world.leaked_token, 2)), "--json").json
    assert again["incidents"][0]["outcome"] == "known"
    wider = importing(gitleaks(everywhere(world.leaked_token, 3)), "--json").json
    assert wider["incidents"][0] | {"places": 3} == wider["incidents"][0]
    assert wider["incidents"][0]["outcome"] == "reopened"
    assert wider["incidents"][0]["incident_id"] == incident


@pytest.mark.parametrize("scanner", WITH_VALUES)
def test_every_scanner_leads_to_the_stored_secret(
    importing: Run, world: World, scanner: str
) -> None:
    _, write = WITH_VALUES[scanner]
    spots = [Spot(world.leaked_token), Spot(stranger())]
    told = importing(write(spots), "--dry-run", "--json").json
    (row,) = told["incidents"]
    assert "vault://main/kv/payments/gateway#token" in row["secrets"]


def test_a_line_of_source_in_sarif_is_searched_for_the_value(importing: Run, world: World) -> None:
    line = f'client = Gateway(token="{world.leaked_token}")  # see the wiki'
    told = importing(WITH_VALUES["sarif"][1]([Spot(line)]), "--dry-run", "--json").json
    assert len(told["incidents"]) == 1


def test_what_an_issuer_knows_is_ours_though_it_is_stored_nowhere(
    importing: Run, world: World
) -> None:
    token = world.issue_ci_token().token
    dry = importing(gitleaks([Spot(token)]), "--dry-run", "--json").json
    assert dry["counts"]["issued"] == 1
    assert dry["incidents"][0]["incident_id"] == ""
    (row,) = importing(gitleaks([Spot(token)]), "--json").json["incidents"]
    assert (row["standing"], row["outcome"]) == ("issued", "opened")


def test_a_dry_run_says_the_same_and_opens_nothing(
    importing: Run, incidents: Callable[[], list[dict[str, object]]], world: World
) -> None:
    ended = importing(gitleaks(everywhere(world.leaked_token, 3)), "--dry-run")
    assert ended.code == 0
    assert "Would be reported" in ended.out
    assert "payments/gateway#token" in ended.out
    assert incidents() == []


def test_without_values_it_says_that_nothing_can_be_matched_and_opens_only_if_asked(
    importing: Run, incidents: Callable[[], list[dict[str, object]]]
) -> None:
    spots = [Spot("ab" * 20), Spot("ab" * 20, path="other.env"), Spot("cd" * 20, line=4)]
    shown = importing(detect_secrets(spots))
    assert shown.code == 0
    assert "SHA-1 of the value, which cannot be matched" in shown.out
    assert incidents() == []
    told = importing(detect_secrets(spots), "--open-unmatched", "--json").json
    assert [row["places"] for row in told["incidents"]] == [2, 1]
    cases = incidents()
    assert len(cases) == 2
    assert all(case["matches"] == [] for case in cases)
    assert all("without the value" in str(case["severity_reasons"]) for case in cases)
    assert "abababab" not in json.dumps(cases)
    again = importing(detect_secrets(spots), "--open-unmatched", "--json").json
    assert {row["outcome"] for row in again["incidents"]} == {"joined"}


def test_redacted_findings_open_by_kind_and_place_if_asked(importing: Run) -> None:
    spots = [Spot("REDACTED"), Spot("REDACTED"), Spot("REDACTED", line=9)]
    told = importing(gitleaks(spots), "--open-unmatched", "--json").json
    assert told["counts"]["no value"] == 2
    assert len(told["incidents"]) == 2


def test_a_flood_is_refused_before_the_first_incident(
    importing: Run, incidents: Callable[[], list[dict[str, object]]]
) -> None:
    spots = [Spot(stranger(), line=number) for number in range(7)]
    ended = importing(gitleaks(spots), "--open-unmatched", "--at-most", "5")
    assert ended.code == 4
    assert "7 incidents" in ended.err
    assert incidents() == []


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"not json at all", "anything but JSON"),
        (b'[{"RuleID": "a", "Secret": "very-secret-value"},\n{"RuleID"', "line 2"),
    ],
)
def test_a_broken_report_is_bad_input_with_the_place(
    importing: Run, content: bytes, words: str
) -> None:
    ended = importing(content)
    assert ended.code == 2
    assert words in ended.err
    assert "very-secret" not in ended.err + ended.out


def test_the_report_may_come_by_pipe(config: str, run: Run, world: World) -> None:
    assert run("--config", config, "collect").code == 0
    given = gitleaks([Spot(world.leaked_token)])
    told = run("--config", config, "import", "-", "--dry-run", "--json", *ME, given=given).json
    assert told["counts"]["matched"] == 1


def test_a_missing_file_is_named_before_anything_starts(config: str, run: Run) -> None:
    ended = run("--config", config, "import", "/no/such/report.json", *ME)
    assert ended.code == 2
    assert "/no/such/report.json" in ended.err


def test_no_word_of_a_report_carries_the_value_out(
    importing: Run,
    incidents: Callable[[], list[dict[str, object]]],
    plant: Callable[[], str],
) -> None:
    value = plant()
    hostile = {
        "RuleID": f"rule-{value}",
        "Description": f"Found {value}",
        "Secret": value,
        "Match": f"x = {value}",
        "File": f"keys/{value}/id",
        "Commit": value,
        "Link": f"https://me:{value}@git.example/{value}?q={value}",
        "Author": value,
        "Email": f"{value}@example.com",
        "Message": value,
        "Fingerprint": value,
    }
    ended = importing(json.dumps([hostile, hostile | {"Secret": value[:-1]}]), "--open-unmatched")
    assert ended.code == 0
    assert "value removed" in ended.out
    assert len(incidents()) == 2  # and the canary searches the database, the log and the output
