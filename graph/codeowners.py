"""
CODEOWNERS: which team answers for a file of a repository. Pure, but for finding the file.

The last line whose pattern fits counts, even if it names nobody. Patterns are like those of
.gitignore: `/` at the start or in the middle ties them to the root, `*` stays inside a folder,
`**` does not, a folder means all below it. `!` and `[ ]` have no meaning there.
Source: https://docs.github.com/en/repositories/managing-your-repositorys-settings-and-features/customizing-your-repository/about-code-owners
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from graph import refs
from graph.owners import Said
from graph.refs import Ref

_PLACES = (".github", "", "docs", ".gitlab")  # in the order in which they are looked for
_LARGEST = 3 * 1024 * 1024  # bytes; GitHub reads no larger one either
_SECTION = re.compile(r"^\^?\[[^\]]+\](\[\d+\])?")  # GitLab's headings; their owners are not read


@dataclass(frozen=True, slots=True)
class CodeOwner:
    """One line: the compiled pattern, whom it names, and where it stands."""

    pattern: str
    fits: re.Pattern[str]
    owners: tuple[Ref, ...]
    line: int


class CodeOwners:
    """One CODEOWNERS file; `root` is the folder that its patterns are about."""

    def __init__(self, root: Path, text: str) -> None:
        self.root = root
        self._lines = tuple(_lines(text))

    def of(self, file: Path) -> tuple[Said, ...]:
        """Return who owns a file below the root: several where a line names several."""
        path = file.resolve().relative_to(self.root).as_posix()
        for one in reversed(self._lines):
            if one.fits.fullmatch(path):
                how = f"CODEOWNERS line {one.line} ({one.pattern})"
                return tuple(Said(owner, how) for owner in one.owners)
        return ()


def codeowners_above(path: Path) -> CodeOwners | None:
    """Find the CODEOWNERS of the repository that a file or folder lies in; None: there is none."""
    start = path.resolve()
    for folder in (start, *start.parents):
        for place in _PLACES:
            file = folder / place / "CODEOWNERS"
            if file.is_file() and file.stat().st_size <= _LARGEST:
                return CodeOwners(folder, file.read_text(encoding="utf-8", errors="replace"))
        if (folder / ".git").exists():
            return None
    return None


def _lines(text: str) -> Iterator[CodeOwner]:
    for number, line in enumerate(text.splitlines(), start=1):
        bare = re.sub(r"(^|\s)#.*", "", line).strip()
        if not bare or _SECTION.match(bare):
            continue
        pattern, *names = re.split(r"(?<!\\)\s+", bare)
        pattern = pattern.replace("\\ ", " ")
        if pattern.startswith("!"):
            continue
        owners = tuple(filter(None, map(_owner, names)))
        yield CodeOwner(pattern, re.compile(_expression(pattern)), owners, number)


def _owner(name: str) -> Ref | None:
    """Read `@org/team`, `@person` or an e-mail address; roles of GitLab (`@@…`) name nobody."""
    if name.startswith("@@"):
        return None
    if name.startswith("@"):
        _, slash, team = name[1:].rpartition("/")
        return refs.team(team) if slash else refs.person(name[1:])
    return refs.person(name) if "@" in name else None


def _expression(pattern: str) -> str:
    tied = "/" in pattern.rstrip("/")
    parts = pattern.strip("/").split("/")
    found = "" if tied else "(?:.*/)?"
    for place, part in enumerate(parts):
        last = place == len(parts) - 1
        if part == "**":
            found += ".*" if last else "(?:.*/)?"
            continue
        found += "".join({"*": "[^/]*", "?": "[^/]"}.get(each, re.escape(each)) for each in part)
        found += "" if last else "/"
    if parts[-1] == "**":
        return found
    if pattern.endswith("/"):
        return f"{found}/.*"
    # `docs/*` means the files of docs and not what lies deeper; a plain name may be a folder.
    return found if parts[-1] == "*" and tied else f"{found}(?:/.*)?"
