"""The senders of webhooks, signing as their documentation says."""

import base64
import hashlib
import hmac
import json
import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from urllib.parse import urlencode


@dataclass
class Sent:
    headers: dict[str, str]
    body: bytes


class Sender(Protocol):
    secret: str
    another: str

    def __call__(self, payload: object, at: datetime) -> Sent: ...


def _hex(key: str, content: bytes) -> str:
    return hmac.new(key.encode(), content, hashlib.sha256).hexdigest()


@dataclass
class GitHub:
    secret: str = "github-hook-secret-01"
    another: str = "github-hook-secret-02"

    def __call__(
        self, payload: object, at: datetime, *, event: str = "", form: bool = False
    ) -> Sent:
        body = json.dumps(payload).encode()
        kind = "application/json"
        if form:
            body, kind = urlencode({"payload": body}).encode(), "application/x-www-form-urlencoded"
        located = isinstance(payload, dict) and "location" in payload
        name = "secret_scanning_alert_location" if located else "secret_scanning_alert"
        headers = {
            "Content-Type": kind,
            "X-GitHub-Event": event or name,
            "X-GitHub-Delivery": str(uuid.uuid4()),
            "X-Hub-Signature-256": f"sha256={_hex(self.secret, body)}",
        }
        return Sent(headers, body)


@dataclass
class GitGuardian:
    secret: str = "gitguardian-token-01"
    another: str = "gitguardian-token-02"

    def __call__(self, payload: object, at: datetime) -> Sent:
        body, sent = json.dumps(payload).encode(), str(int(at.timestamp()))
        signature = f"sha256={_hex(sent + self.secret, body)}"
        return Sent({"Timestamp": sent, "Gitguardian-Signature": signature}, body)


@dataclass
class GitLab:
    """A secret token, sent in plain; or a signing token, after the Standard Webhooks."""

    secret: str = "gitlab-secret-token-1"
    another: str = "gitlab-secret-token-2"

    def __call__(self, payload: object, at: datetime) -> Sent:
        body = json.dumps(payload).encode()
        headers = {"X-Gitlab-Event": "Vulnerability Hook"}
        if not self.secret.startswith("whsec_"):
            return Sent({**headers, "X-Gitlab-Token": self.secret}, body)
        identifier, sent = hashlib.sha256(body).hexdigest()[:20], str(int(at.timestamp()))
        key = base64.b64decode(self.secret.removeprefix("whsec_"))
        content = f"{identifier}.{sent}.".encode() + body
        signed = base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()
        headers |= {
            "webhook-id": identifier,
            "webhook-timestamp": sent,
            "webhook-signature": f"v1,b2xk v1,{signed}",
        }
        return Sent(headers, body)


@dataclass
class PagerDuty:
    secret: str = "pagerduty-hook-secret-1"
    another: str = "pagerduty-hook-secret-2"

    def __call__(self, payload: object, at: datetime) -> Sent:
        body = json.dumps(payload).encode()
        signed = f"v1={_hex('an-older-secret', body)}, v1={_hex(self.secret, body)}"
        return Sent({"X-PagerDuty-Signature": signed}, body)


@dataclass
class Generic:
    secret: str = "generic-hook-secret-01"
    another: str = "generic-hook-secret-02"

    def __call__(self, payload: object, at: datetime) -> Sent:
        body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        sent = str(int(at.timestamp()))
        signature = f"t={sent},v1={_hex(self.secret, sent.encode() + b'.' + body)}"
        return Sent({"X-Locksmith-Signature": signature}, body)


def _signing(fill: bytes) -> str:
    return "whsec_" + base64.b64encode(fill * 32).decode()


github = GitHub()
gitguardian = GitGuardian()
gitlab = GitLab()
gitlab_signed = GitLab(secret=_signing(b"a"), another=_signing(b"b"))
generic = Generic()
pagerduty = PagerDuty()

SENDERS: dict[str, tuple[str, Sender]] = {
    "github": ("github", github),
    "gitguardian": ("gitguardian", gitguardian),
    "gitlab with a token": ("gitlab", gitlab),
    "gitlab with a signing token": ("gitlab", gitlab_signed),
    "generic": ("generic", generic),
    "pagerduty": ("pagerduty", pagerduty),
}
