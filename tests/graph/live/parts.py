"""What the tests of the live graph share: one that runs, and a wait for what must become true."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from graph.collect import found_collectors
from graph.collector import CollectContext
from graph.connections import Connections, KubernetesSettings
from graph.fingerprints import Fingerprinter
from graph.leases import Leases
from graph.live.graph import LiveGraph
from graph.live.pace import Pace
from graph.model import EdgeKind, Gap
from graph.repository import GraphRepository

QUICK = Pace(
    interval=0.5, discovery=0.2, first_wait=0.05, longest_wait=0.4, denied=0.2, gather=0.05
)


def kubeconfig(folder: Path, name: str, server: str) -> str:
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "one",
        "contexts": [{"name": "one", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": server}}],
        "users": [{"name": "u", "user": {}}],
    }
    file = folder / f"kubeconfig-{name}"
    file.write_text(yaml.safe_dump(document))
    return str(file)


@contextmanager
def running(
    repository: GraphRepository,
    clusters: Mapping[str, KubernetesSettings],
    *,
    pace: Pace = QUICK,
    fingerprinter: Fingerprinter | None = None,
    wait: bool = True,
) -> Iterator[LiveGraph]:
    """Follow `clusters`, after the first look at all of them."""
    connections = Connections({}, clusters, {})
    live = LiveGraph(
        repository,
        CollectContext(connections, fingerprinter),
        leases=Leases(repository._engine),
        clock=lambda: datetime.now(UTC),
        pace=pace,
        collectors=found_collectors(),
    )
    live.start()
    try:
        if wait:
            assert live.collected_once.wait(30)
        yield live
    finally:
        live.stop()
        connections.close()


def eventually(condition: Callable[[], Any], *, seconds: float = 45.0) -> float:
    """Wait until `condition` holds; return how long it took. Fails after `seconds`."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < seconds, "it did not become true in time"
        time.sleep(0.01)  # between two looks at the condition
    return time.monotonic() - began


def consumers_of(repository: GraphRepository, secret: str) -> set[str]:
    """Name the consumers of a Secret, given and named without `k8s://`."""
    return {
        edge.tail.removeprefix("k8s://")
        for edge in repository.snapshot().edges(EdgeKind.CONSUMES)
        if edge.head == f"k8s://{secret}"
    }


def gaps_of(repository: GraphRepository, source: str) -> list[Gap]:
    return [gap for gap in repository.snapshot().gaps if gap.source == source]


def stale(repository: GraphRepository) -> set[str]:
    return {one.name for one in repository.sources() if one.stale_since is not None}


def pod_spec(secret: str) -> dict[str, Any]:
    reference = {"secretKeyRef": {"name": secret, "key": "password"}}
    container = {"name": "main", "image": "app", "env": [{"name": "P", "valueFrom": reference}]}
    return {"containers": [container]}


def deployment(namespace: str, name: str, secret: str) -> dict[str, Any]:
    labels = {"app": name}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"namespace": namespace, "name": name},
        "spec": {
            "replicas": 0,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod_spec(secret)},
        },
    }


def pod(namespace: str, name: str, secret: str) -> dict[str, Any]:
    metadata = {"namespace": namespace, "name": name}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": pod_spec(secret)}
