"""
The ways around reading a Secret, gone on a real API server by accounts with that right only.

Whoever gets the value, a token or the pod that mounts it is a reader with that `kind`; whoever the
server refuses is none. What a kubelet or an operator would have to do is not proven here; see
docs/readers.md.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from graph import refs
from graph.collector import CollectContext
from graph.collectors.rbac import RbacCollector
from graph.connections import Connections, KubernetesSettings
from graph.queries.readers import Reader, readers
from graph.snapshot import Snapshot
from tests.graph.collectors.ways_around import HALF, WAYS, Corner

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def corner(real_cluster: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Corner]:
    settings = KubernetesSettings(kubeconfig=str(real_cluster))
    facade = Connections(vaults={}, clusters={"c": settings}, issuers={})
    made = Corner(facade.kubernetes("c"), tmp_path_factory.mktemp("hook"))
    try:
        for name, way in (WAYS | HALF).items():
            made.enter(name, way)
        made.hold_a_gathered_role("label")
        (found,) = RbacCollector().collect("rbac/c", CollectContext(facade, None))
        made.graph = Snapshot.of(found.nodes, found.edges)
        yield made
    finally:
        made.remove()
        facade.close()


def ways_of(corner: Corner, name: str) -> list[Reader]:
    secret = refs.k8s("c", corner.space, "Secret", "db")
    mine = corner.intruders[name].ref
    return [one for one in readers(corner.graph, secret).readers if one.subject == mine]


@pytest.mark.parametrize("name", WAYS)
def test_who_goes_a_way_to_its_end_is_a_reader_by_that_way(corner: Corner, name: str) -> None:
    WAYS[name].go(corner.intruders[name])
    found = ways_of(corner, name)
    assert WAYS[name].kind in {one.kind for one in found}
    own = f"{corner.space}-{name}" if WAYS[name].wide else name
    for one in found:
        assert not one.direct
        assert any(step.endswith(f"/{own}") for step in one.path), one.path


@pytest.mark.parametrize("name", HALF)
def test_whom_the_server_refuses_is_no_reader(corner: Corner, name: str) -> None:
    HALF[name].go(corner.intruders[name])
    assert ways_of(corner, name) == []
