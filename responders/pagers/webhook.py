"""
Pages over any system that takes a signed JSON POST.

The page is confirmed by a 2xx answer and by nothing else; redirects are not followed, because the
signed page would then go where nobody configured it to. The receiver checks
`X-Locksmith-Signature: sha256=HEX`, the HMAC-SHA256 under the shared secret over "TIMESTAMP.BODY"
with `X-Locksmith-Timestamp` (Unix seconds), and refuses old timestamps. `Idempotency-Key` is the
page's key, so that a repeat rings nobody twice.

Example::

    kind: webhook
    url: https://oncall.example.com/hooks/locksmith
    secret: shared-with-the-receiver
    headers: {X-Team: payments}

Source: https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries (HMAC over
the raw body), https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/.
"""

import hashlib
import hmac
import time
from collections.abc import Mapping
from typing import ClassVar, Self
from urllib.parse import urlsplit

import httpx
import orjson
import structlog
from pydantic import ConfigDict, Field, SecretStr, model_validator

from responders.pager import Page, Pager, PageReceipt, PagerSettings

log = structlog.get_logger()

_LOOPBACK = {"localhost", "127.0.0.1", "::1"}


class WebhookSettings(PagerSettings):
    """`timeout` in seconds; `allow_http` is for receivers inside a trusted network."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    url: str = Field(pattern=r"^https?://[^\s/]+")
    secret: SecretStr | None = None
    headers: Mapping[str, SecretStr] = Field(default_factory=dict)
    timeout: float = Field(default=10.0, gt=0, le=60)
    allow_http: bool = False

    @model_validator(mode="after")
    def _encrypted(self) -> Self:
        parts = urlsplit(self.url)
        if parts.scheme == "http" and not self.allow_http and parts.hostname not in _LOOPBACK:
            raise ValueError("a webhook over plain http needs `allow_http: true`")
        return self


class WebhookPager(Pager[WebhookSettings]):
    """One URL that takes pages."""

    name: ClassVar[str] = "webhook"
    Settings = WebhookSettings

    def page(self, page: Page) -> PageReceipt:
        return self._send(page, "trigger")

    def resolve(self, page: Page) -> PageReceipt:
        return self._send(page, "resolve")

    def _send(self, page: Page, action: str) -> PageReceipt:
        host = urlsplit(self.settings.url).hostname or "the webhook"
        body = _body(page, action)
        try:
            answer = httpx.post(
                self.settings.url,
                content=body,
                headers=self._headers(page, action, body),
                timeout=self.settings.timeout,
                follow_redirects=False,
            )
        except httpx.TimeoutException:
            return _refused(page, f"{host} did not answer within {self.settings.timeout:g} s.")
        except (httpx.HTTPError, httpx.InvalidURL):
            return _refused(page, f"{host} could not be reached.")
        if answer.is_success:
            log.info("page.taken", pager=self.name, owner=page.owner, status=answer.status_code)
            return PageReceipt(confirmed=True, sentence=f"{host} took the page.")
        if answer.is_redirect:
            return _refused(page, f"{host} wants to send the page elsewhere; that is not followed.")
        return _refused(page, f"{host} answered {answer.status_code}.")

    def _headers(self, page: Page, action: str, body: bytes) -> dict[str, str]:
        key = page.key if action == "trigger" else f"{page.key}:{action}"
        headers = {name: value.get_secret_value() for name, value in self.settings.headers.items()}
        headers |= {"Content-Type": "application/json", "Idempotency-Key": key}
        if self.settings.secret is not None:
            stamp = str(int(time.time()))
            secret = self.settings.secret.get_secret_value().encode()
            signed = hmac.new(secret, f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()
            headers["X-Locksmith-Timestamp"] = stamp
            headers["X-Locksmith-Signature"] = f"sha256={signed}"
        return headers


def _body(page: Page, action: str) -> bytes:
    return orjson.dumps(
        {
            "action": action,
            "key": page.key,
            "incident_id": page.incident_id,
            "owner": page.owner,
            "severity": page.severity,
            "summary": page.summary,
            "details": dict(page.details),
            "link": page.link,
        }
    )


def _refused(page: Page, sentence: str) -> PageReceipt:
    log.warning("page.refused", pager="webhook", owner=page.owner, why=sentence)
    return PageReceipt(confirmed=False, sentence=sentence)
