"""The docs name what the code has: members, settings, permissions, each key of the config."""

import json
import re
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Union, get_args, get_origin

import pytest
import yaml
from pydantic import BaseModel

from bot.settings import Config
from graph.collector import Collector
from graph.plugins import discover
from responders.pager import Pager
from responders.step import Step

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
COLLECTORS = discover(Collector, "graph.collectors")  # type: ignore[type-abstract]
STEPS = discover(Step, "responders.steps")  # type: ignore[type-abstract]
PAGERS = discover(Pager, "responders.pagers")  # type: ignore[type-abstract]
# Permissions that are said in words: the row names where they are configured, or who has them.
CONFIGURED = {
    "issuer": "`issuers.NAME`",
    "provider": "`providers.NAME`",
    "http": "`http.hosts`",
    "aws": "`aws.NAME`",
    "postgres": "`databases.NAME`",
    "backstage": "`catalogs.NAME`",
    "people": "`people`",
}
OF_PEOPLE = {"people", "issuer"}


def rows(page: str) -> dict[str, str]:
    """Give the rows of a page's table by their first cell."""
    lines = (DOCS / page).read_text().splitlines()
    found = [line for line in lines if line.startswith("| `")]
    return {line.split("`")[1]: line for line in found}


def named(rule: str) -> set[str]:
    """Give the paths, plurals and words that a permission's rule is about."""
    if rule.startswith("{"):
        return set(json.loads(rule)["Action"])
    if rule.startswith("path "):
        return {rule.split('"')[1]}
    listed = re.search(r"resources: \[([^\]]*)\]", rule)
    if listed:
        return {plural.strip(" \"'") for plural in listed[1].split(",")}
    said = re.search(r"\bon ([\w., -]+)", rule)
    return {plural.split(".")[0].strip() for plural in said[1].split(",")} if said else set()


@pytest.mark.parametrize(
    ("page", "members"),
    [("collectors.md", COLLECTORS), ("steps.md", STEPS), ("pagers.md", PAGERS)],
    ids=["collectors", "steps", "pagers"],
)
def test_each_member_has_a_row_and_no_row_is_left_over(page: str, members: dict[str, Any]) -> None:
    assert set(rows(page)) == set(members)


@pytest.mark.parametrize("name", [*STEPS, *PAGERS])
def test_each_setting_is_named(name: str) -> None:
    member: Any = STEPS.get(name) or PAGERS[name]
    row = (rows("steps.md") | rows("pagers.md"))[name]
    assert not [key for key in member.Settings.model_fields if f"`{key}`" not in row]


@pytest.mark.parametrize("name", [*COLLECTORS, *STEPS])
def test_each_permission_is_named(name: str) -> None:
    member: Any = COLLECTORS.get(name) or STEPS[name]
    row = (rows("collectors.md") | rows("steps.md"))[name]
    # `http_token.rotate` refers to the row of the step whose permissions it has as well.
    row += rows("steps.md").get("vault_kv.rotate", "") if "as `vault_kv.rotate`" in row else ""
    row += rows("steps.md")["workload_restart.restart"] if "as above" in row else ""
    for permission in member.permissions:
        if permission.where not in {"kubernetes", "vault"}:
            assert CONFIGURED[permission.where] in row, permission.rule
        if permission.where not in {"kubernetes", "vault", "aws"}:
            continue
        for thing in named(permission.rule):
            assert f"`{thing}`" in row, f"{thing} ({permission.rule})"


def keys(model: type[BaseModel], before: str = "") -> Iterator[str]:
    """Give every key of the configuration, as a path; names that people choose are left out."""
    for name, field in model.model_fields.items():
        yield f"{before}{name}"
        for part in parts(field.annotation):
            if isinstance(part, type) and issubclass(part, BaseModel):
                yield from keys(part, f"{before}{name}.")


def parts(annotation: Any) -> Iterator[Any]:
    if get_origin(annotation) in {dict, tuple, list, Union, types.UnionType}:
        for inner in get_args(annotation):
            yield from parts(inner)
    else:
        yield annotation


def test_each_key_of_the_configuration_is_in_the_example() -> None:
    example = (ROOT / "config.example.yaml").read_text()
    assert yaml.safe_load(example)
    said = set(re.findall(r"[\w]+", example))
    missing = {
        path
        for path in keys(Config)
        if not {path.split(".")[-1], f"{path.split('.')[-1]}_file"} & said
    }
    assert not missing


def test_links_of_the_docs_lead_somewhere() -> None:
    broken = []
    for page in [*ROOT.glob("*.md"), *DOCS.rglob("*.md")]:
        broken += [
            f"{page.name}: {target}"
            for target in re.findall(r"\]\(([^)#]+)", page.read_text())
            if not target.startswith("http") and not list(page.parent.glob(target))
        ]
    assert not broken
