"""A webhook receiver that starts empty for each test."""

from collections.abc import Iterator

import pytest

from bot.sandbox.page_receiver import PageReceiver


@pytest.fixture
def page_receiver() -> Iterator[PageReceiver]:
    with PageReceiver() as server:
        yield server
