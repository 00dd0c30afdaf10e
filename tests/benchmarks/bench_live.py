"""
How soon a change in a cluster is in the answers: `python -m tests.benchmarks.bench_live [ROUNDS]`.

Follows the cluster of $KUBECONFIG on SQLite, and for each round makes a Deployment that uses a
Secret, points it elsewhere and deletes it, binds a Role that reads and unbinds it: seconds from
the API server's answer until the graph's answer is the new one.
"""

import os
import secrets
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter, sleep
from typing import Any

from graph.connections import Connections, KubernetesSettings
from graph.database import Database
from graph.live.pace import Pace
from graph.queries.consumers import consumers
from graph.queries.readers import readers
from graph.refs import Ref
from graph.repository import GraphRepository
from tests.graph.live.parts import deployment, running

RBAC = "rbac.authorization.k8s.io"


def until(condition: Callable[[], bool]) -> float:
    """Give the seconds until it holds; ends the program after a minute."""
    began = perf_counter()
    while not condition():
        if perf_counter() - began > 60:
            raise SystemExit("It did not become true within a minute.")
        sleep(0.002)
    return perf_counter() - began


def main(rounds: int) -> None:
    """Print the table."""
    settings = {"prod": KubernetesSettings(kubeconfig=os.environ["KUBECONFIG"])}
    connections = Connections({}, settings, {})
    api = connections.kubernetes("prod")
    space = f"bench-{secrets.token_hex(3)}"
    secret = Ref(f"k8s://prod/{space}/Secret/db")
    apps, rights = f"/apis/apps/v1/namespaces/{space}", f"/apis/{RBAC}/v1/namespaces/{space}"
    role = {
        "metadata": {"name": "reads"},
        "rules": [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}],
    }
    binding: dict[str, Any] = {
        "metadata": {"name": "reads"},
        "subjects": [{"kind": "User", "name": "mallory", "apiGroup": RBAC}],
        "roleRef": {"kind": "Role", "name": "reads", "apiGroup": RBAC},
    }
    spent: dict[str, list[float]] = {}
    api.post("/api/v1/namespaces", {"metadata": {"name": space}})
    api.post(f"{rights}/roles", role)
    with TemporaryDirectory() as folder:
        database = Database(f"sqlite:///{Path(folder) / 'graph.db'}")
        database.create_all()
        repository = GraphRepository(database.engine)

        def used() -> bool:
            return bool(consumers(repository.snapshot(), secret).consumers)

        def read() -> bool:
            found = readers(repository.snapshot(), secret).readers
            return any(one.subject.endswith("/mallory") for one in found)

        def unused() -> bool:
            return not used()

        def unread() -> bool:
            return not read()

        deployed = deployment(space, "api", "db")
        changes: list[tuple[str, Callable[[], object], Callable[[], bool]]] = [
            ("a Deployment comes", lambda: api.post(f"{apps}/deployments", deployed), used),
            ("a binding comes", lambda: api.post(f"{rights}/rolebindings", binding), read),
            ("a binding goes", lambda: api.delete(f"{rights}/rolebindings/reads"), unread),
            ("a Deployment goes", lambda: api.delete(f"{apps}/deployments/api"), unused),
        ]
        with running(repository, settings, pace=Pace()):
            for name, change, true in changes * rounds:
                change()
                spent.setdefault(name, []).append(until(true))
        database.close()
    api.delete(f"/api/v1/namespaces/{space}")
    connections.close()
    print(f"{'change':20} {'median s':>9} {'worst s':>9}   ({rounds} rounds)")
    for name, times in spent.items():
        print(f"{name:20} {median(times):9.2f} {max(times):9.2f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20)
