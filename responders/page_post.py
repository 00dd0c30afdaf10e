"""
One POST that carries a page, and what its answer means: taken, not now, or never.

What the on-call systems have in common: 2xx took it; 429 and 5xx ask to come back, sometimes with
`Retry-After`; any other status refuses this very request for good, and so does a redirect, which
is not followed because the page would go where nobody configured it to. An answer that got lost is
"not now": each system folds the repeat into the first by its key. Raises nothing.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import httpx
import structlog

from responders.pager import Page, PageReceipt

log = structlog.get_logger()

_LOOPBACK = {"localhost", "127.0.0.1", "::1"}
_LATER = frozenset({408, 425, 429})
_SERVER_FAILS = 500
_LONGEST_WAIT = 3600.0  # seconds; a page that waits longer than that is no page


def post_page(
    url: str, body: bytes, headers: Mapping[str, str], *, page: Page, timeout: float, kind: str
) -> PageReceipt:
    """Send one page; `kind` is the pager's name, for the log."""
    host = urlsplit(url).hostname or "the pager"
    try:
        answer = httpx.post(
            url, content=body, headers=dict(headers), timeout=timeout, follow_redirects=False
        )
    except httpx.TimeoutException:
        return refused(page, kind, f"{host} did not answer within {timeout:g} s.")
    except (httpx.HTTPError, httpx.InvalidURL):
        return refused(page, kind, f"{host} could not be reached.")
    status = answer.status_code
    if answer.is_success:
        log.info("page.taken", pager=kind, owner=page.owner, status=status)
        return PageReceipt(confirmed=True, sentence=f"{host} took the page.")
    if answer.is_redirect:
        sentence = f"{host} wants to send the page elsewhere; that is not followed."
        return refused(page, kind, sentence, final=True)
    later = status in _LATER or status >= _SERVER_FAILS
    words = "; it is tried again" if later else "; it would refuse the same page again"
    return refused(
        page,
        kind,
        f"{host} answered {status}{words}.",
        final=not later,
        retry_after=asked_to_wait(answer.headers.get("Retry-After", "")) if later else None,
    )


def refused(
    page: Page,
    kind: str,
    sentence: str,
    *,
    final: bool = False,
    retry_after: float | None = None,
) -> PageReceipt:
    log.warning("page.refused", pager=kind, owner=page.owner, why=sentence, final=final)
    return PageReceipt(confirmed=False, sentence=sentence, final=final, retry_after=retry_after)


def is_private_enough(url: str, *, allow_http: bool) -> bool:
    """Whether a page may go there: encrypted, to this machine, or because somebody said so."""
    parts = urlsplit(url)
    return parts.scheme == "https" or allow_http or parts.hostname in _LOOPBACK


def asked_to_wait(said: str) -> float | None:
    """Read `Retry-After`: seconds, or a date of HTTP."""
    if said.strip().isdigit():
        return min(float(said), _LONGEST_WAIT)
    try:
        until = parsedate_to_datetime(said)
    except ValueError:
        return None
    aware = until if until.tzinfo else until.replace(tzinfo=UTC)
    return min(max(0.0, (aware - datetime.now(UTC)).total_seconds()), _LONGEST_WAIT)
