"""
GitHub: alerts of secret scanning, by a webhook of a repository, an organisation or an app.

Set up: content type application/json (a form is understood too), a secret, the events “Secret
scanning alerts” and “Secret scanning alert locations”. The webhook's alert has a type and places,
and no value (`secret`, of the REST API, is read where a relay adds it): without it the incident is
opened by the alert, and each further location joins it. GitHub signs no time: a repeated
delivery is known by its signature, and later by the finding itself.

Example::

    {
      "action": "created",
      "alert": {
        "number": 7,
        "html_url": "https://github.example/acme/shop/security/secret-scanning/7",
        "secret_type": "acme_token",
        "secret_type_display_name": "Acme token",
        "created_at": "2026-11-20T09:00:00Z"
      },
      "location": {
        "type": "commit",
        "details": {"path": "config/prod.env", "start_line": 3, "commit_sha": "7f3c1d0a9b8e"}
      },
      "repository": {"full_name": "acme/shop", "html_url": "https://github.example/acme/shop"}
    }

Source: https://docs.github.com/en/webhooks/webhook-events-and-payloads#secret_scanning_alert and
#secret_scanning_alert_location;
https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries (the signature).
"""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar
from urllib.parse import parse_qs, quote

from bot.intake.finding import Finding, Place, found, number, part, words
from bot.intake.hook import Delivery, Hook, as_json, as_object, hex_hmac, require_equal
from graph.errors import BadInputError

_EVENTS = {"secret_scanning_alert", "secret_scanning_alert_location"}
_LEAKS = {"created", "reopened", "publicly_leaked"}
_SIGNATURE = "X-Hub-Signature-256"
_NO_VALUE = "GitHub's webhook does not hold the value; look at the alert."


class GitHub(Hook):
    name: ClassVar[str] = "github"
    title: ClassVar[str] = "GitHub secret scanning"

    def verify(self, delivery: Delivery, secret: str) -> str:
        signature = f"sha256={hex_hmac(secret, delivery.body)}"
        require_equal(delivery.header(_SIGNATURE), wanted=signature, header=_SIGNATURE)
        return signature

    def payload(self, delivery: Delivery) -> Any:
        if not delivery.header("Content-Type").startswith("application/x-www-form-urlencoded"):
            return as_json(delivery.body)
        form = parse_qs(delivery.body.decode("utf-8", "replace"))
        return as_json((form.get("payload") or [""])[0].encode())

    def ignored(self, delivery: Delivery, payload: Any) -> str:
        event = delivery.header("X-GitHub-Event")
        if event == "ping":
            return "The hook works."
        if event not in _EVENTS:
            return "Only alerts of secret scanning and their locations are taken."
        body = as_object(payload)
        if words(body.get("action"), 40) not in _LEAKS:
            return "This action reports no leak."
        if not part(body, "alert").get("html_url"):
            raise BadInputError(
                "The alert has no html_url.",
                means="Nothing was taken.",
                do_now="Send GitHub's own payload.",
            )
        return ""

    def findings(self, payload: Any) -> Iterator[Finding]:
        body = as_object(payload)
        alert, repository = part(body, "alert"), part(body, "repository")
        address = words(alert.get("html_url"))
        action = words(body.get("action"), 40)
        kind = words(alert.get("secret_type"))
        public = action == "publicly_leaked" or alert.get("publicly_leaked") is True
        yield found(
            kind,
            words(alert.get("secret_type_display_name")) or kind,
            _place(body, repository, address),
            alert.get("secret"),
            absent=_NO_VALUE if not alert.get("secret") else "",
            alert=address,
            # The same alert again counts if it was reopened, or leaked to the public, since.
            event="" if action == "created" else f"{action} {words(alert.get('updated_at'), 40)}",
            note=_note(alert, public=public),
            seen_at=alert.get("created_at"),
        )


def _place(body: Mapping[str, Any], repository: Mapping[str, Any], address: str) -> Place:
    name, home = words(repository.get("full_name")), words(repository.get("html_url"))
    details = part(body, "location", "details")
    path, commit = words(details.get("path")), words(details.get("commit_sha"), 64)
    line = number(details.get("start_line"))
    if path and commit:
        url = f"{home}/blob/{commit}/{quote(path)}#L{line}"
        return Place(path=path, line=line, commit=commit, repository=name, url=url)
    # Issues, pull requests, discussions: one key names the place, such as issue_body_url.
    urls = (words(details[key]) for key in sorted(details) if str(key).endswith("url"))
    return Place(
        path=words(part(body, "location").get("type"), 60)
        or f"alert {words(part(body, 'alert').get('number'))}",
        repository=name,
        url=words(details.get("html_url")) or next(urls, "") or address,
    )


def _note(alert: Mapping[str, Any], *, public: bool) -> str:
    notes = [f"GitHub's alert {words(alert.get('number'))}: {words(alert.get('html_url'))}."]
    if public:
        notes.append("GitHub found it in public too.")
    if (validity := words(alert.get("validity"), 20)) in {"active", "inactive"}:
        notes.append(f"GitHub's check of its validity: {validity}.")
    if alert.get("push_protection_bypassed") is True:
        notes.append("Push protection was bypassed for it.")
    return " ".join(notes)
