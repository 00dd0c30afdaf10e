"""
A folder, files or a stream of manifests: what a cluster would be told, before or without a cluster.

Example: `collect_manifests(["deploy/"], cluster="prod")` gives the source `manifests/prod`, with
the same refs as the live cluster `prod`, so that both looks meet in one graph. It takes YAML,
JSON, multi-document files, List objects, the output of `kustomize build` and `helm template`.
Files that are templates or broken are gaps with their names; the rest goes on.
It is no member of the scan for collectors: which files to read is said on the command line, by
each call, and not in the settings.
"""

import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from graph.errors import NotFoundError
from graph.gathered import Gathered
from graph.kubernetes.grants import Grants
from graph.kubernetes.inventory import Inventory
from graph.kubernetes.manifest_text import Unreadable, decoded, objects_in
from graph.kubernetes.remotes import KnownVault
from graph.kubernetes.syncs import Syncs
from graph.model import Observation

_SUFFIXES = frozenset({".yaml", ".yml", ".json"})
_NAMED_GAPS = 100


def collect_manifests(
    paths: Iterable[str | Path],
    *,
    cluster: str,
    namespace: str = "default",
    vaults: Mapping[str, KnownVault] | None = None,
) -> Observation:
    """
    Read `paths` (folders with all below them, files, `-` for standard input).

    `namespace` is for objects that name none; `vaults` are the configured stores.

    Raises:
        NotFoundError: a path does not exist.
    """
    gathered = Gathered(f"manifests/{cluster}", cluster)
    gathered.store()
    inventory = Inventory(gathered, namespace=namespace)
    syncs = Syncs(gathered, vaults=vaults or {}, namespace=namespace)
    grants = Grants(gathered, namespace=namespace, live=False)
    problems: list[tuple[str, str, str]] = []
    for name, data in _contents(paths, problems):
        manifest = decoded(data)
        if manifest is None:
            problems.append((name, "It is not text in UTF-8 or UTF-16.", ""))
            continue
        unreadable: list[Unreadable] = []
        for found in objects_in(manifest):
            if isinstance(found, Unreadable):
                unreadable.append(found)
            else:
                _ = syncs.add(found) or grants.add(found) or inventory.add(found)
        if unreadable:
            problems.append((name, *_explained(unreadable)))
    inventory.finish()
    syncs.finish()
    grants.finish()
    for scope, reason, do_now in problems[:_NAMED_GAPS]:
        gathered.miss(scope, reason, do_now=do_now)
    if len(problems) > _NAMED_GAPS:
        more = f"{len(problems) - _NAMED_GAPS} more files"
        gathered.miss(more, f"{len(problems)} files could not be read completely.")
    return gathered.observation()


def _contents(
    paths: Iterable[str | Path], problems: list[tuple[str, str, str]]
) -> Iterator[tuple[str, bytes]]:
    for path in paths:
        if str(path) == "-":
            yield "standard input", sys.stdin.buffer.read()
            continue
        for file in _files(Path(path)):
            try:
                yield str(file), file.read_bytes()
            except OSError as error:
                reason = error.strerror or "reading failed"
                problems.append((str(file), f"It cannot be opened: {reason}.", ""))


def _files(path: Path) -> Iterator[Path]:
    if path.is_file():
        yield path
    elif path.is_dir():
        for file in sorted(path.rglob("*")):
            below = file.relative_to(path).parts
            hidden = any(part.startswith(".") for part in below)
            if file.suffix in _SUFFIXES and not hidden and file.is_file():
                yield file
    else:
        raise NotFoundError(
            f"There is no file or folder {path}.", do_now="Check the path of the manifests."
        )


def _explained(unreadable: list[Unreadable]) -> tuple[str, str]:
    lines = ", ".join(str(one.line) for one in unreadable[:5])
    count = f"{len(unreadable)} document(s) could not be read (line {lines})"
    if all(one.templated for one in unreadable):
        return (
            f"{count}: they are templates.",
            "Give the output of `helm template` or of the tool that fills them in.",
        )
    return f"{count}: they are not valid YAML.", "Correct the file."
