"""
PagerDuty: what people do with a page there comes back.

Set up: Integrations, Generic Webhooks (v3), one subscription for the services that `pagers` name;
events incident.acknowledged, incident.unacknowledged, incident.resolved; its secret is the secret.
The alert is found by its `incident_key`, which is the dedup key that Locksmith gave it. What
Locksmith itself does there comes back too, by no user, and is ignored. Where PagerDuty groups
alerts, an incident has the key of its first alert: the others are not answered by it.

Example::

    {
      "event": {
        "id": "01DPAGERDUTYEVENT000000001",
        "event_type": "incident.acknowledged",
        "resource_type": "incident",
        "occurred_at": "2026-11-20T09:00:00.000Z",
        "agent": {"id": "PANA001", "type": "user_reference", "summary": "Ana Silva"},
        "data": {
          "id": "PINC001",
          "type": "incident",
          "status": "acknowledged",
          "incident_key": "locksmith:acme:inc-7x2m9q:team:payments"
        }
      }
    }

Source: https://developer.pagerduty.com/docs/webhooks-overview (V3 payload, event types) and
https://developer.pagerduty.com/docs/verifying-webhook-signatures (HMAC-SHA256 of the body, hex).
"""

from collections.abc import Iterator
from typing import Any, ClassVar

from bot.intake.finding import moment, part, words
from bot.intake.hook import Delivery, Hook, as_object, hex_hmac, require_equal
from graph.errors import BadInputError
from responders.incident import Person
from responders.pager import PageAnswer, PageDeed

_SIGNATURE = "X-PagerDuty-Signature"
_DEEDS = {
    "incident.acknowledged": PageDeed.TAKEN_ON,
    "incident.unacknowledged": PageDeed.LET_GO,
    "incident.resolved": PageDeed.RESOLVED,
}
_LONGEST_KEY = 255  # characters of a dedup key


class PagerDuty(Hook):
    name: ClassVar[str] = "pagerduty"
    title: ClassVar[str] = "PagerDuty"

    def verify(self, delivery: Delivery, secret: str) -> str:
        given = [each.strip() for each in delivery.header(_SIGNATURE).split(",")]
        wanted = f"v1={hex_hmac(secret, delivery.body)}"
        require_equal(*given, wanted=wanted, header=_SIGNATURE)
        return wanted  # a repeat has the same body, and the same event id in it

    def ignored(self, delivery: Delivery, payload: Any) -> str:
        event = part(as_object(payload), "event")
        deed = _DEEDS.get(words(event.get("event_type"), 60))
        if deed is None:
            return "Only incidents that are acknowledged, unacknowledged or resolved are taken."
        if deed is not PageDeed.LET_GO and part(event, "agent").get("type") != "user_reference":
            return "No person did this."
        if moment(event.get("occurred_at")) is None:
            raise BadInputError(
                "The event has no occurred_at.",
                means="Nothing was taken.",
                do_now="Send PagerDuty's own payload.",
            )
        return ""

    def answers(self, payload: Any) -> Iterator[PageAnswer]:
        event = part(as_object(payload), "event")
        agent, at = part(event, "agent"), moment(event.get("occurred_at"))
        if at is not None:
            yield PageAnswer(
                key=words(part(event, "data").get("incident_key"), _LONGEST_KEY),
                deed=_DEEDS[words(event.get("event_type"), 60)],
                person=Person(
                    identity=f"pagerduty:{words(agent.get('id'), 40)}",
                    name=f"{words(agent.get('summary'), 60) or 'somebody'} (PagerDuty)",
                ),
                at=at,
            )
