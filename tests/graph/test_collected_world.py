"""The whole way, on real servers: collected from OpenBao and a cluster, stored, asked."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from bot.sandbox.world import World
from graph.collect import collect
from graph.collector import CollectContext
from graph.connections import Connections, KubernetesSettings, VaultSettings
from graph.fingerprints import Fingerprinter, generate_key
from graph.model import NodeKind
from graph.queries.blast_radius import blast_radius, blast_radius_from_json, to_json
from graph.queries.readers import readers
from graph.queries.search import resolve
from graph.repository import GraphRepository
from graph.secret_value import SecretValue
from tests.graph.demo_graph import CONSUMERS_OF_GATEWAY, GATEWAY


@pytest.fixture
def context(world: World) -> Iterator[CollectContext]:
    connections = Connections(
        {"main": VaultSettings(address=world.openbao.address, token=world.bot_token)},
        {"demo": KubernetesSettings(kubeconfig=str(world.kubeconfig))},
        {},
    )
    yield CollectContext(connections, Fingerprinter(SecretValue(generate_key())))
    connections.close()


def test_a_leaked_value_is_recognised_and_its_blast_radius_known(
    world: World, context: CollectContext, repository: GraphRepository
) -> None:
    results = list(collect(repository, context, now=datetime.now(UTC)))
    assert not any(result.refused for result in results)
    again = collect(repository, context, now=datetime.now(UTC))
    assert [result.changes for result in again] == [0] * len(results)

    assert context.fingerprinter is not None
    leaked = context.fingerprinter.of_leaked(SecretValue(world.leaked_token))
    (match,) = repository.find(leaked)
    assert (match.secret, match.key, match.version) == (GATEWAY, "token", 1)

    snapshot = repository.snapshot()
    assert resolve(snapshot, "payments/gateway", kinds={NodeKind.SECRET}) == GATEWAY
    found = blast_radius(snapshot, [(match.secret, match.key)])
    assert tuple(consumer.workload for consumer in found.consumers) == CONSUMERS_OF_GATEWAY
    assert [copy.secret.split("/")[3] for copy in found.copies if copy.idle] == ["reporting"]
    assert [claim.owner for claim in found.owners] == ["team:payments", "team:shop"]
    assert blast_radius_from_json(to_json(found)) == found

    named = {reader.subject.rpartition("/")[2] for reader in readers(snapshot, GATEWAY).readers}
    assert {"payments-dev", "ana@example.com", "rob@example.com", "backup", "ci"} <= named
    assert "everyone" not in named
