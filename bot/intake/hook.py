"""
The contract of a webhook: one file in `hooks/` with one subclass of `Hook` for each sender.

A hook answers three questions about one delivery: did the sender sign it (`verify`), does it say
anything that matters here (`ignored`), and what is in it: leaks that were found (`findings`), or
what people did with a page (`answers`). The first two are asked while the sender waits, before
anything is kept; the third by the worker, later.
Nothing that a refusal says comes from the delivery. How bytes arrive is in `bot/web.py`.
"""

import base64
import binascii
import hashlib
import hmac
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, ClassVar

import orjson

from bot.intake.finding import Finding, moment
from graph.errors import AccessDeniedError, BadInputError, RefusedError
from responders.pager import PageAnswer

WINDOW = timedelta(minutes=5)  # how old, or how far ahead, a signed timestamp may be


@dataclass(frozen=True, slots=True)
class Delivery:
    """One request. `headers` have lower-case names; the body is what was signed, byte for byte."""

    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    at: datetime

    def header(self, name: str) -> str:
        return self.headers.get(name.lower(), "")


class Hook(ABC):
    """One kind of sender. The module's docstring says how to set it up, and its `Source:`."""

    name: ClassVar[str]
    title: ClassVar[str]

    @abstractmethod
    def verify(self, delivery: Delivery, secret: str) -> str:
        """
        Return what tells this delivery from all others, taken from what is signed.

        Raises:
            AccessDeniedError: it is not signed, or not with `secret`.
            RefusedError: the signature is right, and too old.
        """

    def payload(self, delivery: Delivery) -> Any:
        """Return the verified body as JSON; raises BadInputError."""
        return as_json(delivery.body)

    @abstractmethod
    def ignored(self, delivery: Delivery, payload: Any) -> str:
        """
        Say why nothing is to be done about it ("" if something is).

        Raises:
            BadInputError: it is not what this sender sends.
        """

    def findings(self, payload: Any) -> Iterable[Finding]:
        """Give the leaks that it reports; raises BadInputError."""
        return ()

    def answers(self, payload: Any) -> Iterable[PageAnswer]:
        """Give what people did with a page where it rang."""
        return ()


def as_json(body: bytes) -> Any:
    """Parse a body; what is wrong with it is not shown."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        raise BadInputError(
            "The body is not valid JSON.",
            means="Nothing was taken.",
            do_now="Send JSON in UTF-8, and sign exactly the bytes that are sent.",
        ) from None


def as_object(payload: Any) -> Mapping[str, Any]:
    if isinstance(payload, dict):
        return payload
    raise BadInputError(
        "The body is JSON, but not an object.",
        means="Nothing was taken.",
        do_now="See docs/intake.md for what this hook takes.",
    )


def hex_hmac(key: str, content: bytes) -> str:
    return hmac.new(key.encode(), content, hashlib.sha256).hexdigest()


def base64_hmac(key: bytes, content: bytes) -> str:
    return base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()


def signing_key(secret: str) -> bytes:
    """Return the bytes of a `whsec_…` secret; raises BadInputError."""
    try:
        return base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except (ValueError, binascii.Error):
        raise BadInputError(
            "The configured signing token is not “whsec_” and base64.",
            do_now="Copy it again from the sender's settings.",
        ) from None


def require_equal(*given: str, wanted: str, header: str) -> None:
    """
    Compare in constant time; one of several that are given is enough.

    Raises:
        AccessDeniedError: nothing was given, or something else.
    """
    if not any(given):
        raise AccessDeniedError(
            f"The delivery has no {header}.",
            means="Nothing was taken.",
            do_now="Give the sender the secret that is configured for this hook.",
        )
    equal = [hmac.compare_digest(each.encode(), wanted.encode()) for each in given]
    if not any(equal):
        raise AccessDeniedError(
            f"{header} does not fit the configured secret and the bytes that came.",
            means="Nothing was taken.",
            do_now="Compare the secrets; nothing between may change the body.",
        )


def require_fresh(text: str, at: datetime, *, header: str) -> None:
    """
    Refuse a timestamp out of the window; call it after the signature was found right.

    Raises:
        RefusedError: it is too old, ahead of time, or no time at all.
    """
    digits = text.strip().replace(".", "", 1)
    sent = moment(float(text)) if digits.isascii() and digits.isdigit() else moment(text)
    if sent is None:
        raise RefusedError(
            f"{header} is no point in time.",
            means="Nothing was taken.",
            do_now="Send epoch seconds, or ISO 8601.",
        )
    if abs(at - sent) > WINDOW:
        raise RefusedError(
            f"{header} is more than {WINDOW.seconds // 60} minutes from now.",
            means="It may be an old delivery that somebody repeats; nothing was taken.",
            do_now="Set the clocks of both sides, or sign and send it anew.",
        )
