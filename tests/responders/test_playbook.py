"""Playbooks: what is accepted, what is refused with file and line, which one is chosen."""

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from graph.errors import BadInputError, NotFoundError
from responders.linting import lint
from responders.playbook import (
    Credential,
    Playbook,
    choose,
    find_playbooks,
    load_playbooks,
    parse_playbook,
)
from tests.responders.room import FALLBACK, PLAYBOOK, Write

ROOT = Path(__file__).parents[2]


def book(name: str, matches: str) -> Playbook:
    text = PLAYBOOK.replace("name: lines", f"name: {name}")
    return parse_playbook(text.replace("{stores: [vault_kv]}", matches), "x.yaml")


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ("title: A value", "titel: A value", 3, "titel"),
        ("use: lines.write, title", "uses: lines.write, title", 7, "steps.rotate.use"),
        ("phase: revoke,", "phase: later,", 13, "steps.revoke.phase"),
        ('"Wave {wave} of {waves}"', '"Wave {target}"', 11, "{target} is not a placeholder here"),
        ("rotate-first: [rotate,", "rotate-first: [rotte,", 15, "'rotte', which is not in steps"),
        ("rotate-first: [rotate,", "rotate-first: [rotate, rotate,", 15, "names a step twice"),
        ("{stores: [vault_kv]}", "{}", 4, "matches nothing"),
        ("owner: o,", "", 5, "answers.owner"),
        ("title: A value that", "title: [unclosed", 4, "expected"),
    ],
)
def test_a_bad_file_is_refused_with_its_line(old: str, new: str, line: int, words: str) -> None:
    with pytest.raises(BadInputError) as refused:
        parse_playbook(PLAYBOOK.replace(old, new, 1), "mine.yaml")
    assert words in refused.value.happened
    file, number, _ = refused.value.happened.split(":", 2)
    assert file == "mine.yaml"
    assert abs(int(number) - line) <= 1


def test_the_closest_playbook_is_chosen() -> None:
    books = [
        book("any-kv", "{stores: [vault_kv]}"),
        book("tokens", '{detectors: ["*token*"], stores: [vault_kv]}'),
        book("issuer", '{issuers: ["*"]}'),
        book("exact", "{issuers: [payments-api]}"),
        parse_playbook(FALLBACK, "x.yaml"),
    ]

    def chosen(detector: str, store: str, issuer: str = "") -> str:
        return choose(books, Credential(detector, store, issuer)).name  # type: ignore[arg-type]

    assert chosen("generic", "vault_kv") == "any-kv"
    assert chosen("api_token", "vault_kv") == "tokens"
    assert chosen("api_token", "vault_kv", "other") == "issuer"
    assert chosen("generic", "vault_kv", "payments-api") == "exact"
    assert chosen("generic", "unknown") == "by-hand"
    with pytest.raises(NotFoundError, match="No playbook fits"):
        choose(books[:1], Credential("generic", "unknown"))


def test_an_unknown_credential_gets_the_playbook_of_its_type_if_there_is_one() -> None:
    books = [
        book("github", '{detectors: ["github-*"]}'),
        book("manual", "{fallback: true}"),
        book("stored", '{detectors: ["github-*"], stores: [vault_kv]}'),
    ]
    assert choose(books, Credential("github-pat", "unknown")).name == "github"
    assert choose(books, Credential("github-pat", "vault_kv")).name == "stored"
    assert choose(books, Credential("generic", "unknown")).name == "manual"


def test_a_users_folder_overrides_by_name(tmp_path: Path) -> None:
    own, users = tmp_path / "own", tmp_path / "users"
    for folder in (own, users):
        folder.mkdir()
    (own / "a.yaml").write_text(PLAYBOOK)
    (own / "b.yaml").write_text(FALLBACK)
    (users / "mine.yaml").write_text(PLAYBOOK.replace("A value that tests", "Mine"))
    books = load_playbooks(users, own)
    assert set(books) == {"lines", "by-hand"}
    assert books["lines"].title.startswith("Mine")
    with pytest.raises(BadInputError, match="does not exist"):
        load_playbooks(tmp_path / "none", own)
    (users / "twice.yaml").write_text(PLAYBOOK)
    with pytest.raises(BadInputError, match="a second playbook"):
        load_playbooks(users, own)


def test_our_own_playbooks_load_and_one_is_the_fallback() -> None:
    books = load_playbooks()
    assert any(each.matches.fallback for each in books.values())


def test_the_lint_names_every_fault_with_its_line() -> None:
    text = (
        PLAYBOOK.replace("rotate: {use: lines.write", "rotate: {use: lines.wrte")
        .replace("line: revoke,", "lines: revoke,")
        .replace("refresh, restart, revoke]", "refresh, revoke, restart]")
    )
    faults = lint(text, "mine.yaml", {"lines.write": Write})
    lines = text.splitlines()
    said = [(lines[fault.line - 1].split()[0], fault.message) for fault in faults]
    assert said[0][0] == "rotate:"
    assert "there is no step lines.wrte" in said[0][1]
    assert said[-1][0] == "rotate-first:"
    assert "lines: Extra inputs" in str(said)
    assert "line: Field required" in str(said)
    assert "revokes before every consumer has moved" in str(said)
    assert lint(PLAYBOOK, "mine.yaml", {"lines.write": Write}) == ()


def test_a_file_that_is_no_playbook_is_one_fault_with_its_line() -> None:
    (fault,) = lint(PLAYBOOK.replace("phase: revoke,", "phase: later,"), "/a/b.yaml", {})
    assert (fault.file, fault.line) == ("/a/b.yaml", 13)
    assert fault.message.startswith("steps.revoke.phase: ")


def test_the_schema_is_the_one_in_the_docs_and_fits_what_we_ship() -> None:
    schema = json.loads((ROOT / "docs" / "playbook.schema.json").read_text())
    assert schema == json.loads(json.dumps(Playbook.model_json_schema(by_alias=True)))
    for found in find_playbooks().values():
        jsonschema.validate(yaml.safe_load(found.file.read_text()), schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(yaml.safe_load(PLAYBOOK.replace("title: A", "titel: A")), schema)
