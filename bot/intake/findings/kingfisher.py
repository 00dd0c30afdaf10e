"""
Kingfisher: `--format json` (a list, or an object with `findings`) and `--format jsonl`.

Older versions wrap each finding in `{"id": …, "matches": [ … ]}`. `--redact` writes
`[REDACTED:HASH]` for the value; the hash names nothing that is stored here.

Example::

    {
      "findings": [
        {
          "rule": {"name": "Generic API Key", "id": "kingfisher.generic.1"},
          "finding": {
            "snippet": "not-a-real-value-0001",
            "fingerprint": "1234567890",
            "confidence": "medium",
            "validation": {"status": "Not Attempted", "response": ""},
            "line": 3,
            "path": "config/prod.env",
            "git_metadata": {
              "repository_url": "https://git.example/acme/shop",
              "commit": {
                "id": "7f3c1d0a9b8e",
                "date": "2026-11-20T09:00:00Z",
                "committer": {"name": "Ana", "email": "ana@example.com"}
              },
              "file": {"path": "config/prod.env", "url": "https://git.example/acme/shop/blob/7f3c1d0a/config/prod.env#L3"}
            }
          }
        }
      ]
    }

Source: https://github.com/mongodb/kingfisher, src/reporter.rs (FindingReporterRecord),
src/reporter/json_format.rs, src/util.rs (redact_value).
"""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from bot.intake.finding import (
    Finding,
    FindingFormat,
    Place,
    Shape,
    found,
    number,
    part,
    parts,
    person,
    shape_of,
    words,
)
from bot.intake.json_reader import JsonReader, records

_ONE = {"rule", "finding"}
_WRAPPED = {"id", "matches"}


class Kingfisher(FindingFormat):
    name: ClassVar[str] = "kingfisher"
    title: ClassVar[str] = "Kingfisher JSON or JSON lines"

    @classmethod
    def fits(cls, shape: Shape) -> bool:
        return any(
            wanted <= keys for wanted in (_ONE, _WRAPPED) for keys in (shape.keys, shape.inner)
        )

    def findings(self, reader: JsonReader) -> Iterator[Finding]:
        # JSON lines are objects too, each a finding by itself: what has no list is one.
        wrapped = "findings" in shape_of(reader.head()).keys
        for record in records(reader, "findings") if wrapped else records(reader):
            for each in parts(record.get("matches")) or [record]:
                if "finding" in each:
                    yield _finding(each)


def _finding(record: Mapping[str, Any]) -> Finding:
    rule, said = part(record, "rule"), part(record, "finding")
    git = part(said, "git_metadata")
    commit = part(git, "commit")
    committer = part(commit, "committer")
    return found(
        words(rule.get("id")),
        words(rule.get("name")),
        Place(
            path=words(part(git, "file").get("path")) or words(said.get("path")),
            line=number(said.get("line")),
            commit=words(commit.get("id"), 64),
            repository=words(git.get("repository_url")),
            url=words(part(git, "file").get("url")),
        ),
        said.get("snippet"),
        seen_at=commit.get("date"),
        author=person(committer.get("email"), committer.get("name")),
    )
