"""
GitGuardian: a custom webhook for incidents and occurrences.

Set up: Settings, Integrations, Destinations, Custom webhook; its signature token is the secret;
events “New incident”, “New occurrence”, “Incident reopened”, “Incident regression”. The value is
never in it: the incident is opened by GitGuardian's own, each occurrence joins. Their `secret_hash`
is not kept. The body of the test message holds a made-up secret; it is not kept either.

Example::

    {
      "source": "GitGuardian",
      "timestamp": "2026-11-20T09:00:00Z",
      "action": "new_occurrence",
      "incident": {
        "id": 31605,
        "date": "2026-11-20T09:00:00Z",
        "detector": {"name": "acme_token", "display_name": "Acme token"},
        "validity": "not_checked",
        "gitguardian_url": "https://dashboard.gitguardian.example/workspace/1/incidents/31605"
      },
      "occurrence": {
        "id": 1234,
        "sha": "7f3c1d0a9b8e",
        "author_name": "Ana",
        "author_info": "ana@example.com",
        "date": "2026-11-20T09:00:00Z",
        "url": "https://git.example/acme/shop/commit/7f3c1d0a9b8e",
        "filepath": "config/prod.env",
        "source": {"full_name": "acme/shop", "visibility": "private"}
      }
    }

Source: https://docs.gitguardian.com/platform/configure-alerting/notifiers-integrations/custom-webhook
(key: timestamp and token joined; message: the body; `sha256=` and hex; its test vector is ours).
"""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from bot.intake.finding import Finding, Place, found, part, person, words
from bot.intake.hook import Delivery, Hook, as_object, hex_hmac, require_equal, require_fresh
from graph.errors import BadInputError

_LEAKS = {
    "incident_triggered",
    "new_occurrence",
    "incident_reopened",
    "incident_regression",
}
_SIGNATURE, _TIMESTAMP = "Gitguardian-Signature", "Timestamp"
_NO_VALUE = "GitGuardian's webhook never holds the value; look at its incident."


class GitGuardian(Hook):
    name: ClassVar[str] = "gitguardian"
    title: ClassVar[str] = "GitGuardian"

    def verify(self, delivery: Delivery, secret: str) -> str:
        timestamp = delivery.header(_TIMESTAMP)
        signature = f"sha256={hex_hmac(timestamp + secret, delivery.body)}"
        require_equal(delivery.header(_SIGNATURE), wanted=signature, header=_SIGNATURE)
        require_fresh(timestamp, delivery.at, header=_TIMESTAMP)
        return signature

    def ignored(self, delivery: Delivery, payload: Any) -> str:
        body = as_object(payload)
        if "incident" not in body:
            return "The hook works."  # their test message
        if words(body.get("action"), 40) not in _LEAKS:
            return "This action reports no leak."
        if not part(body, "incident").get("gitguardian_url"):
            raise BadInputError(
                "The incident has no gitguardian_url.",
                means="Nothing was taken.",
                do_now="Send GitGuardian's own payload.",
            )
        return ""

    def findings(self, payload: Any) -> Iterator[Finding]:
        body = as_object(payload)
        incident, occurrence = part(body, "incident"), part(body, "occurrence")
        detector = part(incident, "detector")
        address = words(incident.get("gitguardian_url"))
        action = words(body.get("action"), 40)
        source = part(occurrence, "source")
        first = action in {"incident_triggered", "new_occurrence"}
        yield found(
            words(detector.get("name")),
            words(detector.get("display_name")),
            Place(
                path=words(occurrence.get("filepath")) or "GitGuardian",
                commit=words(occurrence.get("sha"), 64),
                repository=words(source.get("full_name")) or words(source.get("name")),
                url=words(occurrence.get("url")) or address,
            ),
            absent=_NO_VALUE,
            alert=address,
            event="" if first else f"{action} {words(body.get('timestamp'), 40)}",
            note=_note(incident, source),
            seen_at=occurrence.get("date") or incident.get("date"),
            author=person(occurrence.get("author_info"), occurrence.get("author_name")),
        )


def _note(incident: Mapping[str, Any], source: Mapping[str, Any]) -> str:
    address = words(incident.get("gitguardian_url"))
    notes = [f"GitGuardian's incident {words(incident.get('id'))}: {address}."]
    if (validity := words(incident.get("validity"), 20)) in {"valid", "invalid"}:
        notes.append(f"GitGuardian's check of its validity: {validity}.")
    if source.get("visibility") == "public":
        notes.append("The repository is public.")
    return " ".join(notes)
