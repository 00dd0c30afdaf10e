import io

import networkx as nx
import orjson
import pytest

from graph.export import FORMATS, graphml, jsonl
from graph.model import Edge, EdgeKind, Node, NodeKind
from graph.refs import Ref
from graph.snapshot import Snapshot
from tests.graph.demo_graph import BOT_GAP, GATEWAY, demo_edges, demo_graph, demo_nodes


def test_json_lines_hold_every_node_edge_and_gap() -> None:
    rows = [orjson.loads(line) for line in jsonl(demo_graph())]
    nodes = {row["node"]: row for row in rows if "node" in row}
    assert len(nodes) == len(demo_nodes())
    assert nodes[GATEWAY]["kind"] == "secret"
    assert nodes[GATEWAY]["attributes"]["keys"] == ["token", "webhook_secret"]
    assert sum("edge" in row for row in rows) == len(demo_edges())
    assert [row["gap"] for row in rows if "gap" in row] == [BOT_GAP.scope]


def test_graphml_is_read_by_networkx_with_every_node_and_edge() -> None:
    graph = nx.read_graphml(io.BytesIO(b"".join(graphml(demo_graph()))))
    edges = demo_edges()
    assert graph.number_of_edges() == len(edges)
    ends = {end for edge in edges for end in (edge.tail, edge.head)}
    assert set(graph.nodes) == ends | {node.ref for node in demo_nodes()}
    assert graph.nodes[GATEWAY]["keys"] == "token webhook_secret"


def test_letters_that_xml_cannot_say_do_not_break_the_file() -> None:
    strange = Node(
        Ref("k8s://c/n/Secret/a"), NodeKind.SECRET, {"note": "<&\x00\x1b\"'>", "on": True}
    )
    edge = Edge(strange.ref, Ref("k8s://c/-/Namespace/n"), EdgeKind.IN_NAMESPACE)
    graph = nx.read_graphml(io.BytesIO(b"".join(graphml(Snapshot.of([strange], [edge])))))
    assert graph.nodes[strange.ref]["note"] == "<&\ufffd\ufffd\"'>"
    assert graph.nodes[strange.ref]["on"] == "true"


@pytest.mark.parametrize("name", FORMATS)
def test_an_empty_graph_is_a_valid_file(name: str) -> None:
    assert isinstance(b"".join(FORMATS[name](Snapshot.of([], []))), bytes)
