"""
Locksmith's own webhook, for scripts and pipelines: a signed report.

The body is one finding or several in Locksmith's own format (docs/intake.md), or the report of any
scanner that `locksmith import` knows. The header `X-Locksmith-Signature: t=TIME,v1=HEX` signs
it: TIME in epoch seconds, HEX the HMAC-SHA256 of `TIME.BODY` under the secret. A delivery older
than five minutes is refused, and the same one twice does nothing.

Example::

    {"value": "not-a-real-value-0001", "type": "acme-token", "where": "https://ci.example/jobs/9"}

Source: this file; the scheme is Stripe's, https://docs.stripe.com/webhooks#verify-manually.
"""

import io
from collections.abc import Iterable
from typing import Any, ClassVar

import orjson

from bot.intake.finding import Finding
from bot.intake.hook import Delivery, Hook, hex_hmac, require_equal, require_fresh
from bot.intake.scan_report import open_report
from graph.errors import BadInputError

HEADER = "X-Locksmith-Signature"
_NAME = "the delivery"


class Generic(Hook):
    name: ClassVar[str] = "generic"
    title: ClassVar[str] = "Locksmith's own webhook"

    def verify(self, delivery: Delivery, secret: str) -> str:
        given = delivery.header(HEADER)
        fields = dict(field.strip().partition("=")[::2] for field in given.split(","))
        sent = fields.get("t", "")
        wanted = hex_hmac(secret, sent.encode() + b"." + delivery.body)
        require_equal(fields.get("v1", ""), wanted=wanted, header=HEADER)
        require_fresh(sent, delivery.at, header=f"t of {HEADER}")
        return f"{sent}.{wanted}"

    def payload(self, delivery: Delivery) -> Any:
        """Take JSON lines too, as text: TruffleHog writes them."""
        try:
            return orjson.loads(delivery.body)
        except orjson.JSONDecodeError:
            return delivery.body.decode("utf-8", "replace")

    def ignored(self, delivery: Delivery, payload: Any) -> str:
        count = 0
        for finding in self.findings(payload):
            count += 1
            if not finding.values and not finding.place.where():
                raise BadInputError(
                    f"Finding {count} has neither a value nor a place.",
                    means="Nothing was taken.",
                    do_now="Give `value`, `where`, or both.",
                )
        return "" if count else "It holds no finding."

    def findings(self, payload: Any) -> Iterable[Finding]:
        text = payload.encode() if isinstance(payload, str) else orjson.dumps(payload)
        return open_report(io.BytesIO(text), _NAME).findings()
