"""Sources without a watch: stores, and clusters whose watch is not to be trusted."""

import secrets
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar

import pytest

from bot.sandbox.cluster import EmbeddedCluster
from bot.sandbox.loopback import free_port
from bot.sandbox.openbao import OpenBaoServer
from bot.sandbox.world import World
from graph.collect import collect
from graph.collector import CollectContext, Collector, Permission
from graph.collectors.vault import VaultCollector
from graph.connections import Connections, KubernetesSettings, VaultSettings
from graph.fingerprints import Fingerprinter, generate_key
from graph.leases import Leases
from graph.live.graph import LiveGraph
from graph.live.pace import Pace
from graph.model import Observation
from graph.repository import GraphRepository
from graph.secret_value import SecretValue
from tests.graph.live.parts import QUICK, consumers_of, deployment, eventually, gaps_of, running
from tests.graph.live.parts import stale as stale_sources
from tests.graph.vault_parts import VaultCorner


def test_the_embedded_cluster_is_listed_at_the_interval_without_a_word(
    repository: GraphRepository, embedded_cluster: EmbeddedCluster
) -> None:
    namespace = f"live-{secrets.token_hex(4)}"
    settings = {"demo": KubernetesSettings(kubeconfig=str(embedded_cluster.kubeconfig))}
    connections = Connections({}, settings, {})
    api = connections.kubernetes("demo")
    api.post("/api/v1/namespaces", {"metadata": {"name": namespace}})
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments"
    with running(repository, settings):
        api.post(path, deployment(namespace, "api", "db"))
        secret = f"demo/{namespace}/Secret/db"
        eventually(lambda: consumers_of(repository, secret))
        api.delete(f"{path}/api")
        eventually(lambda: not consumers_of(repository, secret))
        assert not gaps_of(repository, "kubernetes/demo")
        assert not stale_sources(repository)
    connections.close()


def test_what_did_not_change_in_a_store_is_not_read_again(openbao: OpenBaoServer) -> None:
    corner = VaultCorner(openbao)
    fingerprinter = Fingerprinter(SecretValue(generate_key()))
    corner.put("shop/db", {"password": "x9LmQ2vTr81A"})
    corner.put("shop/api", {"token": "k2Jd8sPw0aQz"})
    knows = corner.rules("sys/mounts read", "sys/auth read", "MOUNT/metadata/* read,list")
    reads = corner.rules("MOUNT/data/* read")
    connections = corner.connections(corner.token([knows, reads])["client_token"])
    context = CollectContext(connections, fingerprinter)
    collector = VaultCollector()

    def found(value: str) -> set[str]:
        asked = {one.digest for one in fingerprinter.of_leaked(SecretValue(value)) if not one.weak}
        return {
            f"{stored.secret.rpartition('/')[2]}#{stored.key}"
            for observation in collector.collect("vault/main", context)
            for stored in observation.fingerprints
            if stored.fingerprint.digest in asked and stored.current
        }

    assert found("x9LmQ2vTr81A") == {"db#password"}
    corner.put("shop/api", {"token": "c7Vn3bLx6mRt"})
    assert found("c7Vn3bLx6mRt") == {"api#token"}
    assert found("k2Jd8sPw0aQz") == set()
    corner.policy(reads, f'path "{corner.mount}/data/*" {{ capabilities = ["deny"] }}')
    # Contents can be read by nobody any more; the metadata says that they are what they were.
    assert found("x9LmQ2vTr81A") == {"db#password"}
    assert found("c7Vn3bLx6mRt") == {"api#token"}
    connections.close()
    corner.client.sys.disable_secrets_engine(corner.mount)


def test_a_store_that_is_away_is_marked_with_its_age_and_heals(
    repository: GraphRepository, tmp_path: Path
) -> None:
    address = f"http://127.0.0.1:{free_port()}"
    connections = Connections(
        {"gone": VaultSettings(address=address, token="t")},  # type: ignore[arg-type]
        {},
        {},
    )
    live = LiveGraph(
        repository,
        CollectContext(connections, None),
        leases=Leases(repository._engine),
        clock=lambda: datetime.now(UTC),
        pace=QUICK,
    )
    live.start()
    assert live.collected_once.wait(30)
    assert stale_sources(repository) == {"vault/gone"}
    eventually(lambda: gaps_of(repository, "vault/gone")[0].reason.startswith("Stale since "))
    live.stop()
    connections.close()


def test_what_is_remembered_makes_the_same_rows_as_a_look_from_scratch(
    repository: GraphRepository, world: World
) -> None:
    fingerprinter = Fingerprinter(SecretValue(generate_key()))
    settings = {
        "demo": KubernetesSettings(
            kubeconfig=str(world.kubeconfig), mode="fingerprint", environment="prod"
        )
    }
    with running(repository, settings, fingerprinter=fingerprinter, pace=Pace(interval=60)):
        connections = Connections({}, settings, {})
        looks = list(
            collect(repository, CollectContext(connections, fingerprinter), now=datetime.now(UTC))
        )
        assert sum(look.nodes for look in looks) > 20
        assert sum(look.fingerprints for look in looks) > 5
        assert [(look.source, look.changes) for look in looks if look.changes] == []
        connections.close()


def test_a_quiet_source_is_still_said_to_be_fresh(
    repository: GraphRepository, embedded_cluster: EmbeddedCluster
) -> None:
    settings = {"demo": KubernetesSettings(kubeconfig=str(embedded_cluster.kubeconfig))}
    with running(repository, settings):
        first = {one.name: one.last_complete for one in repository.sources()}
        eventually(
            lambda: all(
                one.last_complete and one.last_complete > (first[one.name] or one.last_complete)
                for one in repository.sources()
            )
        )


class Broken(Collector):
    """A member with a mistake in it."""

    name: ClassVar[str] = "broken"
    permissions: ClassVar[tuple[Permission, ...]] = ()

    def sources(self, context: CollectContext) -> tuple[str, ...]:
        return ("broken/one",)

    def collect(self, source: str, context: CollectContext) -> Iterator[Observation]:
        raise KeyError(source)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_fault_of_our_own_is_a_gap_and_holds_nobody_up(repository: GraphRepository) -> None:
    live = LiveGraph(
        repository,
        CollectContext(Connections({}, {}, {}), None),
        leases=Leases(repository._engine, seconds=0.2),
        clock=lambda: datetime.now(UTC),
        pace=QUICK,
        collectors={"broken": Broken()},
    )
    live.start()
    assert live.collected_once.wait(30)
    (gap,) = repository.snapshot().gaps
    assert gap.source == "broken/one"
    assert "Locksmith itself failed" in gap.reason
    live.stop()
