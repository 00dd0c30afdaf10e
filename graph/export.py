"""
Writes the whole graph for other tools: JSON Lines and GraphML. Pure, line by line.

Values of secrets exist nowhere in the graph, so an export holds none; it does hold the map of who
can read what, which is worth protecting too.
"""

from collections.abc import Callable, Iterator, Mapping
from xml.sax.saxutils import escape, quoteattr

import orjson

from graph.model import Attributes, AttributeValue
from graph.snapshot import Snapshot

_SORTED = orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE


def jsonl(snapshot: Snapshot) -> Iterator[bytes]:
    """
    Yield one JSON object per line: nodes, then edges, then gaps.

    `{"node": REF, "kind", "attributes"}`, `{"edge": KIND, "tail", "head", "attributes"}`,
    `{"gap": SCOPE, "source", "reason", "do_now", "since"}`.
    """
    for node in sorted(snapshot.nodes(), key=lambda node: node.ref):
        yield _line({"node": node.ref, "kind": node.kind, "attributes": dict(node.attributes)})
    for edge in snapshot.edges():
        yield _line(
            {
                "edge": edge.kind,
                "tail": edge.tail,
                "head": edge.head,
                "attributes": dict(edge.attributes),
            }
        )
    for gap in snapshot.gaps:
        yield _line(
            {
                "gap": gap.scope,
                "source": gap.source,
                "reason": gap.reason,
                "do_now": gap.do_now,
                "since": gap.since,
            }
        )


def graphml(snapshot: Snapshot) -> Iterator[bytes]:
    """
    Yield GraphML 1.0 (http://graphml.graphdrawing.org), as Gephi, yEd and networkx read it.

    Every attribute is a string, a tuple one with spaces between; names are declared beforehand,
    as the format wants it. Ends of edges that no source described become nodes without a kind.
    """
    names = sorted(
        {"kind"}
        | {name for node in snapshot.nodes() for name in node.attributes}
        | {name for edge in snapshot.edges() for name in edge.attributes}
    )
    keys = {name: f"d{number}" for number, name in enumerate(names)}
    yield b'<?xml version="1.0" encoding="UTF-8"?>\n'
    yield b'<graphml xmlns="http://graphml.graphdrawing.org/xmlns">\n'
    for name, key in keys.items():
        said = f'<key id="{key}" for="all" attr.name={_quoted(name)} attr.type="string"/>\n'
        yield said.encode()
    yield b'<graph edgedefault="directed">\n'
    described = set()
    for node in sorted(snapshot.nodes(), key=lambda node: node.ref):
        described.add(node.ref)
        data = _data({"kind": node.kind.value, **node.attributes}, keys)
        yield f"<node id={_quoted(node.ref)}>{data}</node>\n".encode()
    for ref in sorted({end for edge in snapshot.edges() for end in (edge.tail, edge.head)}):
        if ref not in described:
            yield f"<node id={_quoted(ref)}/>\n".encode()
    for number, edge in enumerate(snapshot.edges()):
        ends = f'id="e{number}" source={_quoted(edge.tail)} target={_quoted(edge.head)}'
        data = _data({**edge.attributes, "kind": edge.kind.value}, keys)
        yield f"<edge {ends}>{data}</edge>\n".encode()
    yield b"</graph>\n</graphml>\n"


FORMATS: Mapping[str, Callable[[Snapshot], Iterator[bytes]]] = {"jsonl": jsonl, "graphml": graphml}


def _line(row: Mapping[str, object]) -> bytes:
    return orjson.dumps(row, option=_SORTED)


def _data(attributes: Attributes, keys: Mapping[str, str]) -> str:
    return "".join(
        f'<data key="{keys[name]}">{escape(_printable(_text(value)))}</data>'
        for name, value in attributes.items()
        if value is not None
    )


def _text(value: AttributeValue) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return " ".join(value) if isinstance(value, tuple) else str(value)


def _quoted(text: str) -> str:
    return quoteattr(_printable(text))


def _printable(text: str) -> str:
    """Take out what XML 1.0 cannot say at all: control characters."""
    return "".join(letter if letter >= " " or letter in "\t\n\r" else "\ufffd" for letter in text)
