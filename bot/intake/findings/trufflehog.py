"""
TruffleHog 3 with `--json`: one object per line.

`Raw` is the value; for a pair (an AWS key id and its secret) `Raw` is the id and `RawV2` both
together: then what follows the id is tried first. Lines of its own log, which `2>&1` mixes in,
are left out.

Example::

    {"SourceMetadata": {"Data": {"Git": {"commit": "7f3c1d0a9b8e", "file": "config/prod.env", "email": "Ana <ana@example.com>", "repository": "https://git.example/acme/shop.git", "timestamp": "2026-11-20 09:00:00 +0000", "line": 3}}}, "SourceName": "trufflehog - git", "DetectorName": "AWS", "DecoderName": "PLAIN", "Verified": false, "Raw": "not-a-real-id-00000001", "RawV2": "not-a-real-id-00000001:not-a-real-value-0001", "Redacted": "not-a-real-id-00000001"}

Source: https://github.com/trufflesecurity/trufflehog, pkg/output/json.go and
pkg/pb/source_metadatapb (what each source says of the place).
"""  # noqa: E501 - one object per line is the format

import re
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
    person,
    words,
)
from bot.intake.json_reader import JsonReader, records

_ADDRESS = re.compile(r"<([^<>]+)>\s*$")


class TruffleHog(FindingFormat):
    name: ClassVar[str] = "trufflehog"
    title: ClassVar[str] = "TruffleHog JSON lines"

    @classmethod
    def fits(cls, shape: Shape) -> bool:
        log = {"level", "logger", "msg"} <= shape.keys and shape.top == "lines"
        return log or {"DetectorName", "SourceMetadata"} <= shape.keys

    def findings(self, reader: JsonReader) -> Iterator[Finding]:
        for record in records(reader):
            if "DetectorName" not in record:
                continue  # a line of its log
            data = part(record, "SourceMetadata", "Data")
            source = next((each for each in data.values() if isinstance(each, dict)), {})
            kind = words(record.get("DetectorName"))
            yield found(
                kind,
                f"{kind} ({'verified' if record.get('Verified') is True else 'not verified'})",
                _place(source),
                *_values(record.get("Raw"), record.get("RawV2")),
                seen_at=source.get("timestamp"),
                author=_author(words(source.get("email"))),
            )


def _values(raw: object, both: object) -> Iterator[object]:
    if isinstance(raw, str) and isinstance(both, str) and raw and both.startswith(raw):
        yield both[len(raw) :].lstrip(":")
    yield both
    yield raw


def _place(source: Mapping[str, Any]) -> Place:
    """Name the place: each kind of source (Git, Slack, S3, Docker …) says it in its own keys."""
    keys = ("file", "path", "layer", "page", "channel_name", "bucket", "title")
    link = words(source.get("link"))
    return Place(
        path=next((words(source.get(key)) for key in keys if source.get(key)), ""),
        line=number(source.get("line")),
        commit=words(source.get("commit"), 64),
        repository=words(source.get("repository")) or words(source.get("image")),
        url=link if link.startswith("http") else "",
    )


def _author(text: str) -> Any:
    address = _ADDRESS.search(text)
    return person(address[1], text[: address.start()].strip()) if address else person(text)
