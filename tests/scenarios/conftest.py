"""
A whole company for a story: world, Slack workspace, pager receiver, and the bot that `serve` runs.

`scene` lasts for one file; `fresh_scene` is for one test that changes the world; a file uses one of
the two, because only one engine can live in a process. The stories see what people see, and ask
the world from the outside. Each file is one unit of a parallel run.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.canary.plugin import CanaryPlugin
from tests.scenarios.scene import Scene, running_scene


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with running_scene(tmp_path_factory.mktemp("scene")) as running:
        yield running


@pytest.fixture
def fresh_scene(tmp_path: Path) -> Iterator[Scene]:
    with running_scene(tmp_path) as running:
        yield running


@pytest.fixture
def plant_this(pytestconfig: pytest.Config) -> Callable[[str], str]:
    """Have the session's canary watch a value of a given shape until the end."""
    plugin = pytestconfig.pluginmanager.get_plugin("locksmith-canary")
    assert isinstance(plugin, CanaryPlugin)

    def plant(value: str) -> str:
        plugin.canary.plant(value)
        return value

    return plant
