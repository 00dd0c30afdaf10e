"""The exit gate and the report: only what was seen counts."""

from dataclasses import replace

import pytest

from graph.refs import with_key
from responders.evidence import evidence, gate, vouched
from responders.export import as_json, markdown
from responders.incident import Case, IncidentState, StepProgress, StepState, TimelineEntry
from responders.post_mortem import Record
from responders.post_mortem import markdown as post_mortem
from tests.responders.room import ANA, COPY, IDLE, SECRET, Room, report

BARE = "k8s://prod/payments/Pod/bare"
VOLUME = "k8s://prod/payments/Deployment/files"


@pytest.fixture
def case(room: Room) -> Case:
    return room.desk.case(room.desk.report(report()).incident_id)


def confirmed(case: Case, *but: str) -> Case:
    progress = tuple(
        replace(
            each,
            state=StepState.WAITING if each.step.id in but else StepState.CONFIRMED,
            sentence=f"saw {each.step.id}",
            evidence={"old_value_refused": True} if each.step.id == "revoke" else {},
        )
        for each in case.progress
    )
    return replace(case, progress=progress, state=IncidentState.VERIFIED)


def missing(case: Case) -> list[str]:
    return [each.rpartition(": ")[0] for each in gate(case).missing]


def test_nothing_is_proven_before_anything_was_seen(case: Case) -> None:
    found = evidence(case)
    assert not any(proof.proven for proof in (*found.copies, *found.consumers, found.old_value))


def test_what_the_steps_saw_is_proven_and_a_bare_pod_is_not(case: Case) -> None:
    assert missing(confirmed(case)) == [BARE]


def test_a_word_of_a_step_for_the_bare_pod_opens_the_gate(case: Case) -> None:
    done = confirmed(case)
    last = replace(done.progress[3], evidence={"workloads": [BARE, *all_consumers(case)]})
    done = replace(done, progress=(*done.progress[:3], last, *done.progress[4:]))
    assert gate(done).open


def all_consumers(case: Case) -> list[str]:
    return [str(consumer.workload) for consumer in case.blast_radius.consumers]


def test_a_follower_is_proven_by_its_copy_alone(case: Case) -> None:
    done = confirmed(case, "refresh:2")
    unproven = missing(done)
    assert str(with_key(COPY, "token")) in unproven
    assert VOLUME in unproven
    assert str(with_key(IDLE, "token")) not in unproven


def test_a_refusal_must_have_been_seen(case: Case) -> None:
    assert "the old value" in missing(confirmed(case, "revoke"))


def test_a_receipt_proves_nothing(case: Case) -> None:
    progress = tuple(replace(each, state=StepState.RUNNING) for each in case.progress)
    assert not gate(replace(case, progress=progress)).open


def test_a_word_of_a_person_stands_for_what_its_phase_proves(case: Case) -> None:
    def by_hand(phase: str) -> StepProgress:
        step = replace(case.progress[0].step, phase=phase, settings={}, use="manual.confirm")
        return replace(case.progress[0], step=step)

    assert vouched(case, by_hand("rotate"), ANA, "did")["copies"] == [str(SECRET)]
    assert len(vouched(case, by_hand("reload"), ANA, "did")["workloads"]) == 9  # type: ignore[arg-type]
    assert vouched(case, by_hand("verify"), ANA, "did")["old_value_refused"] is True
    assert "old_value_refused" not in vouched(case, by_hand("revoke"), ANA, "did")


def test_each_consumer_has_its_own_words_and_the_list_stands_once(case: Case) -> None:
    workloads = all_consumers(case)
    names = [ref.partition("//prod/")[2] for ref in workloads]
    each = [f"{name} runs on {n} new pods" for n, name in enumerate(names)]
    seen = f"All {len(each)} consumers are accounted for: {'; '.join(each)}."
    done = confirmed(case)
    looked = replace(
        done.progress[-1], sentence=seen, evidence={"workloads": workloads, "each": each}
    )
    done = replace(done, progress=(*done.progress[:-1], looked))
    found = evidence(done)
    words = {proof.subject: proof.sentence for proof in found.consumers}
    assert words[workloads[1]] == "runs on 1 new pods."
    assert found.steps[-1].sentence == f"All {len(each)} consumers are accounted for."
    told = TimelineEntry(9, case.opened_at, "verdict", "locksmith", seen)
    text = post_mortem(Record(replace(done, timeline=(*done.timeline, told))))
    assert text.count("runs on 1 new pods") == 1
    assert text.count(f"All {len(each)} consumers are accounted for.") == 2, "step and timeline"


def test_the_report_names_everything(case: Case) -> None:
    done = confirmed(case)
    text = markdown(done)
    for expected in (
        case.id,
        "- [ ] k8s://prod/payments/Pod/bare",
        "- [x] the old value: saw revoke",
        "- reported: 2026-03-01 12:00:00 UTC",
        "Who did read it since: `locksmith access`",
        "| 1 | 2026-03-01",
    ):
        assert expected in text
    exported = as_json(done)
    assert exported["id"] == case.id
    assert exported["evidence"]["old_value"]["proven"] is True
    assert len(exported["missing"]) == 1
