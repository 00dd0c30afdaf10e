"""Each line of the timeline has the link of its message; what has none of its own, the card's."""

from dataclasses import replace
from datetime import UTC, datetime

from bot.slack.links import links_of
from bot.slack.message_rows import SlackMessageRow
from responders.incident import TimelineEntry
from tests.bot.cases import make_case

AT = datetime(2026, 3, 1, tzinfo=UTC)


def test_entries_lead_to_their_messages() -> None:
    kinds = ("reported", "opened", "asked", "approved", "verdict", "closed")
    timeline = tuple(
        TimelineEntry(number, AT, kind, "locksmith", "…") for number, kind in enumerate(kinds, 1)
    )
    case = replace(make_case(), timeline=timeline)
    where = "https://acme.slack.com/archives/C9/p1700000000000100"
    case = replace(case, sightings=(replace(case.sightings[0], where=where),))
    keys = {"card": "1.000001", "approval/r1": "2.000002", "proof/5": "", "phase/x/rotate": "3.000"}
    rows = {
        f"{case.id}/{key}": SlackMessageRow(
            key=f"{case.id}/{key}", incident_id=case.id, channel="C1", ts=ts
        )
        for key, ts in keys.items()
    }
    links = links_of(case, rows, "https://acme.slack.com/")
    card = "https://acme.slack.com/archives/C1/p1000001"
    asked = "https://acme.slack.com/archives/C1/p2000002?thread_ts=1.000001&cid=C1"
    assert links == {1: where, 2: card, 3: asked, 4: asked, 5: card, 6: card}
    for place in (  # a reporter may name any address
        "https://evil.example/archives/C1/p1",
        "https://evil.example/?/archives/",
        f"{where}) [click](https://evil.example",
    ):
        named = replace(case, sightings=(replace(case.sightings[0], where=place),))
        assert links_of(named, rows, "https://acme.slack.com/")[1] == card
    assert links_of(case, {}, "https://acme.slack.com/") == {}
    assert links_of(case, rows, "") == {}
