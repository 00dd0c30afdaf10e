"""A real OpenBao for the whole run. Give each test its own mount or paths: it is shared."""

from collections.abc import Iterator

import pytest

from bot.sandbox.openbao import OpenBaoServer


@pytest.fixture(scope="session")
def openbao(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenBaoServer]:
    with OpenBaoServer(tmp_path_factory.mktemp("openbao")) as server:
        yield server
