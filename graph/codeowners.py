"""
CODEOWNERS: which team answers for a file of a repository. Pure, but for finding the file.

The last line whose pattern fits counts, even if it names nobody. Patterns are like those of
.gitignore: `/` at the start or in the middle ties them to the root, `*` stays inside a folder,
`**` does not, a folder means all below it. `!` and `[ ]` have no meaning there.

GitLab has sections, `[Database] @dba`: each is asked by itself and all that answer own the file; a
line that names nobody has the owners of its heading, and `!pattern` takes files out of its section.
Source: https://docs.github.com/en/repositories/managing-your-repositorys-settings-and-features/customizing-your-repository/about-code-owners
and https://docs.gitlab.com/user/project/codeowners/reference
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from graph import refs
from graph.owners import Said
from graph.refs import Ref

_PLACES = (".github", "", "docs", ".gitlab")  # in the order in which they are looked for
_LARGEST = 3 * 1024 * 1024  # bytes; GitHub reads no larger one either
_HEADING = re.compile(r"^\^?\[(?P<name>[^\]]+)\](?:\[\d+\])?(?P<owners>(?:\s.*)?)$")


@dataclass(frozen=True, slots=True)
class CodeOwner:
    """One line: the compiled pattern, whom it names, and where it stands."""

    pattern: str
    fits: re.Pattern[str]
    owners: tuple[Ref, ...]
    line: int


@dataclass(slots=True)
class _Section:
    """The lines below one heading; what stands before the first one is a section as well."""

    owners: tuple[Ref, ...] = ()
    lines: list[CodeOwner] = field(default_factory=list)
    left_out: list[re.Pattern[str]] = field(default_factory=list)

    def line_of(self, path: str) -> CodeOwner | None:
        if any(pattern.fullmatch(path) for pattern in self.left_out):
            return None
        return next((one for one in reversed(self.lines) if one.fits.fullmatch(path)), None)


class CodeOwners:
    """One CODEOWNERS file; `root` is the folder that its patterns are about."""

    def __init__(self, root: Path, text: str) -> None:
        self.root = root
        self._sections = tuple(_sections(text))

    def of(self, file: Path) -> tuple[Said, ...]:
        """Return who owns a file below the root: all that the lines that count name."""
        path = file.resolve().relative_to(self.root).as_posix()
        found = [line for each in self._sections if (line := each.line_of(path)) and line.owners]
        places = ", ".join(f"{line.line} ({line.pattern})" for line in found)
        how = f"CODEOWNERS line{'' if len(found) == 1 else 's'} {places}"
        owners = dict.fromkeys(owner for line in found for owner in line.owners)
        return tuple(Said(owner, how) for owner in owners)


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


def _sections(text: str) -> Iterator[_Section]:
    """Read the lines; headings of one name, in whatever case, are one section."""
    known = {"": _Section()}
    section, gitlab = known[""], any(_HEADING.match(line) for line in text.splitlines())
    for number, line in enumerate(text.splitlines(), start=1):
        bare = re.sub(r"(^|\s)#.*", "", line).strip()
        if heading := _HEADING.match(bare):
            section = known.setdefault(heading["name"].strip().lower(), _Section())
            section.owners = _owners(heading["owners"].split(), gitlab=True) or section.owners
            continue
        if not bare:
            continue
        pattern, *names = re.split(r"(?<!\\)\s+", bare)
        pattern = pattern.replace("\\ ", " ")
        if pattern.startswith("!"):
            if gitlab:
                section.left_out.append(re.compile(_expression(pattern[1:])))
            continue
        owners = _owners(names, gitlab=gitlab) or section.owners
        section.lines.append(CodeOwner(pattern, re.compile(_expression(pattern)), owners, number))
    yield from known.values()


def _owners(names: list[str], *, gitlab: bool) -> tuple[Ref, ...]:
    return tuple(filter(None, (_owner(name, gitlab=gitlab) for name in names)))


def _owner(name: str, *, gitlab: bool) -> Ref | None:
    """
    Read `@org/team`, `@person` or an e-mail address; roles of GitLab (`@@…`) name nobody.

    `@name` is a person at GitHub. At GitLab it may be a group as well, and groups own code.
    """
    if name.startswith("@@"):
        return None
    if name.startswith("@"):
        _, slash, team = name[1:].rpartition("/")
        return refs.team(team) if slash or gitlab else refs.person(name[1:])
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
