"""
A cluster's API as bytes on disk, served over HTTP by a process of its own.

Only what a listing needs: discovery, and collections in pages of 500 as an API server cuts them.
A process of its own, so that serving does not take turns with what is measured:
`python -m tests.benchmarks.api_server FOLDER` prints its port.
"""

import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import chain, groupby
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import orjson

from tests.benchmarks import objects
from tests.benchmarks.objects import Object, Place

PAGE = 500
_RBAC = "/apis/rbac.authorization.k8s.io/v1"
_SERVED = {
    "/api/v1": ("namespaces", "serviceaccounts", "pods", "secrets"),
    "/apis/apps/v1": ("deployments", "statefulsets", "daemonsets", "replicasets"),
    "/apis/batch/v1": ("cronjobs",),
    _RBAC: ("clusterroles", "clusterrolebindings", "roles", "rolebindings"),
}
_KINDS = {
    "namespaces": "Namespace",
    "serviceaccounts": "ServiceAccount",
    "pods": "Pod",
    "secrets": "Secret",
    "deployments": "Deployment",
    "statefulsets": "StatefulSet",
    "daemonsets": "DaemonSet",
    "replicasets": "ReplicaSet",
    "cronjobs": "CronJob",
    "clusterroles": "ClusterRole",
    "clusterrolebindings": "ClusterRoleBinding",
    "roles": "Role",
    "rolebindings": "RoleBinding",
}
_BY_PLACE: tuple[Callable[[Place], Iterable[Object]], ...] = (
    lambda place: (objects.namespace(place),),
    objects.accounts,
    objects.secrets,
    objects.workloads,
    objects.replica_sets,
    objects.pods,
    objects.roles,
    objects.bindings,
)


def paths() -> tuple[str, ...]:
    """Name every collection that is served."""
    return tuple(f"{root}/{plural}" for root, plurals in _SERVED.items() for plural in plurals)


def write_listing(folder: Path, places: Iterable[Place]) -> int:
    """Write the listing of one cluster with these namespaces; returns its bytes."""
    by_path: dict[str, list[Object]] = {path: [] for path in paths()}
    plurals = {kind: plural for plural, kind in _KINDS.items()}
    made = chain(
        (obj for place in places for make in _BY_PLACE for obj in make(place)),
        objects.cluster_grants(),
    )
    for obj in made:
        version = obj.pop("apiVersion")
        root = f"/apis/{version}" if "/" in version else f"/api/{version}"
        by_path[f"{root}/{plurals[obj.pop('kind')]}"].append(obj)
    written = 0
    for path, found in by_path.items():
        for number, page in enumerate(_pages(path, found)):
            (folder / _file(path, number)).write_bytes(page)
            written += len(page)
    for path, body in _discovery():
        (folder / _file(path, 0)).write_bytes(orjson.dumps(body))
    return written


@contextmanager
def api_server(folder: Path) -> Iterator[str]:
    """Serve `folder` while the block runs; gives the address."""
    command = [sys.executable, "-m", "tests.benchmarks.api_server", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(server.stdout.readline())}"
        finally:
            server.terminate()


def _pages(path: str, found: list[Object]) -> Iterator[bytes]:
    root, _, plural = path.rpartition("/")
    version = root.removeprefix("/apis/").removeprefix("/api/")
    starts = range(0, len(found) or 1, PAGE)
    for number, start in enumerate(starts):
        metadata = {"resourceVersion": "1000"}
        if number + 1 < len(starts):
            metadata["continue"] = str(number + 1)
        listed = {"kind": f"{_KINDS[plural]}List", "apiVersion": version, "metadata": metadata}
        yield orjson.dumps(listed | {"items": found[start : start + PAGE]})


def _discovery() -> Iterator[tuple[str, Object]]:
    yield "/api", {"versions": ["v1"]}
    named = sorted(root.removeprefix("/apis/") for root in _SERVED if root.startswith("/apis/"))
    groups = []
    for group, versions in groupby(named, key=lambda name: name.rpartition("/")[0]):
        offered = [{"version": name.rpartition("/")[2]} for name in versions]
        groups.append({"name": group, "versions": offered, "preferredVersion": offered[0]})
    yield "/apis", {"groups": groups}
    for root, plurals in _SERVED.items():
        resources = [
            {"name": plural, "kind": _KINDS[plural], "namespaced": True, "verbs": ["list"]}
            for plural in plurals
        ]
        yield root, {"resources": resources}


def _file(path: str, number: int) -> str:
    return f"{path.strip('/').replace('/', '+')}+{number}.json"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    folder = Path()

    def do_GET(self) -> None:
        asked = urlsplit(self.path)
        number = int(parse_qs(asked.query).get("continue", ["0"])[0])
        file = self.folder / _file(asked.path, number)
        found = file.is_file()
        body = file.read_bytes() if found else b"{}"
        self.send_response(200 if found else 404)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def main() -> None:
    _Handler.folder = Path(sys.argv[1])
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    print(server.server_port, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
