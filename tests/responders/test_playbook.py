"""Playbooks: what is accepted, what is refused with file and line, which one is chosen."""

from pathlib import Path

import pytest

from graph.errors import BadInputError, NotFoundError
from responders.playbook import Credential, Playbook, choose, load_playbooks, parse_playbook
from tests.responders.room import FALLBACK, PLAYBOOK


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
