"""
GitLab: vulnerability events of a project or group, for findings of secret detection.

Set up: Settings, Webhooks, “Vulnerability events” (GitLab 17.11, Ultimate). A secret that begins
with `whsec_` is a signing token: GitLab then signs identifier, time and body (Standard Webhooks).
Any other is a secret token, which GitLab sends along in plain: whoever sees one delivery can send
others, so prefer the signing token. The value is not in the event.

Example::

    {
      "object_kind": "vulnerability",
      "object_attributes": {
        "url": "https://gitlab.example/acme/shop/-/security/vulnerabilities/1",
        "title": "Acme token",
        "state": "detected",
        "location": {
          "file": "config/prod.env",
          "start_line": 3,
          "commit": {"sha": "7f3c1d0a9b8e"}
        },
        "identifiers": [{"external_type": "gitleaks_rule_id", "external_id": "acme-token"}],
        "report_type": "secret_detection",
        "created_at": "2026-11-20 09:00:00 UTC",
        "updated_at": "2026-11-20 09:00:00 UTC"
      }
    }

Source: https://docs.gitlab.com/user/project/integrations/webhook_events/#vulnerability-events;
https://gitlab.com/gitlab-org/gitlab/-/merge_requests/230944 (signing token);
https://www.standardwebhooks.com (how it is signed).
"""

import hashlib
from collections.abc import Iterator
from typing import Any, ClassVar

from bot.intake.finding import Finding, Place, found, number, part, parts, words
from bot.intake.hook import (
    Delivery,
    Hook,
    as_object,
    base64_hmac,
    require_equal,
    require_fresh,
    signing_key,
)
from graph.errors import BadInputError

_OVER = {"resolved", "dismissed"}
_TOKEN, _SIGNATURE = "X-Gitlab-Token", "webhook-signature"
_NO_VALUE = "GitLab's webhook does not hold the value; look at its vulnerability."


class GitLab(Hook):
    name: ClassVar[str] = "gitlab"
    title: ClassVar[str] = "GitLab secret detection"

    def verify(self, delivery: Delivery, secret: str) -> str:
        if not secret.startswith("whsec_"):
            require_equal(delivery.header(_TOKEN), wanted=secret, header=_TOKEN)
            return hashlib.sha256(delivery.body).hexdigest()
        identifier, sent = delivery.header("webhook-id"), delivery.header("webhook-timestamp")
        content = f"{identifier}.{sent}.".encode() + delivery.body
        wanted = f"v1,{base64_hmac(signing_key(secret), content)}"
        given = delivery.header(_SIGNATURE).split()  # several while a token is changed
        require_equal(*given, wanted=wanted, header=_SIGNATURE)
        require_fresh(sent, delivery.at, header="webhook-timestamp")
        return identifier or wanted

    def ignored(self, delivery: Delivery, payload: Any) -> str:
        body = as_object(payload)
        said = part(body, "object_attributes")
        if body.get("object_kind") != "vulnerability":
            return "Only vulnerability events are taken."
        if said.get("report_type") != "secret_detection":
            return "Only findings of secret detection are taken."
        if words(said.get("state"), 40) in _OVER:
            return "This state reports no leak."
        if not said.get("url"):
            raise BadInputError(
                "The vulnerability has no url.",
                means="Nothing was taken.",
                do_now="Send GitLab's own payload.",
            )
        return ""

    def findings(self, payload: Any) -> Iterator[Finding]:
        said = part(as_object(payload), "object_attributes")
        address = words(said.get("url"))
        location = part(said, "location")
        rules = [words(each.get("external_id")) for each in parts(said.get("identifiers"))]
        yield found(
            next((rule for rule in rules if rule), ""),
            words(said.get("title")),
            Place(
                path=words(location.get("file")),
                line=number(location.get("start_line")),
                commit=words(part(location, "commit").get("sha"), 64),
                repository=address.partition("/-/")[0],
                url=address,
            ),
            absent=_NO_VALUE,
            alert=address,
            note=f"GitLab's vulnerability: {address}.",
            seen_at=said.get("created_at"),
        )
