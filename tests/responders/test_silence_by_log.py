"""
The silence gate by a real audit log: who still logs in with the old secret-id holds its end back.

A real OpenBao with a file device, a real AppRole, the shipped playbook. What logs in is a client of
its own; nothing but the log tells Locksmith of it.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot.sandbox.openbao import OpenBaoServer
from graph.audit_hash import seek_value
from graph.connections import Connections, VaultSettings
from graph.model import Match, Node, NodeKind, Observation
from graph.reads import Reads
from graph.refs import Ref
from graph.secret_value import SecretValue
from responders.incident import Case, IncidentState, LeakReport, StepState
from responders.limits import EngineSettings
from responders.silence import still_loud
from tests.responders.room import ANA, REPORTER, START, Room
from tests.responders.steps.approles import AppRole
from tests.responders.steps.conftest import vault
from tests.responders.steps.databases import STEPS, Vault
from tests.responders.steps.parts import FINGERPRINTER

__all__ = ["vault"]

USED = {"vault_approle.rotate", "vault_approle.look", "vault_approle.destroy"}
USED |= {"vault_approle_tokens.revoke", "vault_kv.destroy_version"}
BOOK = Path("responders/playbooks/vault-approle-secret-id.yaml").read_text()
DONE = (IncidentState.VERIFIED, IncidentState.CLOSED)  # it closes by itself once all is proven
SETTLED = (IncidentState.STOPPED, *DONE)


class Ward:
    """A room whose engine runs the real steps on a leaked secret-id; its clock can be put ahead."""

    def __init__(
        self,
        openbao: OpenBaoServer,
        vault: Vault,
        make_room: Callable[..., Room],
        *,
        log: str = "",
        silent: float = 30,
    ) -> None:
        self.approle, self.vault = AppRole(vault), vault
        self.ahead = timedelta()
        self.before: Callable[[], object] = lambda: None  # called when the revocation is due
        settings = VaultSettings.model_validate(
            {
                "address": openbao.address,
                "token": openbao.root_token,
                "audit_log": log or str(openbao.audit_log),
            }
        )
        self.logs = Connections({"main": settings}, {}, {})
        self.room = make_room(
            now=lambda: datetime.now(UTC) + self.ahead,
            playbooks=(BOOK,),
            passing=lambda point: self.before() if point == "revoke:intent" else None,
            real_steps={name: STEPS[name]() for name in STEPS},
            connections=vault.connections(USED, mount=self.approle.mount),
            fingerprinter=FINGERPRINTER,
            log_connections=self.logs,
            settings=EngineSettings(allow=("*",), retry_seconds=(0.01,), silent_seconds=silent),
        )
        self.room.engine.launch()

    def leak(self, *, order: str = "rotate-first", sought: bool = True) -> str:
        """Report the secret-id, have the plan approved; returns the incident's id."""
        ref = Ref(self.vault.ref("ci/approle"))
        value = SecretValue(self.approle.leaked)
        said = {"playbook": "vault-approle-secret-id"}
        said |= {"playbook_role": f"vault://main/{self.approle.role}"}
        known = {"version": 1, "keys": ("secret_id",), **said}
        self.room.graph.merge(
            Observation("kv", (Node(ref, NodeKind.SECRET, known),), ()), now=START
        )
        if sought:
            reads = Reads(self.room.database.engine)
            assert not seek_value(value, self.logs, FINGERPRINTER, reads).gaps
        found = self.room.desk.report(
            LeakReport(
                fingerprints=FINGERPRINTER.of_leaked(value),
                matches=(Match(ref, "secret_id", 1, current=True, form="as_is"),),
                detector="generic",
                detector_name="Secret-id",
                reporter=REPORTER,
                reported_at=datetime.now(UTC),
            )
        )
        self.plan = self.room.desk.plan(found.incident_id, order)
        request = self.room.desk.ask_approval(found.incident_id, REPORTER)
        self.room.desk.vote(request.id, ANA, approve=True)
        return found.incident_id

    def again(self, incident_id: str, until: Callable[..., Case]) -> Case:
        self.room.desk.retry(incident_id, ANA)
        return until(self.room, incident_id, *SETTLED)

    def step(self, case: Case, step_id: str) -> StepState:
        return {each.step.id: each.state for each in case.progress}[step_id]

    def forgotten(self) -> None:
        """Log in with the leaked one, as a program does that nobody moved."""
        assert self.approle.log_in(self.approle.leaked)

    def waits(self, incident_id: str) -> bool:
        return any(
            "Waits until" in each.sentence for each in self.room.desk.case(incident_id).progress
        )


@pytest.fixture
def ward(
    openbao: OpenBaoServer, vault: Vault, make_room: Callable[..., Room]
) -> Callable[..., Ward]:
    return lambda **given: Ward(openbao, vault, make_room, **given)


def seen(case: Case) -> list[str]:
    return [each.sentence for each in case.timeline if each.kind == "use_seen"]


def test_the_old_secret_id_lives_as_long_as_somebody_logs_in_with_it(
    ward: Callable[..., Ward], until: Callable[..., Case]
) -> None:
    here = ward()
    assert here.approle.log_in(here.approle.leaked)  # before the report: in no way a sign of it
    here.before = here.forgotten
    incident = here.leak()
    assert here.plan.use == (
        "The old value is revoked once audit_log/vault/main has told of no use of it for 30 s."
    )
    case = until(here.room, incident, *SETTLED)
    assert case.state is IncidentState.STOPPED
    assert here.step(case, "revoke") is StepState.FAILED
    assert here.approle.log_in(here.approle.leaked)
    # When, how often, by whom and from where.
    for words in ("shows the old value in use: once since", "UTC, last at", "from 127.0.0.1"):
        assert words in case.next_action
    assert f"update auth/{here.approle.mount}/login" in case.next_action
    assert f"{here.approle.mount} (ci), entity " in case.next_action
    # It was forgotten: retried while it goes on, it holds again, and nothing is taken back.
    case = here.again(incident, until)
    assert (case.state, len(seen(case))) == (IncidentState.STOPPED, 2)
    assert here.approle.log_in(here.vault.read("ci/approle")["secret_id"])

    # It was moved: the log has told of nothing for a while, and the old one ends.
    here.before = lambda: None
    here.ahead = timedelta(minutes=2)
    case = here.again(incident, until)
    assert case.state in DONE, case.next_action
    assert not here.approle.log_in(here.approle.leaked)
    assert "has told of no use of the old value for 30 s: " in seen(case)[-1]
    proofs = [each for each in here.room.desk.gate(case.id).missing if "use of" in each]
    assert proofs == []
    for value in (here.approle.leaked, here.vault.read("ci/approle")["secret_id"]):
        assert value not in repr(case)


def test_it_waits_until_the_log_has_been_silent_for_long_enough(
    ward: Callable[..., Ward], until: Callable[..., Case]
) -> None:
    here = ward(silent=2)
    case = until(here.room, here.leak(), *SETTLED)
    assert case.state in DONE, case.next_action
    ended = {each.step.id: each.finished_at for each in case.progress}
    moved, revoked = ended["rotate"], ended["revoke"]
    assert moved is not None
    assert revoked is not None
    assert revoked - moved >= timedelta(seconds=2)
    assert f"no use of the old value since {moved:%Y-%m-%d %H:%M:%S} UTC." in seen(case)[-1]


def test_who_uses_it_while_the_gate_waits_is_seen(
    ward: Callable[..., Ward], until: Callable[..., Case]
) -> None:
    here = ward(silent=60)
    incident = here.leak()
    until(here.room, incident, IncidentState.RUNNING, where=lambda: here.waits(incident))
    here.forgotten()
    case = until(here.room, incident, *SETTLED)
    assert case.state is IncidentState.STOPPED
    assert here.approle.log_in(here.approle.leaked)


def test_a_named_person_answers_for_who_is_named_and_the_exit_gate_still_asks(
    ward: Callable[..., Ward], until: Callable[..., Case]
) -> None:
    here = ward()
    here.before = here.forgotten
    incident = here.leak()
    case = until(here.room, incident, *SETTLED)
    (loud,) = here.room.desk.waivers.held(incident, "revoke")
    assert loud.copy == "audit_log/vault/main"
    (user,) = loud.readers
    assert user.endswith("from 127.0.0.1")
    here.room.desk.waivers.waive(incident, ANA, "revoke", "an old runner, switched off tonight")
    waived = here.room.desk.case(incident)
    (revoke,) = [each.step for each in waived.progress if each.step.id == "revoke"]
    assert still_loud(waived, revoke) == ()
    # Somebody else turns out to use it: the waiver is not for that one.
    found = waived.use_seen["revoke"]
    more = replace(found, users=(*found.users, "ci from 203.0.113.9"))
    assert still_loud(replace(waived, use_seen={"revoke": more}), revoke)
    case = here.again(incident, until)
    assert case.state is IncidentState.VERIFIED, case.next_action  # and open: see below
    assert here.step(case, "revoke") is StepState.CONFIRMED
    (answered,) = [each for each in case.timeline if each.kind == "silence_waived"]
    assert answered.sentence == (
        "Ana has it revoked although audit_log/vault/main shows its use: an old runner, switched"
        " off tonight"
    )
    assert any("use of the old value" in each for each in here.room.desk.gate(incident).missing)


def test_revoked_first_it_is_written_down_and_nothing_waits(
    ward: Callable[..., Ward], until: Callable[..., Case]
) -> None:
    here = ward()
    here.before = here.forgotten
    incident = here.leak(order="revoke-first")
    assert "in this order nothing waits for them" in here.plan.use
    case = until(here.room, incident, *SETTLED)
    assert case.state in DONE, case.next_action
    (told,) = seen(case)
    assert "shows the old value in use: once since" in told


def test_a_log_that_nobody_writes_proves_nothing_and_one_that_was_not_asked_is_said(
    ward: Callable[..., Ward], until: Callable[..., Case], tmp_path: Path
) -> None:
    left = tmp_path / "rotated-away.log"
    left.write_text("")
    here = ward(log=str(left))
    incident = here.leak()
    case = until(here.room, incident, *SETTLED)
    assert case.state is IncidentState.STOPPED
    assert "does not tell of Locksmith's own request" in case.next_action
    here.room.desk.waivers.waive(incident, ANA, "revoke", "the device was moved today")
    case = here.again(incident, until)
    assert case.state in DONE, case.next_action


def test_what_the_log_was_never_asked_for_is_not_known_and_holds_nothing(
    ward: Callable[..., Ward], until: Callable[..., Case]
) -> None:
    here = ward()
    case = until(here.room, here.leak(sought=False), *SETTLED)
    assert case.state in DONE, case.next_action
    (told,) = seen(case)
    assert "is not known" in told
