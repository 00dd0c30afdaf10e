"""CODEOWNERS as GitHub reads it, and GitLab's sections: which lines count for a file."""

from pathlib import Path

import pytest

from graph.codeowners import CodeOwners, codeowners_above

SECTIONS = """
* @org/platform
/apps/ @org/apps

[Database][2] @dba ana@example.com
db/
db/special.sql @@maintainer @org/special
!db/generated/

^[Docs]
README.md
/docs/ @writers

[DATABASE]
/schema.sql
"""


@pytest.mark.parametrize(
    ("pattern", "fits", "does_not"),
    [
        ("*", ["a", "a/b/c.yaml"], []),
        ("*.js", ["a.js", "deep/er/a.js"], ["a.jsx", "a.js2"]),
        ("/build/logs/", ["build/logs/a", "build/logs/b/c"], ["x/build/logs/a", "build/logs"]),
        ("docs/*", ["docs/a.md"], ["docs/deep/a.md", "x/docs/a.md"]),
        ("apps/", ["apps/a", "x/apps/a"], ["apps", "myapps/a"]),
        ("/apps", ["apps/a", "apps", "apps/b/c"], ["x/apps/a", "apps2/a"]),
        ("**/logs", ["logs/a", "a/b/logs/c"], ["a/mylogs/c"]),
        ("a/**/z.yaml", ["a/z.yaml", "a/b/c/z.yaml"], ["b/a/z.yaml"]),
        ("file?.txt", ["file1.txt"], ["file12.txt", "file/.txt"]),
        ("a+b(c).yaml", ["a+b(c).yaml"], ["aab(c).yaml"]),
        ("/with\\ space.yaml", ["with space.yaml"], ["with"]),
    ],
)
def test_patterns_are_those_of_gitignore(
    tmp_path: Path, pattern: str, fits: list[str], does_not: list[str]
) -> None:
    found = CodeOwners(tmp_path.resolve(), f"{pattern} @org/team # why\n")
    assert [path for path in fits if not found.of(tmp_path / path)] == []
    assert [path for path in does_not if found.of(tmp_path / path)] == []


def test_the_last_line_counts_even_if_it_names_nobody(tmp_path: Path) -> None:
    text = "# comment\n* @org/all\n/apps/ @org/apps ana@example.com @lee\n/apps/free/\n!/apps/ @x\n"
    found = CodeOwners(tmp_path.resolve(), text)
    named = [one.owner for one in found.of(tmp_path / "apps/a")]
    assert named[0] == "team:apps"
    assert len(named) == 3
    assert found.of(tmp_path / "apps/free/a") == ()
    assert [one.owner for one in found.of(tmp_path / "else")] == ["team:all"]


def test_the_search_for_codeowners_ends_at_the_repository(tmp_path: Path) -> None:
    (tmp_path / "CODEOWNERS").write_text("* @org/outside\n")
    (tmp_path / "repo" / ".git").mkdir(parents=True)
    assert codeowners_above(tmp_path / "repo") is None
    assert codeowners_above(tmp_path) is not None


@pytest.mark.parametrize(
    ("file", "owners", "lines"),
    [
        ("tool.py", ["team:platform"], "line 2 (*)"),
        ("apps/api.yaml", ["team:apps"], "line 3 (/apps/)"),
        (
            "db/x.sql",
            ["team:platform", "team:dba", "person:ana@example.com"],
            "lines 2 (*), 6 (db/)",
        ),
        ("db/special.sql", ["team:platform", "team:special"], "lines 2 (*), 7 (db/special.sql)"),
        ("db/generated/x.sql", ["team:platform"], "line 2 (*)"),
        ("schema.sql", ["team:platform", "team:dba", "person:ana@example.com"], "15 (/schema.sql)"),
        ("README.md", ["team:platform"], "line 2 (*)"),
        ("docs/a.md", ["team:platform", "team:writers"], "lines 2 (*), 12 (/docs/)"),
    ],
)
def test_each_section_of_gitlab_is_asked_by_itself(
    tmp_path: Path, file: str, owners: list[str], lines: str
) -> None:
    found = CodeOwners(tmp_path.resolve(), SECTIONS).of(tmp_path / file)
    assert [str(one.owner) for one in found] == owners
    assert {one.how for one in found} == {found[0].how}, "one file, one voice: no conflict"
    assert found[0].how.startswith("CODEOWNERS line")
    assert found[0].how.endswith(lines)
