"""
What every test can count on: the servers of tests/servers, a reason where one is skipped, and the
canary, which searches everything that a session left behind for the values that it planted.
"""

import os
from pathlib import Path

import pytest

HERE = Path(__file__).parent

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
    # A test control plane signs its own certificate, and its kubeconfig says not to verify it.
    config.addinivalue_line("filterwarnings", "ignore:Unverified HTTPS request")


# What takes long comes first, so that no worker is left with it alone at the end.
_LONG = ("cluster", "canary/test_fuzz", "crashes/", "bot/test_serve", "deploy/", "canary/", "bot/")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    kubeconfig = os.environ.get("KUBECONFIG", "")
    missing = not kubeconfig or not Path(kubeconfig).is_file()
    for item in items:
        if missing and item.get_closest_marker("cluster"):
            reason = "KUBECONFIG names no file of a Kubernetes cluster"
            item.add_marker(pytest.mark.skip(reason=reason))
    items.sort(key=lambda item: _turn(_unit(item)))
    if hasattr(config, "workerinput"):
        for item in items:  # as pytest-xdist names groups, for --dist loadgroup
            item._nodeid = f"{item.nodeid}@{_unit(item)}"


def _unit(item: pytest.Item) -> str:
    """Name what one worker of a parallel run does alone: a file, or everything on the cluster."""
    if item.get_closest_marker("cluster"):
        return "cluster"
    return item.path.relative_to(HERE).as_posix().removesuffix(".py")


def _turn(unit: str) -> int:
    return next((place for place, part in enumerate(_LONG) if unit.startswith(part)), len(_LONG))
