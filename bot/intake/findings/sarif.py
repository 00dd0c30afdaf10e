"""
SARIF 2.1.0, which most scanners can write, and code hosts read.

The standard has no field for the value. Scanners of secrets put it (gitleaks, Kingfisher) or the
line around it into `region.snippet.text`: there it is looked for. Without a snippet there is no
value. One result may have several locations: each is a place.

Example::

    {
      "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
      "version": "2.1.0",
      "runs": [
        {
          "tool": {"driver": {"name": "gitleaks", "rules": [{"id": "generic-api-key"}]}},
          "results": [
            {
              "ruleId": "generic-api-key",
              "message": {"text": "generic-api-key has detected secret for file config/prod.env."},
              "locations": [
                {
                  "physicalLocation": {
                    "artifactLocation": {"uri": "config/prod.env"},
                    "region": {"startLine": 3, "snippet": {"text": "not-a-real-value-0001"}}
                  }
                }
              ],
              "partialFingerprints": {
                "commitSha": "7f3c1d0a9b8e",
                "email": "ana@example.com",
                "author": "Ana",
                "date": "2026-11-20T09:00:00Z"
              }
            }
          ]
        }
      ]
    }

Source: https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html, 3.27 and 3.30;
https://github.com/gitleaks/gitleaks, report/sarif.go.
"""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from bot.intake.finding import (
    REDACTED,
    Finding,
    FindingFormat,
    Place,
    Shape,
    found,
    number,
    part,
    parts,
    person,
    words,
)
from bot.intake.json_reader import JsonReader


class Sarif(FindingFormat):
    name: ClassVar[str] = "sarif"
    title: ClassVar[str] = "SARIF 2.1.0"

    @classmethod
    def fits(cls, shape: Shape) -> bool:
        return "runs" in shape.keys

    def findings(self, reader: JsonReader) -> Iterator[Finding]:
        for key in reader.members():
            if key != "runs" or reader.peek() != "[":
                continue
            for _ in reader.elements():
                if reader.peek() == "{":
                    yield from _run(reader)


def _run(reader: JsonReader) -> Iterator[Finding]:
    for key in reader.members():
        if key == "results" and reader.peek() == "[":
            for _ in reader.elements():
                result = reader.value()
                if isinstance(result, dict):
                    yield from _result(result)


def _result(result: Mapping[str, Any]) -> Iterator[Finding]:
    marks = part(result, "partialFingerprints")
    rule = words(result.get("ruleId")) or words(part(result, "rule").get("id"))
    for location in parts(result.get("locations")) or [{}]:
        physical = part(location, "physicalLocation")
        region = part(physical, "region")
        uri = words(part(physical, "artifactLocation").get("uri"))
        text = part(region, "snippet").get("text") or part(
            physical, "contextRegion", "snippet"
        ).get("text")
        cut = isinstance(text, str) and text.endswith("...")
        yield found(
            rule,
            rule,
            Place(
                path="" if "://" in uri else uri,
                line=number(region.get("startLine")),
                commit=words(marks.get("commitSha"), 64),
                url=uri if uri.startswith("http") else "",
            ),
            "" if cut else text,
            absent=REDACTED if cut else "",
            surrounded=True,
            seen_at=marks.get("date"),
            author=person(marks.get("email"), marks.get("author")),
        )
