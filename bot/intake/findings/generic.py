"""
Locksmith's own format, for scripts: a list, JSON lines, `{"findings": [ … ]}`, or one object.

Everything but one of `value` and `where` may be left out. `where` is a link or words; `seen_at` is
ISO 8601; `id` names the credential at its detector: findings with one `id` are one credential,
with or without the value.

Example::

    {
      "findings": [
        {
          "value": "not-a-real-value-0001",
          "type": "generic-api-key",
          "type_name": "Key of the payment gateway",
          "where": "https://wiki.example/page/42",
          "note": "Found by the nightly scan of the wiki.",
          "seen_at": "2026-11-20T09:00:00Z",
          "author": "ana@example.com",
          "id": "wiki-scan-42"
        }
      ]
    }

Source: this file; docs/intake.md describes it for those who write it.
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
    person,
    shape_of,
    words,
)
from bot.intake.json_reader import JsonReader, records

_NEEDED = {"value", "where"}


class Generic(FindingFormat):
    name: ClassVar[str] = "generic"
    title: ClassVar[str] = "Locksmith's own JSON"

    @classmethod
    def fits(cls, shape: Shape) -> bool:
        return bool(_NEEDED & shape.keys) or bool(_NEEDED & shape.inner)

    def findings(self, reader: JsonReader) -> Iterator[Finding]:
        wrapped = "findings" in shape_of(reader.head()).keys
        for record in records(reader, "findings") if wrapped else records(reader):
            yield finding_of(record)


def finding_of(record: Mapping[str, Any]) -> Finding:
    """Read one object of the format."""
    where = words(record.get("where"))
    url = where if where.startswith(("http://", "https://")) else ""
    return found(
        words(record.get("type")) or "generic",
        words(record.get("type_name")) or words(record.get("type")) or "Unknown credential",
        Place(
            path=words(record.get("path")) or ("" if url else where),
            line=number(record.get("line")),
            commit=words(record.get("commit"), 64),
            repository=words(record.get("repository")),
            url=url,
        ),
        record.get("value"),
        alert=words(record.get("id")),
        note=words(record.get("note")),
        seen_at=record.get("seen_at"),
        author=person(record.get("author")),
    )
