"""
Pages over any system that takes a JSON POST: your own receiver, and some on-call products by name.

`preset` gives the body its form: `generic` (ours), `grafana` (Grafana IRM and OnCall, formatted
webhook), `incident_io` (HTTP alert source), `jira_service_management` (integration events). With
`template` you give a body of your own. The page is confirmed by a 2xx answer and nothing else.

With `secret` the page is signed: `X-Locksmith-Signature: sha256=HEX`, the HMAC-SHA256 under the
shared secret over "TIMESTAMP.BODY" with `X-Locksmith-Timestamp` (Unix seconds); the receiver
checks both and refuses old timestamps. `Idempotency-Key` is the page's key, so that a repeat rings
nobody twice. `token` becomes the Authorization header in the form that the preset's system wants.

Example::

    kind: webhook
    preset: jira_service_management
    url: https://api.atlassian.com/jsm/ops/integration/v2/alerts
    token: the-api-key-of-the-integration

Source: https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries (HMAC over
the raw body), https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/; the
forms of the presets are in `responders/page_templates.py`.
"""

import hashlib
import hmac
import time
from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Self

import orjson
from pydantic import ConfigDict, Field, SecretStr, model_validator

from responders.page_post import is_private_enough, post_page
from responders.page_templates import PRESETS, body_of, unknown_placeholders, url_of
from responders.pager import Page, Pager, PageReceipt, PagerSettings

_TOKEN_SCHEMES = {"jira_service_management": "GenieKey"}


class WebhookSettings(PagerSettings):
    """`timeout` in seconds; `allow_http` is for receivers inside a trusted network."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    url: str = Field(pattern=r"^https?://[^\s/]+")
    preset: Literal["generic", "grafana", "incident_io", "jira_service_management"] = "generic"
    template: Mapping[str, Any] | None = None
    token: SecretStr | None = None
    secret: SecretStr | None = None
    headers: Mapping[str, SecretStr] = Field(default_factory=dict)
    timeout: float = Field(default=10.0, gt=0, le=60)
    allow_http: bool = False

    @model_validator(mode="after")
    def _usable(self) -> Self:
        if not is_private_enough(self.url, allow_http=self.allow_http):
            raise ValueError("a webhook over plain http needs `allow_http: true`")
        if wrong := unknown_placeholders(self.template or {}):
            raise ValueError(f"template: a page has no {{{wrong[0]}}}")
        return self


class WebhookPager(Pager[WebhookSettings]):
    """One URL that takes pages."""

    name: ClassVar[str] = "webhook"
    Settings = WebhookSettings

    def page(self, page: Page) -> PageReceipt:
        return self._send(page, "trigger")

    @property
    def acknowledges(self) -> bool:
        known = PRESETS[self.settings.preset].bodies
        return self.settings.template is not None or "acknowledge" in known

    def acknowledge(self, page: Page) -> PageReceipt:
        return self._send(page, "acknowledge")

    def resolve(self, page: Page) -> PageReceipt:
        return self._send(page, "resolve")

    def _send(self, page: Page, action: str) -> PageReceipt:
        preset = PRESETS[self.settings.preset]
        body = orjson.dumps(body_of(preset, self.settings.template, page, action))
        return post_page(
            url_of(preset, self.settings.url, page, action),
            body,
            self._headers(page, action, body),
            page=page,
            timeout=self.settings.timeout,
            kind=self.name,
        )

    def _headers(self, page: Page, action: str, body: bytes) -> dict[str, str]:
        key = page.key if action == "trigger" else f"{page.key}:{action}"
        headers = {name: value.get_secret_value() for name, value in self.settings.headers.items()}
        headers |= {"Content-Type": "application/json", "Idempotency-Key": key}
        if self.settings.token is not None:
            scheme = _TOKEN_SCHEMES.get(self.settings.preset, "Bearer")
            headers["Authorization"] = f"{scheme} {self.settings.token.get_secret_value()}"
        if self.settings.secret is not None:
            stamp = str(int(time.time()))
            secret = self.settings.secret.get_secret_value().encode()
            signed = hmac.new(secret, f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()
            headers["X-Locksmith-Timestamp"] = stamp
            headers["X-Locksmith-Signature"] = f"sha256={signed}"
        return headers
