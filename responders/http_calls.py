"""
One templated HTTP call to somebody outside: filled in, sent, and its failures translated.

Why here: issuers, providers and the generic step send in the same way, and each has to keep the
same rules. TLS except on loopback. No redirect is followed: it would carry a token to another
host. `{token}` may stand in headers and bodies, never in a URL, because URLs end in logs. No
text of the HTTP library gets out, since it may quote the request.

Source: https://www.rfc-editor.org/rfc/rfc9110#section-15.4 (redirects) and
https://www.rfc-editor.org/rfc/rfc6750#section-5.3 (no tokens in page URLs).
"""

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlsplit

import httpx

from graph.errors import (
    AccessDeniedError,
    BadInputError,
    LocksmithError,
    RefusedError,
    UnavailableError,
)
from graph.secret_value import SecretValue

_TIMEOUT = httpx.Timeout(15.0, connect=5.0)  # seconds
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}
_DENIED = {401, 403}
_TOO_MANY = 429
_SERVER_ERROR = 500
_NAMES = re.compile(r"\{[a-z_]+\}")

Value = SecretValue | str


class NotSentError(UnavailableError):
    """There was no connection: what was to be sent did not arrive, and had no effect."""


@dataclass(frozen=True, slots=True)
class Call:
    """A call before it is filled in; `form` is sent URL-encoded, `body` as JSON."""

    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    form: Mapping[str, str] | None = None


def require_tls(who: str, address: str, setting: str) -> None:
    """
    Refuse an address that would show values to whoever listens.

    Raises:
        RefusedError: it is not https, and not on this machine.
    """
    parts = urlsplit(address)
    if parts.scheme != "https" and parts.hostname not in _LOOPBACK:
        raise RefusedError(
            f"{who} is configured without TLS.",
            means="Tokens would cross the network in the clear.",
            do_now=f"Set {setting} to an https address.",
        )


def send(
    call: Call,
    *,
    base_url: str,
    values: Mapping[str, Value],
    who: str,
    in_url: tuple[str, ...] = (),
) -> httpx.Response:
    """
    Fill in `{name}` of `values` and send; names of `in_url`, which are no secrets, in the path too.

    Raises:
        RefusedError: a value would go into the URL. UnavailableError: no answer came
        (NotSentError: nor did the call get there).
        BadInputError: a value does not fit into a header.
    """
    path = call.path
    for name, value in values.items():
        if f"{{{name}}}" not in path:
            continue
        if name not in in_url or isinstance(value, SecretValue):
            raise RefusedError(
                f"The call of {who} is described with {{{name}}} in the URL.",
                means="URLs end up in logs, here and on the way.",
                do_now=f"Put {{{name}}} into a header or the body of that call.",
            )
        path = path.replace(f"{{{name}}}", quote(value, safe=""))
    plain = {
        f"{{{name}}}": value.reveal() if isinstance(value, SecretValue) else value
        for name, value in values.items()
    }
    try:
        return httpx.request(
            call.method,
            base_url.rstrip("/") + path if path else base_url,
            headers=filled(call.headers, plain),
            json=filled(call.body, plain),
            data=filled(call.form, plain),
            timeout=_TIMEOUT,
            follow_redirects=False,
        )
    except (httpx.LocalProtocolError, httpx.UnsupportedProtocol, httpx.InvalidURL, ValueError):
        raise BadInputError(
            f"The call to {who} cannot be sent: its address or a header is not one.",
            means="Nothing was sent.",
            do_now="Check the address, and that the value in the store is a single line of ASCII.",
        ) from None
    except (httpx.ConnectError, httpx.ConnectTimeout):
        raise NotSentError(f"{who} could not be reached.") from None
    except httpx.TimeoutException:
        raise UnavailableError(f"{who} did not answer in time.") from None
    except httpx.HTTPError:
        raise UnavailableError(f"{who} could not be reached.") from None


def not_taken(
    answer: httpx.Response, *, who: str, doing: str, denied_do_now: str, do_now: str
) -> LocksmithError:
    """Say what an answer that is no success means: denied, busy or wrong; it is not raised here."""
    status = answer.status_code
    happened = f"Could not {doing} at {who}: it answered {status}."
    if status == _TOO_MANY or status >= _SERVER_ERROR or _out_of_calls(answer):
        return UnavailableError(
            happened,
            means="It is busy, or this address has used up its calls for now.",
            retry_after=_retry_after(answer),
        )
    if status in _DENIED:
        return AccessDeniedError(
            happened, means="It does not accept who asks, or not for this.", do_now=denied_do_now
        )
    return BadInputError(happened, do_now=do_now)


def filled(template: Any, values: Mapping[str, str]) -> Any:
    """Put the values in place of their `{names}`, at any depth."""
    if isinstance(template, str):
        # In one pass: what stands in a value is no placeholder.
        return _NAMES.sub(lambda found: values.get(found[0], found[0]), template)
    if isinstance(template, Mapping):
        return {key: filled(value, values) for key, value in template.items()}
    if isinstance(template, list | tuple):
        return [filled(value, values) for value in template]
    return template


def dig(body: object, path: str) -> object:
    """Walk a dotted path into JSON; None where it ends before."""
    for part in path.split("."):
        body = body.get(part) if isinstance(body, Mapping) else None
    return body


def json_of(answer: httpx.Response) -> object:
    """Return the answer's JSON, None where it is none."""
    try:
        return answer.json()
    except ValueError:
        return None


def _out_of_calls(answer: httpx.Response) -> bool:
    return str(answer.headers.get("x-ratelimit-remaining", "")) == "0"


def _retry_after(answer: httpx.Response) -> float | None:
    after = answer.headers.get("retry-after", "")
    if after.isdigit():
        return float(after)
    reset = answer.headers.get("x-ratelimit-reset", "")
    return (
        max(0.0, float(reset) - time.time()) if _out_of_calls(answer) and reset.isdigit() else None
    )
