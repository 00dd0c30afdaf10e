"""
Logging: structlog to stderr, as JSON or for a console, with redaction as the last thing done.

Redaction is the net below, not the method: code logs event names and facts, never payloads.
The libraries that would log a payload on their own are held at INFO, whatever level is asked for.
"""

import logging
import re
import sys
from collections.abc import Mapping, MutableMapping, Sequence
from typing import Any, TextIO

import structlog

MASK = "[redacted]"
# Names of facts that must not be shown whatever they hold.
_SECRET_NAMES = re.compile(
    r"(?i)(^|[_-])(token|secret_id|secret_value|password|passwd|passphrase|private_key|api_?key|"
    r"authorization|cookie|payload|body|plaintext|value|response_url|trigger_id)$"
)
# Shapes of credentials that show themselves. Sources: the vendors' token format pages.
_SECRET_SHAPES = re.compile(
    r"""(?x)
    \b(?:hv[sbr]|[sbr])\.[A-Za-z0-9_-]{20,}              # Vault, OpenBao
    | \bxox[abcdeoprs]-[A-Za-z0-9-]{8,} | \bxapp-[A-Za-z0-9-]{8,} | \bxwfp-[A-Za-z0-9-]{8,}
    | \b(?:AKIA|ASIA)[A-Z2-7]{16}\b                      # AWS access key ids
    | \bgh[pousr]_[A-Za-z0-9]{20,} | \bgithub_pat_[A-Za-z0-9_]{20,} | \bglpat-[A-Za-z0-9_-]{16,}
    | \b[a-z]{2,10}_(?:live|test)_[A-Za-z0-9]{16,}       # Stripe and its imitators
    | \beyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]*   # JWT
    | -----BEGIN[ A-Z]*PRIVATE\ KEY-----[\s\S]*?(?:-----END[ A-Z]*PRIVATE\ KEY-----|\Z)
    | (?<=://)[^/\s:@]*:[^/\s@]+(?=@)                    # user:password in a URL
    | (?i:(?<=bearer\ ))[A-Za-z0-9._~+/=-]{8,}
    """
)
# Their own debug (and some warnings) print whole payloads.
_TALKATIVE = (
    *("slack_bolt", "slack_sdk", "urllib3", "httpx", "httpcore", "hvac", "kubernetes"),
    *("boto3", "botocore"),
)
_ONE_LINE_PER_REQUEST = ("httpx", "aiohttp.access")
_BODY_MARKS = (
    "Unhandled request",
    "Skipped calling",
    "Invalid request signature",
    "body:",
    "body=",
)


def configure_logging(
    level: str = "INFO", *, as_json: bool = True, stream: TextIO | None = None
) -> None:
    """Route structlog and the standard library through one formatter to `stream` (stderr)."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _in_words,
    ]
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if as_json
        else structlog.dev.ConsoleRenderer(colors=False)
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                redact,
                renderer,
            ],
        )
    )
    handler.addFilter(drop_payloads)
    handler.setLevel(level)  # a library's own level does not pass by ours
    logging.captureWarnings(capture=True)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    # DBOS would write past all this, to stderr: unless its logger has a handler already.
    engine = logging.getLogger("dbos")
    engine.handlers[:] = [handler]
    engine.propagate = False
    quiet_libraries()


def quiet_libraries() -> None:
    """Hold the libraries that print payloads at INFO or above; call again after making clients."""
    for name in list(logging.root.manager.loggerDict):
        if name.partition(".")[0].partition(":")[0] in _TALKATIVE:
            _hold(logging.getLogger(name))
    for name in _TALKATIVE:
        _hold(logging.getLogger(name))
    for name in _ONE_LINE_PER_REQUEST:
        logging.getLogger(name).setLevel(logging.WARNING)


def _hold(logger: logging.Logger) -> None:
    if logger.level != logging.NOTSET or "." not in logger.name:
        logger.setLevel(max(logger.level, logging.INFO))
    if drop_payloads not in logger.filters:
        logger.addFilter(drop_payloads)


def drop_payloads(record: logging.LogRecord) -> bool:
    """Cut a Slack library's record that holds a request body down to what it is about."""
    if record.name.startswith(("slack_bolt", "slack_sdk")):
        text = record.getMessage()
        if any(mark in text for mark in _BODY_MARKS):
            record.msg = (
                text.partition("{")[0].partition("(")[0][:80].strip() + " [payload left out]"
            )
            record.args = ()
    return True


def redact(
    logger: object, method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Mask facts with names of secrets, and whatever looks like a credential in all others."""
    for name, fact in event.items():
        event[name] = _redacted(name, fact)
    return event


def mask(text: str) -> str:
    """Replace what looks like a credential."""
    return _SECRET_SHAPES.sub(MASK, text)


def _redacted(name: str, fact: object) -> object:
    if _SECRET_NAMES.search(name) or isinstance(fact, bytes | bytearray):
        return MASK
    if isinstance(fact, Mapping):
        return {str(key): _redacted(str(key), inner) for key, inner in fact.items()}
    if isinstance(fact, Sequence) and not isinstance(fact, str):
        return [_redacted("", inner) for inner in fact]
    if fact is None or isinstance(fact, bool | int | float):
        return fact
    return mask(str(fact))


def _in_words(
    logger: object, method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Turn the event into text before the last step, so that redaction sees all of it."""
    event["event"] = str(event.get("event", ""))
    return event
