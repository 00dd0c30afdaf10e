"""
What every test can count on: the servers of tests/servers, a reason where one is skipped, and the
canary, which searches everything that a session left behind for the values that it planted.
"""

import os
from pathlib import Path

import pytest

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


# First: pytest-xdist reads the groups in the same hook.
@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    kubeconfig = os.environ.get("KUBECONFIG", "")
    missing = not kubeconfig or not Path(kubeconfig).is_file()
    for item in items:
        if item.get_closest_marker("cluster") is None:
            continue
        item.add_marker(pytest.mark.xdist_group("cluster"))  # one cluster, one worker
        if missing:
            reason = "KUBECONFIG names no file of a Kubernetes cluster"
            item.add_marker(pytest.mark.skip(reason=reason))
