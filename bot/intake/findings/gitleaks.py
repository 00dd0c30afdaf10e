"""
Gitleaks (and betterleaks, its successor): a JSON list with one object per finding.

`--redact` writes REDACTED, `--redact=20` the beginning of the value and three dots: neither can be
matched, and a beginning is not taken for a value. `Match` and `Message` are never read: they hold
the value's surroundings. `Link` is there where gitleaks knows the repository's host.

Example::

    [
      {
        "RuleID": "generic-api-key",
        "Description": "Detected a Generic API Key",
        "StartLine": 3,
        "Match": "token = not-a-real-value-0001",
        "Secret": "not-a-real-value-0001",
        "File": "config/prod.env",
        "Commit": "7f3c1d0a9b8e4f5061728394a5b6c7d8e9f00112",
        "Link": "https://git.example/acme/shop/blob/7f3c1d0a/config/prod.env#L3",
        "Author": "Ana",
        "Email": "ana@example.com",
        "Date": "2026-11-20T09:00:00Z",
        "Fingerprint": "7f3c1d0a:config/prod.env:generic-api-key:3"
      }
    ]

Source: https://github.com/gitleaks/gitleaks, report/finding.go (fields, Redact, maskSecret).
"""

from collections.abc import Iterator
from typing import ClassVar

from bot.intake.finding import REDACTED, Finding, FindingFormat, Place, Shape, found, number, words
from bot.intake.finding import person as author_of
from bot.intake.json_reader import JsonReader, records


class Gitleaks(FindingFormat):
    name: ClassVar[str] = "gitleaks"
    title: ClassVar[str] = "Gitleaks JSON"

    @classmethod
    def fits(cls, shape: Shape) -> bool:
        return {"RuleID", "Secret"} <= shape.keys

    def findings(self, reader: JsonReader) -> Iterator[Finding]:
        for record in records(reader):
            secret = record.get("Secret")
            cut = isinstance(secret, str) and secret.endswith("...")  # what --redact=N leaves
            yield found(
                words(record.get("RuleID")),
                words(record.get("Description")),
                Place(
                    path=words(record.get("SymlinkFile")) or words(record.get("File")),
                    line=number(record.get("StartLine")),
                    commit=words(record.get("Commit"), 64),
                    url=words(record.get("Link")),
                ),
                "" if cut else secret,
                absent=REDACTED if cut else "",
                seen_at=record.get("Date"),
                author=author_of(record.get("Email"), record.get("Author")),
            )
