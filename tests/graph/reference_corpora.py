"""Counts what is in the real-world corpora, where they lie beside the checkout."""

from collections import Counter
from pathlib import Path

from graph.collectors.manifests import collect_manifests
from graph.kubernetes.manifest_stream import objects_from
from graph.kubernetes.manifest_text import Doubled, Unreadable
from graph.model import EdgeKind

ROOT = Path(__file__).parents[2]
CORPORA = ROOT.parent / "shared" / "corpora"
PAGE = ROOT / "docs" / "references.md"
_HEAD = "| project | files | objects | unreadable | uses | of them guessed | copies |"


def corpora_table() -> str:
    """Write the table; where the corpora are not there, the one that the page has."""
    folders = sorted(folder for folder in CORPORA.glob("*") if folder.is_dir())
    if not folders:
        page = PAGE.read_text(encoding="utf-8")
        return page[page.index(_HEAD) :].rstrip()
    return "\n".join([_HEAD, "|---|---|---|---|---|---|---|", *map(_row, folders)])


def _row(folder: Path) -> str:
    files = [path for path in folder.rglob("*") if path.suffix in {".yaml", ".yml", ".json"}]
    counted: Counter[str] = Counter()
    for path in files:
        with path.open("rb") as stream:
            for found in objects_from(stream):
                if isinstance(found, Unreadable):
                    counted["unreadable"] += 1
                elif not isinstance(found, Doubled):
                    counted["objects"] += 1
    edges = collect_manifests([folder], cluster="corpus").edges
    uses = [edge for edge in edges if edge.kind is EdgeKind.CONSUMES]
    guessed = sum(edge.attributes.get("inferred") is True for edge in uses)
    copies = sum(edge.kind is EdgeKind.COPIES for edge in edges)
    name = folder.name.replace("--", "/")
    return (
        f"| {name} | {len(files)} | {counted['objects']} | {counted['unreadable']} "
        f"| {len(uses)} | {guessed} | {copies} |"
    )
