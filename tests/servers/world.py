"""
The demo's company, built and settled, on the embedded cluster and on a real one.

`world` lasts for the run: read it, do not change it. `fresh_world` (embedded) and `real_world` are
for one test, which may rotate, revoke and restart. The real cluster keeps its objects from one
test to the next, with a new OpenBao and new values each time, and is cleaned after the last.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.sandbox.world import World, running_world


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with running_world(folder=tmp_path_factory.mktemp("world")) as built:
        yield built


@pytest.fixture
def fresh_world(tmp_path: Path) -> Iterator[World]:
    with running_world(folder=tmp_path / "fresh-world") as built:
        yield built


@pytest.fixture
def real_world(real_cluster: Path, tmp_path: Path) -> Iterator[World]:
    with running_world(real_cluster, folder=tmp_path / "real-world", keep=True) as built:
        yield built
