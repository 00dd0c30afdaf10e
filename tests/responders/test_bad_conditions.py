"""
What goes wrong around a run on the real OpenBao: it stops, says why, and a person goes on from it.

Token expired, permission missing, quota reached, store not reachable, answers lost on the way,
secret deleted under us, clock hours off. Others have files of their own: a sealed store
(tests/scenarios), a full disk (test_disk_full), partial waves (test_rollback).
"""

import secrets
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from threading import Event

import hvac
import pytest

from bot.graph_parts import graph_parts, utc_now
from bot.intake.intake import Intake, Seen
from bot.sandbox.openbao import OpenBaoServer
from bot.settings import Config
from bot.wiring import ResponseParts, response_parts
from graph.collect import collect
from graph.identify import Identified
from responders.incident import Case, IncidentState, Person
from tests.responders.steps.parts import Passed, proxy

RITA, ANA = Person("rita@example.com", "Rita"), Person("ana@example.com", "Ana")
VALUE = "a-value-that-we-made-ourselves-7f3"
PATH = "shop/key"
POLICY = """
path "{mount}/metadata/*" {{ capabilities = ["read", "list", "patch"] }}
path "{mount}/data/*" {{ capabilities = ["read", "patch"] }}
path "sys/mounts" {{ capabilities = ["read"] }}
path "{mount}/config" {{ capabilities = ["read"] }}
"""
DESTROY = 'path "{mount}/destroy/*" {{ capabilities = ["update"] }}'


class House:
    """A KV mount, a token that may do what a rotation needs, and Locksmith's parts on them."""

    def __init__(self, openbao: OpenBaoServer, folder: Path) -> None:
        self.address = openbao.address
        self.folder = folder
        self.root = hvac.Client(url=openbao.address, token=openbao.root_token)
        self.mount = f"kv-{secrets.token_hex(4)}"
        self.root.sys.enable_secrets_engine("kv", path=self.mount, options={"version": "2"})
        self.root.secrets.kv.v2.create_or_update_secret(
            PATH, {"key": VALUE}, mount_point=self.mount
        )
        self.root.secrets.kv.v2.update_metadata(
            PATH, mount_point=self.mount, custom_metadata={"issuer": "generated"}
        )
        self.permit(DESTROY)
        self.parts: ResponseParts | None = None
        self.token = self.new_token()

    def permit(self, more: str = "") -> None:
        policy = (POLICY + more).format(mount=self.mount)
        self.root.sys.create_or_update_acl_policy(self.mount, policy, pretty_print=False)

    def new_token(self) -> str:
        made = self.root.auth.token.create(policies=[self.mount], no_parent=True)
        return str(made["auth"]["client_token"])

    def start(self, *, skew: timedelta = timedelta(0)) -> ResponseParts:
        settings = {
            "data_folder": str(self.folder),
            "fingerprint": {"key": "6b" * 32},
            "vault": {
                "main": {
                    "address": self.address,
                    "token": self.token,
                    "mounts": [self.mount],
                }
            },
            "teams": {"security": {"members": [ANA.identity]}},
            "response": {"allow": ["*"], "retry_seconds": [0.1]},
        }
        graph = graph_parts(Config.model_validate(settings))
        graph = replace(graph, now=lambda: utc_now() + skew)
        self.parts = response_parts(graph)
        self.parts.engine.launch()
        return self.parts

    def stop(self) -> None:
        if self.parts is not None:
            self.parts.engine.stop(seconds=5)
            self.parts.graph.close()
            self.parts = None

    def run_until(self, step: str) -> tuple[ResponseParts, str]:
        """Report, ask, approve; returns when the run waits for the person before `step`."""
        parts = self.parts or self.start()
        graph = parts.graph
        seen = list(collect(graph.repository, graph.collect_context, now=graph.now()))
        assert not any(each.refused for each in seen)
        intake = Intake(
            fingerprinter=graph.fingerprinter,
            index=graph.repository,
            detect=lambda text: (),
            identify=lambda value: Identified("generic", "A value"),
            clock=graph.now,
        )
        (report,) = intake.from_value(VALUE, Seen(reporter=RITA, where="x")).reports
        incident_id = parts.desk.report(report).incident_id
        request = parts.desk.ask_approval(incident_id, RITA)
        parts.desk.vote(request.id, ANA, approve=True)
        case = until(parts, incident_id, IncidentState.STOPPED)
        assert case.next_action.startswith("“Old value refused"), case.next_action
        return parts, incident_id

    def go_on(self, parts: ResponseParts, incident_id: str) -> Case:
        """Confirm what a person has to; returns where the run stands after it."""
        parts.desk.confirm(incident_id, ANA, "prove", "tried it: refused")
        return until(
            parts, incident_id, IncidentState.STOPPED, IncidentState.VERIFIED, IncidentState.CLOSED
        )


def until(parts: ResponseParts, incident_id: str, *states: IncidentState) -> Case:
    end = time.monotonic() + 40
    while (case := parts.desk.case(incident_id)).state not in states:
        assert time.monotonic() < end, f"{case.state}: {case.next_action}"
        time.sleep(0.05)  # between two looks at the rows
    return case


@pytest.fixture
def house(openbao: OpenBaoServer, tmp_path: Path) -> Iterator[House]:
    made = House(openbao, tmp_path)
    yield made
    made.stop()


def versions(house: House) -> dict[str, dict[str, object]]:
    found = house.root.secrets.kv.v2.read_secret_metadata(PATH, mount_point=house.mount)
    versions: dict[str, dict[str, object]] = found["data"]["versions"]
    return versions


def proven(house: House, parts: ResponseParts, incident_id: str) -> None:
    """The incident ended, and OpenBao itself holds what it says."""
    until(parts, incident_id, IncidentState.CLOSED)
    assert len(versions(house)) == 2
    assert versions(house)["1"]["destroyed"]
    assert parts.records.verify_audit().finding == "intact"


def test_a_token_that_expired_stops_the_run_and_a_new_one_goes_on(house: House) -> None:
    parts, incident_id = house.run_until("destroy")
    house.root.auth.token.revoke(house.token)
    case = house.go_on(parts, incident_id)
    assert case.state is IncidentState.STOPPED
    assert "Leaked version destroyed" in case.next_action
    assert "token" in case.next_action.lower() or "refuse" in case.next_action.lower()
    house.stop()
    house.token = house.new_token()
    parts = house.start()
    parts.desk.retry(incident_id, ANA)
    proven(house, parts, incident_id)


def test_a_missing_permission_is_named_and_granted_on_the_way(house: House) -> None:
    parts, incident_id = house.run_until("destroy")
    house.permit()
    case = house.go_on(parts, incident_id)
    assert case.state is IncidentState.STOPPED
    assert "destroy" in case.next_action
    house.permit(DESTROY)
    parts.desk.retry(incident_id, ANA)
    proven(house, parts, incident_id)


def test_a_quota_that_is_reached_stops_the_run_and_later_it_goes_on(house: House) -> None:
    parts, incident_id = house.run_until("destroy")
    quota = f"sys/quotas/rate-limit/{house.mount}"
    limit = {"path": f"{house.mount}/", "rate": 1, "interval": "60s"}
    house.root.adapter.post(f"/v1/{quota}", json=limit)
    try:
        case = house.go_on(parts, incident_id)
        assert case.state is IncidentState.STOPPED
        assert "429" in case.next_action or "rate" in case.next_action.lower()
    finally:
        house.root.adapter.delete(f"/v1/{quota}")
    parts.desk.retry(incident_id, ANA)
    proven(house, parts, incident_id)


def test_a_store_that_is_not_reachable_stops_the_run_and_later_it_goes_on(house: House) -> None:
    down = Event()

    def meddle(passed: Passed) -> tuple[int, bytes] | None:
        return (0, b"") if down.is_set() else None

    with proxy(house.address, meddle) as house.address:
        parts, incident_id = house.run_until("destroy")
        down.set()
        case = house.go_on(parts, incident_id)
        assert case.state is IncidentState.STOPPED
        assert "no connection to the address" in case.next_action
        assert not versions(house)["1"]["destroyed"]
        down.clear()
        parts.desk.retry(incident_id, ANA)
        proven(house, parts, incident_id)
        house.stop()


def test_what_was_done_although_the_answer_was_lost_is_done_once_and_nobody_is_asked(
    house: House,
) -> None:
    lost: list[str] = []

    def meddle(passed: Passed) -> tuple[int, bytes] | None:
        if passed.method not in {"PATCH", "PUT", "POST"} or passed.method in lost:
            return None
        status, _ = passed.forward()
        assert status < 300, passed.path
        lost.append(passed.method)
        return 0, b""

    with proxy(house.address, meddle) as house.address:
        parts, incident_id = house.run_until("destroy")
        house.go_on(parts, incident_id)
        proven(house, parts, incident_id)
        house.stop()
    assert len(lost) > 1, lost


def test_a_secret_that_is_deleted_under_us_is_said_and_a_person_ends_it(house: House) -> None:
    parts, incident_id = house.run_until("destroy")
    house.root.secrets.kv.v2.delete_metadata_and_all_versions(PATH, mount_point=house.mount)
    case = house.go_on(parts, incident_id)
    assert case.state is IncidentState.STOPPED
    assert PATH in case.next_action
    parts.desk.skip(incident_id, ANA, "destroy:1", "its owners deleted it, versions and all")
    case = until(parts, incident_id, IncidentState.VERIFIED)
    assert any("skipped" in missing for missing in parts.desk.gate(incident_id).missing)
    parts.desk.close(incident_id, ANA, waiver="the secret is gone")
    assert parts.desk.case(incident_id).state is IncidentState.CLOSED


@pytest.mark.parametrize("hours", [-30, 30])
def test_a_clock_that_is_hours_off_changes_nothing(house: House, hours: int) -> None:
    house.start(skew=timedelta(hours=hours))
    parts, incident_id = house.run_until("destroy")
    house.go_on(parts, incident_id)
    proven(house, parts, incident_id)
    # The next process has the right time again: it goes on with the chain and finds it whole.
    house.stop()
    parts = house.start()
    assert parts.records.verify_audit().finding == "intact"
