"""Whatever is logged, a credential is not."""

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from bot.logs import configure_logging, mask

SHAPES = [
    "hvs." + "CAESIJ" * 6,
    "s.0aB1cD2eF3gH4iJ5kL6mN7oP",
    "xoxb-1234567890-abcdefgh",
    "xapp-1-A0-123-abcdef",
    "AKIAIOSFODNN7EXAMPLE",
    "ghp_" + "a1B2" * 9,
    "pgw_live_" + "a1B2" * 8,
]


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    before = (root.handlers[:], root.level)
    levels = {name: logging.getLogger(name).level for name in ("slack_bolt", "slack_sdk")}
    written = io.StringIO()
    configure_logging("DEBUG", stream=written)
    yield written
    root.handlers[:], root.level = before
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)
    structlog.reset_defaults()


@pytest.mark.parametrize("shape", SHAPES)
def test_credentials_are_masked_wherever_they_stand(stream: io.StringIO, shape: str) -> None:
    log = structlog.get_logger()
    log.info(f"event.{shape}", fact=f"see {shape}", nested={"deep": [shape]}, token=shape)  # noqa: G004 - that is what is tested
    logging.getLogger("anything").warning("and %s here", shape)
    try:
        int(shape)
    except ValueError:
        log.exception("thing.failed")
    assert shape not in stream.getvalue()
    assert mask(f"a {shape} b") == "a [redacted] b"


def test_harmless_facts_stay(stream: io.StringIO) -> None:
    structlog.get_logger().info(
        "incident.opened", incident="INC-1", count=3, ref="vault://main/kv/a"
    )
    written = json.loads(stream.getvalue())
    assert (written["incident"], written["count"], written["ref"]) == (
        "INC-1",
        3,
        "vault://main/kv/a",
    )


def test_slacks_libraries_never_write_a_payload(stream: io.StringIO) -> None:
    logging.getLogger("slack_sdk.web.base_client").debug("Sending body: planted")
    logging.getLogger("slack_bolt.App").debug("planted")
    logging.getLogger("slack_bolt.App").warning("Unhandled request ({'text': 'planted'})")
    assert "planted" not in stream.getvalue()
    assert "payload left out" in stream.getvalue()
