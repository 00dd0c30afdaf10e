"""
detect-secrets: the baseline that `detect-secrets scan` writes.

It holds no value, only its SHA-1. Which stored secret that is could be told only while values
are read, by hashing each of them the same way: it is not matched here, and the hash is not kept,
because a weak value could be guessed from it. It tells equal values apart, and is keyed for that.

Example::

    {
      "version": "1.5.0",
      "plugins_used": [{"name": "AWSKeyDetector"}],
      "filters_used": [],
      "results": {
        "config/prod.env": [
          {
            "type": "Secret Keyword",
            "filename": "config/prod.env",
            "hashed_secret": "0000000000000000000000000000000000000000",
            "is_verified": false,
            "line_number": 3
          }
        ]
      },
      "generated_at": "2026-11-20T09:00:00Z"
    }

Source: https://github.com/Yelp/detect-secrets, docs/design.md and core/potential_secret.py.
"""

from collections.abc import Iterator
from typing import ClassVar

from bot.intake.finding import Finding, FindingFormat, Place, Shape, found, number, parts, words
from bot.intake.json_reader import JsonReader

HASHED = (
    "detect-secrets writes only a SHA-1 of the value, which cannot be matched; "
    "look into the file at that line."
)


class DetectSecrets(FindingFormat):
    name: ClassVar[str] = "detect-secrets"
    title: ClassVar[str] = "detect-secrets baseline"

    @classmethod
    def fits(cls, shape: Shape) -> bool:
        return {"results", "plugins_used"} <= shape.keys or {"results", "version"} <= shape.keys

    def findings(self, reader: JsonReader) -> Iterator[Finding]:
        for key in reader.members():
            if key != "results" or reader.peek() != "{":
                continue
            for path in reader.members():
                for record in parts(reader.value()):
                    if record.get("is_secret") is False:
                        continue  # a person audited it: a false alarm
                    yield found(
                        words(record.get("type")),
                        words(record.get("type")),
                        Place(
                            path=words(record.get("filename")) or words(path),
                            line=number(record.get("line_number")),
                        ),
                        absent=HASHED,
                        mark=words(record.get("hashed_secret"), 128),
                    )
