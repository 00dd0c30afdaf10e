"""
What every test can count on: the servers of tests/servers, a reason where one is skipped, and the
canary, which searches everything that a session left behind for the values that it planted.
"""

import functools
import os
from pathlib import Path
from tempfile import gettempdir
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadFileScheduling

HERE = Path(__file__).parent

# Inputs are judged, not how busy the machine is that makes them.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

pytest_plugins = [
    "tests.canary.plugin",
    "tests.servers.aws",
    "tests.servers.cluster",
    "tests.servers.issuer",
    "tests.servers.openbao",
    "tests.servers.page_receiver",
    "tests.servers.providers",
    "tests.servers.store_proxy",
    "tests.servers.world",
]


def pytest_configure(config: pytest.Config) -> None:
    # Many tests start processes of ours: each would compile us anew where no .pyc may be written.
    if os.environ.pop("PYTHONDONTWRITEBYTECODE", ""):
        os.environ["PYTHONPYCACHEPREFIX"] = str(Path(gettempdir()) / "locksmith-tests-pycache")
    # A test control plane signs its own certificate, and its kubeconfig says not to verify it.
    config.addinivalue_line("filterwarnings", "ignore:Unverified HTTPS request")


# What takes long comes first, so that no worker is left with it alone at the end.
_LONG = ("cluster", "canary/test_fuzz", "crashes/", "bot/test_serve", "deploy/", "canary/", "bot/")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    kubeconfig = os.environ.get("KUBECONFIG", "")
    missing = not kubeconfig or not Path(kubeconfig).is_file()
    for item in items:
        if missing and item.get_closest_marker("cluster"):
            reason = "KUBECONFIG names no file of a Kubernetes cluster"
            item.add_marker(pytest.mark.skip(reason=reason))
    items.sort(key=lambda item: _turn(unit_of(item.nodeid)))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadFileScheduling:
    return ByUnit(config, log)


class ByUnit(LoadFileScheduling):
    """Of a parallel run each file stays with one worker, and all files that use the cluster."""

    def _split_scope(self, nodeid: str) -> str:
        return unit_of(nodeid)


@functools.cache
def _uses_cluster(file: str) -> bool:
    return "mark.cluster" in (HERE.parent / file).read_text()


def unit_of(nodeid: str) -> str:
    """Name what one worker does alone: a file by its path below `tests/`, or "cluster"."""
    file = nodeid.partition("::")[0]
    if (HERE.parent / file).is_file() and _uses_cluster(file):
        return "cluster"
    return file.removeprefix("tests/").removesuffix(".py")


def _turn(unit: str) -> int:
    return next((place for place, part in enumerate(_LONG) if unit.startswith(part)), len(_LONG))
