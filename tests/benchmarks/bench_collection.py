"""
How fast a cluster is read: `python -m tests.benchmarks.bench_collection [NAMESPACES]`.

Serves the listing of one cluster (100 namespaces: 10,000 Secrets, 18,200 Pods and what makes them)
from a process of its own. In turns: download and orjson of the same bytes and nothing else; the
collector, with and without fingerprints; and the stock client's typed models, for the first page
of Pods, since they take too long for all. Time is this process's own: waiting does not count.
"""

import gc
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import process_time

import orjson
import urllib3
from kubernetes.client import ApiClient, Configuration, CoreV1Api

from graph.collector import CollectContext
from graph.collectors.kubernetes import KubernetesCollector
from graph.connections import Connections, KubernetesSettings
from graph.fingerprints import Fingerprinter
from graph.model import Observation
from graph.repository import expect_many_objects
from graph.secret_value import SecretValue
from tests.benchmarks.api_server import PAGE, api_server, paths, write_listing
from tests.benchmarks.objects import CLUSTERS, Place

_KEY = SecretValue("0f" * 32)
_COLLECTED = tuple(path for path in paths() if "rbac" not in path)
_PODS = "/api/v1/pods"


@dataclass(frozen=True, slots=True)
class Collected:
    """
    Seconds of this process for the whole listing; `typed` and `first_page` for a page of Pods.

    `untuned` is the bare reading with Python's own setting of its garbage collection, `bare` with
    the product's (see `expect_many_objects`).
    """

    objects: int
    megabytes: float
    untuned: float
    bare: float
    collected: float
    fingerprinted: float
    first_page: float
    typed: float


def measure(namespaces: int, *, rounds: int) -> Collected:
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "listing").mkdir()
        places = [Place(number * CLUSTERS) for number in range(namespaces)]
        written = write_listing(folder / "listing", places)
        with api_server(folder / "listing") as address:
            return _measured(folder, address, written, rounds)


def _measured(folder: Path, address: str, written: int, rounds: int) -> Collected:
    pool = urllib3.PoolManager()
    kubeconfig = _kubeconfig(folder, address)
    core = CoreV1Api(ApiClient(Configuration(host=address)))
    objects = sum(read_bare(pool, f"{address}{path}") for path in _COLLECTED)
    untuned, bare, collected, fingerprinted, first, typed = ([] for _ in range(6))

    def all_bare() -> None:
        for path in _COLLECTED:
            read_bare(pool, f"{address}{path}")

    for _ in range(rounds):
        with _default_collection():
            untuned.append(_spent(all_bare))
        bare.append(_spent(all_bare))
        collected.append(_spent(lambda: collect(kubeconfig, None)))
        fingerprinted.append(_spent(lambda: collect(kubeconfig, Fingerprinter(_KEY))))
        first.append(_spent(lambda: read_bare(pool, f"{address}{_PODS}", pages=1)))
        typed.append(_spent(lambda: core.list_pod_for_all_namespaces(limit=PAGE)))
    core.api_client.rest_client.pool_manager.clear()
    pool.clear()
    times = (median(some) for some in (untuned, bare, collected, fingerprinted, first, typed))
    return Collected(objects, written / 1e6, *times)


def read_bare(pool: urllib3.PoolManager, url: str, *, pages: int = sys.maxsize) -> int:
    """Download and parse a collection, page by page, and forget it; returns its objects."""
    objects, following = 0, ""
    for _ in range(pages):
        page = orjson.loads(pool.request("GET", f"{url}?limit={PAGE}{following}").data)
        objects += len(page["items"])
        if "continue" not in page["metadata"]:
            break
        following = f"&continue={page['metadata']['continue']}"
    return objects


def collect(kubeconfig: str, fingerprinter: Fingerprinter | None) -> list[Observation]:
    """Read the cluster as the product does, Secrets included."""
    settings = KubernetesSettings(kubeconfig=kubeconfig, mode="fingerprint")
    connections = Connections({}, {"c0": settings}, {})
    context = CollectContext(connections, fingerprinter)
    found = list(KubernetesCollector().collect("kubernetes/c0", context))
    connections.close()
    return found


def _kubeconfig(folder: Path, address: str) -> str:
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "c0",
        "clusters": [{"name": "c0", "cluster": {"server": address}}],
        "users": [{"name": "c0", "user": {}}],
        "contexts": [{"name": "c0", "context": {"cluster": "c0", "user": "c0"}}],
    }
    file = folder / "kubeconfig"
    file.write_bytes(orjson.dumps(document))
    return str(file)


@contextmanager
def _default_collection() -> Iterator[None]:
    gc.set_threshold(700, 10, 10)
    try:
        yield
    finally:
        expect_many_objects()


def _spent(act: Callable[[], object]) -> float:
    gc.collect()
    began = process_time()
    act()
    return process_time() - began


def main(namespaces: int) -> None:
    expect_many_objects()
    found = measure(namespaces, rounds=3)
    print(f"{found.objects:,} objects, {found.megabytes:.0f} MB")
    print(f"  download and orjson: {found.untuned:.2f} s; {found.bare:.2f} s as tuned here")
    for name, spent in (("collected", found.collected), ("fingerprinted", found.fingerprinted)):
        each = 1e6 * spent / found.objects
        ratios = f"{spent / found.untuned:.1f}x; {spent / found.bare:.1f}x as tuned here"
        print(f"  {name}: {spent:.2f} s, {each:.0f} us per object, {ratios}")
    print(f"  stock client's typed Pods: {found.typed / found.first_page:.0f}x its own bytes")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100)
