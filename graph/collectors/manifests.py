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
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO

from graph import refs
from graph.codeowners import CodeOwners, codeowners_above
from graph.errors import NotFoundError
from graph.fields import Object, name_of, namespace_of, text
from graph.gathered import Gathered
from graph.kubernetes.grants import Grants
from graph.kubernetes.inventory import Inventory
from graph.kubernetes.manifest_stream import objects_from
from graph.kubernetes.manifest_text import Doubled, Unreadable
from graph.kubernetes.remotes import KnownVault
from graph.kubernetes.syncs import Syncs
from graph.kubernetes.tool import Here
from graph.kubernetes.toolbox import Declared, Toolbox
from graph.kubernetes.wrong_shapes import wrong_shapes
from graph.model import Observation
from graph.owners import Said
from graph.refs import Ref
from graph.words import counted

_SUFFIXES = frozenset({".yaml", ".yml", ".json"})
_NAMED_GAPS = 100
_SHOWN = 5  # fields or lines in a gap
_STANDARD_INPUT = "standard input"
_OF_THE_CLUSTER = frozenset({"Namespace", "PersistentVolume", "ClusterRole", "ClusterRoleBinding"})


def collect_manifests(
    paths: Iterable[str | Path],
    *,
    cluster: str,
    namespace: str = "default",
    vaults: Mapping[str, KnownVault] | None = None,
    references: tuple[Declared, ...] = (),
) -> Observation:
    """
    Read `paths` (folders with all below them, files, `-` for standard input).

    `namespace` is for objects that name none; `vaults` are the configured stores; `references`
    are declared for custom resources that no tool knows. The others are guessed.

    Raises:
        NotFoundError: a path does not exist.
    """
    gathered = Gathered(f"manifests/{cluster}", cluster)
    gathered.store()
    here = Here(gathered, namespace=namespace, vaults=vaults or {})
    tools = Toolbox(here, declared=references, infer=True)
    inventory = Inventory(gathered, namespace=namespace, readers=tools.pod_readers(), vaults=vaults)
    syncs = Syncs(gathered, vaults=vaults or {}, namespace=namespace)
    grants = Grants(gathered, namespace=namespace, live=False)
    problems: list[tuple[str, str, str]] = []

    def take(obj: Object) -> None:
        tools.add(obj)
        _ = syncs.add(obj) or grants.add(obj) or inventory.add(obj)

    owned = _Owned(cluster, namespace)
    for name, stream in _opened(paths, problems):
        problems += [(name, *said) for said in _read(stream, owned.begin(name, take))]
    tools.finish()
    inventory.finish()
    syncs.finish()
    grants.finish()
    owned.tell(gathered)
    for scope, reason, do_now in problems[:_NAMED_GAPS]:
        gathered.miss(scope, reason, do_now=do_now)
    if len(problems) > _NAMED_GAPS:
        more = counted(len(problems) - _NAMED_GAPS, "more file")
        gathered.miss(more, f"{len(problems)} files could not be read completely.")
    return gathered.observation()


class _Owned:
    """Remembers which objects stand in files that CODEOWNERS gives to somebody."""

    def __init__(self, cluster: str, namespace: str) -> None:
        self._cluster = cluster
        self._namespace = namespace
        self._files: dict[Path, CodeOwners | None] = {}  # by folder
        self._said: dict[Ref, tuple[Said, ...]] = {}

    def begin(self, name: str, take: Callable[[Object], None]) -> Callable[[Object], None]:
        """Ask for the owners of one file; return what takes its objects together with them."""
        said = self._owners(Path(name)) if name != _STANDARD_INPUT else ()
        if not said:
            return take

        def take_owned(obj: Object) -> None:
            take(obj)
            if name_of(obj):
                self._said[self._ref(obj)] = said

        return take_owned

    def tell(self, gathered: Gathered) -> None:
        for ref, said in self._said.items():
            if gathered.knows(ref):
                gathered.own(ref, said, said_by="codeowners")

    def _owners(self, file: Path) -> tuple[Said, ...]:
        folder = file.parent
        if folder not in self._files:
            self._files[folder] = codeowners_above(folder)
        found = self._files[folder]
        return found.of(file) if found else ()

    def _ref(self, obj: Object) -> Ref:
        kind = text(obj, "kind")
        home = "" if kind in _OF_THE_CLUSTER else namespace_of(obj) or self._namespace
        return refs.k8s(self._cluster, home, kind, name_of(obj))


def _read(stream: IO[bytes], take: Callable[[Object], None]) -> list[tuple[str, str]]:
    """Take every object of one file; return what is wrong with the file and what to do."""
    unreadable: list[Unreadable] = []
    wrong: list[str] = []
    doubled: list[Doubled] = []
    problems: list[tuple[str, str]] = []
    try:
        for found in objects_from(stream):
            if isinstance(found, Unreadable):
                unreadable.append(found)
            elif isinstance(found, Doubled):
                doubled.append(found)
            else:
                take(found)
                said = f"{text(found, 'kind')} {name_of(found)}".strip()
                wrong += [f"{said}: {field}" for field in wrong_shapes(found)]
    except UnicodeDecodeError:
        problems.append(("It is not text in UTF-8 or UTF-16.", ""))
    except OSError as error:
        problems.append((f"It cannot be read: {error.strerror or 'reading failed'}.", ""))
    if unreadable:
        problems.append(_explained(unreadable))
    if doubled:
        problems.append(_twice(doubled))
    if wrong:
        problems.append(_passed_over(wrong))
    return problems


def _opened(
    paths: Iterable[str | Path], problems: list[tuple[str, str, str]]
) -> Iterator[tuple[str, IO[bytes]]]:
    for path in paths:
        if str(path) == "-":
            yield _STANDARD_INPUT, sys.stdin.buffer
            continue
        for file in _files(Path(path)):
            try:
                with file.open("rb") as stream:
                    yield str(file), stream
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


def _twice(doubled: list[Doubled]) -> tuple[str, str]:
    lines = ", ".join(str(one.line) for one in doubled[:_SHOWN])
    return (
        f"{len(doubled)} key(s) stand twice in one map (line {lines}): the last one counts.",
        "Remove one of them: tools do not agree on which one holds.",
    )


def _passed_over(wrong: list[str]) -> tuple[str, str]:
    more = f" and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else ""
    named = f"{', '.join(wrong[:_SHOWN])}{more}"
    what = "Fields are missing or not of the type that Kubernetes has, and were passed over"
    return f"{what} ({named}).", "Correct the object."


def _explained(unreadable: list[Unreadable]) -> tuple[str, str]:
    lines = ", ".join(str(one.line) for one in unreadable[:_SHOWN])
    count = f"{len(unreadable)} document(s) could not be read (line {lines})"
    if all(one.templated for one in unreadable):
        return (
            f"{count}: they are templates.",
            "Give the output of `helm template` or of the tool that fills them in.",
        )
    return f"{count}: they are not valid YAML.", "Correct the file."
