"""
Deliveries of webhooks: findings become reports, answers to a page are kept with the page.

Reports are under the name of the hook. What is stored here, or known to an issuer of ours, is
always reported. What is not is reported if the hook's settings say so, and up to a limit: a
pipeline that sends the report of a whole history must not open a thousand incidents in one night.
"""

from collections.abc import Mapping
from typing import Any

import structlog

from bot.inbox import Entry
from bot.intake.gathering import OURS, Credential, Gathering
from bot.intake.hook import Hook
from bot.work.room import Room
from graph.plugins import discover
from responders.incident import Person

log = structlog.get_logger()

MOST_UNMATCHED = 50  # incidents of one delivery for what is not stored here


def on_delivery(entry: Entry, room: Room) -> None:
    """Report what one delivery found or says; the desk knows what it was told before."""
    payload: Mapping[str, Any] = entry.payload
    name = str(payload.get("hook") or "")
    hook = discover(Hook, "bot.intake.hooks")[str(payload.get("kind"))]()
    for answer in hook.answers(payload.get("body")):
        incident_id = room.desk.triage.page_answered(answer)
        log.info("page.answered", hook=name, deed=str(answer.deed), incident=incident_id)
    unmatched = bool(payload.get("open_unmatched"))
    gathering = Gathering(
        room.intake,
        source=f"hook:{name}",
        reporter=Person(identity=f"hook:{name}", name=hook.title),
        keep_all=unmatched,
    )
    for finding in hook.findings(payload.get("body")):
        gathering.add(finding)
    chosen, left = _chosen(gathering, everything=unmatched)
    for credential in chosen:
        first, *also = gathering.reports(credential)
        opened = room.desk.report(first, also)
        log.info("delivery.reported", hook=name, incident=opened.incident_id)
    if left:
        log.warning("delivery.unmatched_left_out", hook=name, credentials=left)
    for sentence in gathering.unasked.values():
        log.warning("issuer.not_asked", hook=name, because=sentence)


def _chosen(gathering: Gathering, *, everything: bool) -> tuple[list[Credential], int]:
    found = gathering.credentials()
    ours = [one for one in found if one.standing in OURS]
    others = [one for one in found if one.standing not in OURS]
    taken = others[:MOST_UNMATCHED] if everything else []
    return [*ours, *taken], len(others) - len(taken)
