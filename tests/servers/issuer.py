"""Paygate, the issuer of the payments token, for the whole run."""

from collections.abc import Iterator

import pytest

from bot.sandbox.issuer import Paygate


@pytest.fixture(scope="session")
def issuer() -> Iterator[Paygate]:
    with Paygate() as server:
        yield server
