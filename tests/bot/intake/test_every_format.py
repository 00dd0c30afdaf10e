"""The rules that hold for every format of scanners' reports, and what each does with odd ones."""

import importlib
import inspect
import io
import json
import re
from collections.abc import Callable, Sequence

import pytest

from bot.intake.finding import REDACTED, Finding, FindingFormat
from bot.intake.scan_report import open_report
from graph.errors import BadInputError
from graph.plugins import discover
from tests.bot.intake.scanner_reports import WITH_VALUES, Spot, detect_secrets, gitleaks, kingfisher

FORMATS = discover(FindingFormat, "bot.intake.findings")
every_format = pytest.mark.parametrize("name", sorted(FORMATS))
VALUE = "not-a-real-value-0001"


def documentation(name: str) -> str:
    return inspect.getdoc(importlib.import_module(FORMATS[name].__module__)) or ""


def example(name: str) -> str:
    found = re.search(r"Example::\n\n((?:[ ]{4}.*\n|\n)+)", documentation(name))
    assert found, f"{name} has no Example::"
    return inspect.cleandoc("\n" + found[1])


def read(text: str | bytes, *, format_name: str = "auto") -> tuple[str, list[Finding]]:
    content = text.encode() if isinstance(text, str) else text
    report = open_report(io.BytesIO(content), "scan.json", format_name=format_name)
    return report.format.name, list(report.findings())


def values(finding: Finding) -> list[str]:
    return [value.reveal() for value in finding.values]


@every_format
def test_the_name_fits_the_module_and_a_source_is_cited(name: str) -> None:
    assert FORMATS[name].__module__ == f"bot.intake.findings.{name.replace('-', '_')}"
    assert "\nSource: " in documentation(name)


@every_format
def test_the_example_is_recognised_by_its_shape_and_read(name: str) -> None:
    recognised, (finding,) = read(example(name))
    assert recognised == name
    assert finding.rule != "unknown"
    assert finding.place.where()
    assert finding.values or finding.absent
    assert VALUE not in repr(finding)


@every_format
def test_the_example_under_another_formats_name_is_refused(name: str) -> None:
    for other in FORMATS.keys() - {name}:
        with pytest.raises(BadInputError, match=f"a report of {name}, not {other}"):
            read(example(name), format_name=other)


@every_format
def test_a_report_cut_off_anywhere_says_where_and_shows_nothing(name: str) -> None:
    whole = example(name)
    for end in range(1, len(whole) - 2, 7):
        with pytest.raises(BadInputError, match=r"scan\.json") as refused:
            read(whole[:end], format_name=name)
        assert VALUE[:8] not in str(refused.value)
        assert refused.value.__cause__ is None


@every_format
def test_fields_of_other_types_are_no_crash(name: str) -> None:
    def spoiled(value: object, wrong: object) -> object:
        if isinstance(value, dict):
            return {key: spoiled(below, wrong) for key, below in value.items()}
        if isinstance(value, list):
            return [spoiled(below, wrong) for below in value]
        return wrong

    whole = json.loads(example(name))
    for wrong in (None, 7, -1, 1e300, True, [], {}, "", "\x00\ud800", "9" * 400, "0001-01-01"):
        for finding in read(json.dumps(spoiled(whole, wrong)), format_name=name)[1]:
            assert finding.rule
            assert "\x00" not in finding.place.where()
            finding.place.where().encode()


@pytest.mark.parametrize("name", WITH_VALUES)
def test_value_place_and_author_are_read_from_what_the_scanner_writes(name: str) -> None:
    recognised, write = WITH_VALUES[name]
    spots = [Spot("pgw_live_0123456789abcdef"), Spot("other-value-77", path="a b/ü.py", line=9)]
    found, findings = read(write(spots))
    assert found == recognised
    assert [values(each)[0] for each in findings] == [spot.value for spot in spots]
    for finding, spot in zip(findings, spots, strict=True):
        assert spot.path in finding.place.where()
        assert str(spot.line) in finding.place.where()
        assert finding.author is not None
        assert finding.author.identity == "dev@example.com"
        assert spot.value not in repr(finding)


def test_of_a_pair_the_secret_is_tried_before_its_id() -> None:
    _, (finding,) = read(WITH_VALUES["trufflehog"][1]([Spot("the-secret-half")]))
    assert values(finding) == ["the-secret-half", "AKIDNOTREAL:the-secret-half", "AKIDNOTREAL"]


def test_credentials_in_an_address_are_left_out() -> None:
    _, (finding,) = read(WITH_VALUES["trufflehog"][1]([Spot("the-secret-half")]))
    assert finding.place.repository == "https://git.example/acme/shop"


@pytest.mark.parametrize(
    ("write", "redacted"),
    [
        (gitleaks, "REDACTED"),
        (gitleaks, "pgw_li..."),
        (kingfisher, "[REDACTED:7f3c1d0a]"),
        (gitleaks, "****************"),
    ],
)
def test_a_redacted_value_is_no_value(
    write: Callable[[Sequence[Spot]], str], redacted: str
) -> None:
    _, (finding,) = read(write([Spot(redacted)]))
    assert finding.values == ()
    assert finding.absent == REDACTED


def test_a_baseline_says_that_a_hash_cannot_be_matched_and_leaves_out_what_was_audited() -> None:
    baseline = json.loads(detect_secrets([Spot("ab" * 20), Spot("cd" * 20, line=4)]))
    baseline["results"]["config/prod.env"][1]["is_secret"] = False
    _, (finding,) = read(json.dumps(baseline))
    assert finding.values == ()
    assert "SHA-1" in finding.absent
    assert "abab" not in repr(finding)


def test_the_value_is_taken_out_of_the_words_around_it() -> None:
    value = "pgw_live_0123456789abcdef"
    _, (finding,) = read(gitleaks([Spot(value, path=f"keys/{value}.pem", rule=f"rule {value}")]))
    assert value not in finding.place.where() + finding.rule + finding.rule_name
    assert "[value removed]" in finding.place.where()


@pytest.mark.parametrize(
    "text", ["[]", " null\n", '{"findings": []}', '{"runs": [{"results": []}]}']
)
def test_a_report_without_findings_is_fine(text: str) -> None:
    assert read(text)[1] == []


def test_utf16_with_its_mark_is_read_as_powershell_writes_it() -> None:
    text = gitleaks([Spot("pgw_live_0123456789abcdef")])
    assert values(read(text.encode("utf-16"))[1][0]) == ["pgw_live_0123456789abcdef"]
    assert values(read(b"\xef\xbb\xbf" + text.encode())[1][0]) == ["pgw_live_0123456789abcdef"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"\x1f\x8b\x08\x00rest", "compressed (gzip)"),
        (b"PK\x03\x04rest", "compressed (zip)"),
        (b"Leaks found: 3", "anything but JSON"),
        (b"\0\0\0\0", "anything but JSON"),
        (b'{"hello": "world"}', "none of the known formats"),
        (b"7", "anything but JSON"),
        (b'[{"RuleID": "a", "Secret": "b"}, 7]', "something else than a finding"),
        (b'[{"RuleID": "a", "Secret": "b"} {', "line 1: “,” should stand there"),
        (b'[\n{"RuleID": "a", "Secret": "x\0y"}\n]', "NUL characters"),
        (b'[{"RuleID": "a", "Secret": "b"},\n{"RuleID": "a", "Secret": "my-secret', "line 2"),
        (b'[{"RuleID":"a","Secret":"b","x":' + b"[" * 100_000, "nested too deeply"),
        (b'[{"RuleID":"a","Secret":"b","x":' + b"9" * 9000 + b"}]", "thousands of digits"),
    ],
)
def test_what_cannot_be_read_says_why_and_where(content: bytes, words: str) -> None:
    with pytest.raises(BadInputError) as refused:
        read(content)
    assert words in refused.value.happened
    assert "my-secret" not in str(refused.value)
    assert refused.value.do_now


def test_an_unknown_format_names_the_known_ones() -> None:
    with pytest.raises(BadInputError, match="no format “nosey”") as refused:
        read("[]", format_name="nosey")
    assert all(name in refused.value.do_now for name in FORMATS)
