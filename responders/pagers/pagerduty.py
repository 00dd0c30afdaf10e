"""
Pages through PagerDuty's Events API v2: one alert per incident and owner.

The page's key is the `dedup_key`: a repeat folds into the open alert, and `acknowledge` and
`resolve` meet it. 202 means that PagerDuty took the event. 400 is an event that it will never
take (most often a wrong routing key); 429, 5xx and a lost answer are tried again. The routing key
is the one of an “Events API v2” integration of a service. The EU has another address.

Example::

    kind: pagerduty
    routing_key: 0123456789abcdef0123456789abcdef
    base_url: https://events.eu.pagerduty.com

Source: https://developer.pagerduty.com/docs/events-api-v2-overview and
https://v2.developer.pagerduty.com/docs/send-an-event-events-api-v2
"""

from typing import Any, ClassVar, Self

import orjson
from pydantic import ConfigDict, Field, SecretStr, model_validator

from responders.page_post import is_private_enough, post_page
from responders.pager import Page, Pager, PageReceipt, PagerSettings

_KEY = 32  # characters of a routing key
_DEDUP, _SUMMARY, _LINK = 255, 1024, 2048  # characters that PagerDuty keeps
_OTHERS = 1000  # of every other text: a whole event has at most 512 KB
_SEVERITIES = frozenset({"critical", "error", "warning", "info"})


class PagerDutySettings(PagerSettings):
    """`routing_key`: the integration key of one service; `timeout` in seconds."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    routing_key: SecretStr
    base_url: str = Field(
        default="https://events.pagerduty.com", pattern=r"^https?://[^\s/]+[^\s]*$"
    )
    timeout: float = Field(default=10.0, gt=0, le=60)
    allow_http: bool = False

    @model_validator(mode="after")
    def _usable(self) -> Self:
        if len(self.routing_key.get_secret_value()) != _KEY:
            raise ValueError(f"a routing key has {_KEY} characters")
        if not is_private_enough(self.base_url, allow_http=self.allow_http):
            raise ValueError("PagerDuty over plain http needs `allow_http: true`")
        return self


class PagerDutyPager(Pager[PagerDutySettings]):
    """One service of PagerDuty."""

    name: ClassVar[str] = "pagerduty"
    Settings = PagerDutySettings

    def page(self, page: Page) -> PageReceipt:
        event: dict[str, Any] = {
            "payload": {
                "summary": page.summary[:_SUMMARY],
                "source": "locksmith",
                "severity": page.severity if page.severity in _SEVERITIES else "error",
                "component": page.incident_id,
                "group": page.owner[:_OTHERS],
                "class": "leaked secret",
                "custom_details": {name: value[:_OTHERS] for name, value in page.details},
            },
            "client": "Locksmith",
        }
        if page.link:
            event["client_url"] = page.link[:_LINK]
            event["links"] = [{"href": page.link[:_LINK], "text": page.incident_id}]
        return self._send(page, "trigger", event)

    @property
    def acknowledges(self) -> bool:
        return True

    def acknowledge(self, page: Page) -> PageReceipt:
        return self._send(page, "acknowledge", {})

    def resolve(self, page: Page) -> PageReceipt:
        return self._send(page, "resolve", {})

    def _send(self, page: Page, action: str, event: dict[str, Any]) -> PageReceipt:
        settings = self.settings
        body = orjson.dumps(
            {
                "routing_key": settings.routing_key.get_secret_value(),
                "event_action": action,
                "dedup_key": page.key[:_DEDUP],
                **event,
            }
        )
        return post_page(
            f"{settings.base_url.rstrip('/')}/v2/enqueue",
            body,
            {"Content-Type": "application/json"},
            page=page,
            timeout=settings.timeout,
            kind=self.name,
        )
