"""
Clusters: an embedded one always, a real one if KUBECONFIG names it.

Tests that use a real one are marked `cluster`. Only one worker of a parallel run holds it at a
time: the names in it are fixed. `make test` gives them all to one worker; others would wait.
"""

import fcntl
import hashlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.sandbox.cluster import EmbeddedCluster
from bot.sandbox.objects import ClusterObjects
from bot.sandbox.rollouts import Rollouts
from bot.sandbox.world import remove_world


@pytest.fixture(scope="session")
def embedded_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedCluster]:
    """An empty embedded cluster with controllers; shared, so use a namespace of your own."""
    folder = tmp_path_factory.mktemp("cluster")
    with EmbeddedCluster(folder) as cluster, Rollouts(cluster):
        yield cluster


@pytest.fixture(scope="session")
def real_cluster() -> Iterator[Path]:
    """The kubeconfig of a real cluster; one that does not answer is a failure, no skip."""
    kubeconfig = Path(os.environ.get("KUBECONFIG", ""))
    if not kubeconfig.is_file():
        pytest.skip("KUBECONFIG names no file of a Kubernetes cluster")
    objects = ClusterObjects(kubeconfig)
    assert objects.versions("apps"), f"the cluster of {kubeconfig} does not serve apps"
    objects.close()
    name = hashlib.sha256(str(kubeconfig.resolve()).encode()).hexdigest()[:12]
    with (Path(tempfile.gettempdir()) / f"locksmith-cluster-{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield kubeconfig
        remove_world(kubeconfig)
