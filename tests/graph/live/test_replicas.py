"""Several processes on one PostgreSQL: one follows, all see the same, and another takes over."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from graph.database import Database
from graph.leases import Leases
from graph.repository import GraphRepository
from tests.graph.live.cluster_stub import ClusterStub
from tests.graph.live.parts import consumers_of, deployment, eventually, kubeconfig

pytestmark = pytest.mark.slow

SECRET = "prod/shop/Secret/db"


class Replica:
    """`locksmith collect --watch --json` in a process of its own."""

    def __init__(self, config: Path, folder: Path) -> None:
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith("LOCKSMITH_")
        }
        command = [sys.executable, "-m", "bot", "--config", str(config)]
        self.said: list[dict[str, Any]] = []
        self.process = subprocess.Popen(
            [*command, "collect", "--watch", "--json"],
            stdout=subprocess.PIPE,
            text=True,
            env=environment | {"LOCKSMITH_DATA": str(folder)},
        )
        self._reader = Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said.append(json.loads(line))

    def follows(self) -> list[str] | None:
        """Which clusters it follows, as it last said; None: it has not said."""
        told = [one["followed_here"] for one in self.said if "followed_here" in one]
        return [name for name in told[-1] if name.startswith("cluster/")] if told else None

    def saw(self, name: str) -> bool:
        return any(
            one.get("kind") == "added" and f"/{name} -consumes-> " in one["subject"]
            for one in self.said
            if "subject" in one
        )

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self._reader.join()
        if self.process.stdout is not None:
            self.process.stdout.close()


@contextmanager
def replica(config: Path, folder: Path) -> Iterator[Replica]:
    running = Replica(config, folder)
    try:
        yield running
    finally:
        running.close()


def test_one_process_follows_and_another_takes_over_when_it_is_killed(
    postgres_url: str, tmp_path: Path
) -> None:
    with ClusterStub() as stub:
        stub.put("namespaces", {"metadata": {"name": "shop"}})
        stub.put("deployments", deployment("shop", "api", "db"))
        config = tmp_path / "config.json"  # JSON is YAML
        file = kubeconfig(tmp_path, "prod", stub.address)
        settings = {"database": {"url": postgres_url}, "kubernetes": {"prod": {"kubeconfig": file}}}
        config.write_text(json.dumps(settings))
        with replica(config, tmp_path) as first:
            eventually(lambda: first.follows() == ["cluster/prod"], seconds=30)
            with replica(config, tmp_path) as second:
                eventually(lambda: second.follows() == [], seconds=30)
                stub.put("deployments", deployment("shop", "worker", "db"))
                eventually(lambda: first.saw("worker") and second.saw("worker"))
                watchers = len([one for one in stub.asked if one[:2] == ("list", "deployments")])
                assert watchers == 1  # the second one asked the cluster nothing
                first.process.kill()
                stub.put("deployments", deployment("shop", "cart", "db"))
                eventually(lambda: second.follows() == ["cluster/prod"], seconds=40)
                eventually(lambda: second.saw("cart"))
        database = Database(postgres_url)
        seen = consumers_of(GraphRepository(database.engine), SECRET)
        assert seen == {f"prod/shop/Deployment/{name}" for name in ("api", "worker", "cart")}
        database.close()


def test_a_lease_is_held_by_one_renewed_given_back_and_taken_from_the_dead(
    postgres_url: str,
) -> None:
    database = Database(postgres_url)
    database.create_all()
    mine, other = (Leases(database.engine, seconds=0.3) for _ in range(2))
    assert mine.hold("cluster/prod")
    assert mine.hold("cluster/prod")
    assert mine.surely("cluster/prod")
    assert not other.hold("cluster/prod")
    assert other.hold("cluster/other")
    mine.release("cluster/prod")
    assert not mine.surely("cluster/prod")
    assert other.hold("cluster/prod")
    assert not mine.hold("cluster/prod")
    took = eventually(lambda: mine.hold("cluster/prod"))  # the other one shows no sign of life
    assert took > 0.25
    assert not other.surely("cluster/prod") or took < 0.3
    assert not other.hold("cluster/prod")
    database.close()


def test_a_single_process_on_sqlite_needs_no_lease(repository: GraphRepository) -> None:
    leases = Leases(repository._engine)
    assert leases.hold("cluster/prod")
    assert Leases(repository._engine).hold("cluster/prod")
    assert leases.surely("anything")
    leases.release("cluster/prod")
