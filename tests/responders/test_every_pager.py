"""The rules that hold for every pager: named, documented, silent about secrets, never raising."""

import importlib
import inspect
import re
from typing import Any

import pytest
import yaml

from graph.plugins import discover
from responders.pager import AnyPager, Pager, PagerSettings
from tests.responders.pagers.a_page import PAGE

PAGERS = discover(Pager, "responders.pagers")
every_pager = pytest.mark.parametrize("name", sorted(PAGERS))


def documentation(name: str) -> str:
    return inspect.getdoc(importlib.import_module(PAGERS[name].__module__)) or ""


def example(name: str) -> dict[str, Any]:
    found = re.search(r"Example::\n\n((?:[ ]{4}.*\n|\n)+)", documentation(name))
    assert found, f"{name} has no Example::"
    loaded: dict[str, Any] = yaml.safe_load(inspect.cleandoc("\n" + found[1]))
    return loaded


def settings(name: str, **more: object) -> PagerSettings:
    given = {key: value for key, value in example(name).items() if key != "kind"}
    made = PAGERS[name].Settings.model_validate({**given, **more})
    assert isinstance(made, PagerSettings)
    return made


@every_pager
def test_the_name_fits_the_module(name: str) -> None:
    assert PAGERS[name].__module__ == f"responders.pagers.{name}"
    assert example(name)["kind"] == name


@every_pager
def test_the_example_validates_an_unknown_key_does_not_and_a_source_is_cited(name: str) -> None:
    assert type(settings(name)) is PAGERS[name].Settings
    with pytest.raises(ValueError, match="extra"):
        settings(name, no_such_key=1)
    assert "\nSource: " in documentation(name)


@every_pager
def test_an_unreachable_route_is_an_unconfirmed_page_and_no_exception(name: str) -> None:
    dead = {"url": "http://127.0.0.1:9/x", "base_url": "http://127.0.0.1:9/api/"}
    fields = PAGERS[name].Settings.model_fields
    given = settings(name, **{key: value for key, value in dead.items() if key in fields})
    pager: AnyPager = PAGERS[name](given)
    for answer in (pager.page(PAGE), pager.resolve(PAGE)):
        assert not answer.confirmed
        assert re.match(r"[A-Za-z0-9].+\.$", answer.sentence)


@every_pager
def test_the_secrets_of_its_settings_are_not_printed(name: str) -> None:
    given = settings(name)
    for field, value in given:
        if hasattr(value, "get_secret_value"):
            assert value.get_secret_value() not in repr(given), field
