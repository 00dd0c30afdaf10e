"""
One row per kind of reference that Locksmith sees, each with an object in which a marker is planted.

The rows of tools come from their own declarations, so that none can be forgotten; those of core
Kubernetes are in `reference_core.py`. Run as a module it prints docs/references.md.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from graph.kubernetes.tool import Kind, Named, Tool
from graph.kubernetes.toolbox import found_tools
from tests.graph.reference_core import core_rows, external_secrets_rows
from tests.graph.reference_corpora import corpora_table
from tests.graph.reference_examples import example, of_named
from tests.graph.reference_parts import Obj


@dataclass(frozen=True)
class Row:
    """`where` in objects of `kind`, found by `tool`; `objects` hold the marker there."""

    tool: str
    kind: str
    group: str
    where: str
    how: str
    follows: str
    objects: tuple[Obj, ...]

    @property
    def title(self) -> str:
        return f"{self.tool}: {self.kind} {self.where}"


def tool_rows() -> Iterator[Row]:
    for name, tool in found_tools().items():
        for row in tool.named:
            yield from _named_rows(name, tool, row)
        for coded in tool.coded:
            kind = next(
                (one for one in tool.kinds if one.kind == coded.kind), Kind("", "any pod", "")
            )
            objects = example(coded, kind)
            yield Row(name, coded.kind, kind.group, coded.where, coded.how, "", objects)


def _named_rows(name: str, tool: type[Tool], row: Named) -> Iterator[Row]:
    for kind in tool.kinds:
        if kind.kind == row.kind and row.group in {"", kind.group}:
            obj = of_named(row, kind)
            follows = str(row.follows.picks_up)
            yield Row(name, kind.kind, kind.group, row.name, row.how, follows, (obj,))


def all_rows() -> list[Row]:
    core = [
        Row(name, kind, "", where, how, "", objects)
        for name, found in (
            ("kubernetes", core_rows()),
            ("external_secrets", external_secrets_rows()),
        )
        for kind, where, how, objects in found
    ]
    return [*core, *tool_rows()]


def page() -> str:
    """Write docs/references.md."""
    rows = all_rows()
    lines = [PREFACE]
    for tool in dict.fromkeys(row.tool for row in rows):
        lines += [f"\n## {tool}\n", "| kind | field | how |", "|---|---|---|"]
        told = dict.fromkeys(
            f"| {row.kind}{f' ({row.group})' if row.group else ''} | `{row.where}` | {row.how} |"
            for row in rows
            if row.tool == tool
        )
        lines += told
    lines += [AFTERWORD, corpora_table()]
    return "\n".join(lines).rstrip() + "\n"


PREFACE = """# References to secrets

Every place in an object of Kubernetes or of a tool where Locksmith sees that a secret is used, live
and in manifests alike. The page is printed by `python -m tests.graph.reference_rows` from the
code's own declarations, and a test plants a marker in each of these places and finds it again.

`how` is the word in the graph: of a `consumes` edge, or `copies` and `opens` for the edges of that
name. Each use says how it comes to run on a new value (`picks_up`) and why (`reason`); a reference
that is optional, or whose Secret does not exist (`missing`, where the Secrets of the namespace may
be read), is a reference. `rollback` marks what only an earlier revision of a workload names."""

AFTERWORD = """
## Custom resources that are not in the table

Declare them in the configuration; no code is needed:

```yaml
graph:
  references:
    - kind: Database
      group: example.com
      name: spec.credentials[*].secretName
      key: spec.credentials[*].field
```

A path is a strict subset of JSONPath: `spec.a.b` (fields), `list[*]` and `list[0]` (entries),
`map.*` (every value), `*SecretRef` (a pattern), `spec..secretName` (at any depth), and
`annotations['a.b/c']` (a name that is not plain). `key` and `namespace` are read beside each name.

What is not declared is guessed, in manifests always and live with `graph.infer: true`: a map with a
`name` in a field such as `passwordSecretRef`, a text in a field such as `secretName`, a map with
`containers`. Such edges have the attribute `inferred`, and their `picks_up` is `unknown`.

## Manifests of others

Every object of five public projects, read as a stranger's input. “Unreadable” documents are Helm
templates and files that are broken on purpose or not; each is named as a gap.
"""

if __name__ == "__main__":
    print(page(), end="")
