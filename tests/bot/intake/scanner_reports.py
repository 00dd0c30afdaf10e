"""Reports as the scanners write them, with the values, places and authors that a test wants."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Spot:
    value: str
    path: str = "config/prod.env"
    line: int = 3
    rule: str = "acme-token"
    email: str = "dev@example.com"


def gitleaks(spots: Sequence[Spot]) -> str:
    return json.dumps(
        [
            {
                "RuleID": spot.rule,
                "Description": f"Found a {spot.rule}",
                "StartLine": spot.line,
                "Match": f"token = {spot.value}",
                "Secret": spot.value,
                "File": spot.path,
                "Commit": "7f3c1d0a9b8e4f50",
                "Author": "Dev",
                "Email": spot.email,
                "Date": "2026-11-20T09:00:00Z",
                "Message": f"put {spot.value} there",
            }
            for spot in spots
        ],
        indent=1,
    )


def trufflehog(spots: Sequence[Spot]) -> str:
    log = '{"level":"info-0","ts":"2026-11-20T09:00:00Z","logger":"trufflehog","msg":"running"}\n'
    return log + "".join(
        json.dumps(
            {
                "SourceMetadata": {
                    "Data": {
                        "Git": {
                            "commit": "7f3c1d0a9b8e4f50",
                            "file": spot.path,
                            "email": f"Dev <{spot.email}>",
                            "repository": "https://bot:hunter2hunter2hunter2@git.example/acme/shop",
                            "timestamp": "2026-11-20 09:00:00 +0000",
                            "line": spot.line,
                        }
                    }
                },
                "DetectorName": spot.rule,
                "Verified": False,
                "Raw": "AKIDNOTREAL",
                "RawV2": f"AKIDNOTREAL:{spot.value}",
            }
        )
        + "\n"
        for spot in spots
    )


def _kingfisher_one(spot: Spot) -> dict[str, object]:
    return {
        "rule": {"name": f"A {spot.rule}", "id": spot.rule},
        "finding": {
            "snippet": spot.value,
            "line": spot.line,
            "path": spot.path,
            "git_metadata": {
                "commit": {
                    "id": "7f3c1d0a9b8e4f50",
                    "date": "2026-11-20T09:00:00Z",
                    "committer": {"name": "Dev", "email": spot.email},
                }
            },
        },
    }


def kingfisher(spots: Sequence[Spot]) -> str:
    return json.dumps({"findings": [_kingfisher_one(spot) for spot in spots], "metadata": {}})


def kingfisher_lines(spots: Sequence[Spot]) -> str:
    return "".join(json.dumps(_kingfisher_one(spot)) + "\n" for spot in spots)


def kingfisher_old(spots: Sequence[Spot]) -> str:
    return json.dumps([{"id": s.rule, "matches": [_kingfisher_one(s)]} for s in spots])


def sarif(spots: Sequence[Spot]) -> str:
    return json.dumps(
        {
            "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
            "version": "2.1.0",
            "runs": [
                {
                    "tool": {"driver": {"name": "scanner", "rules": [{"id": "acme-token"}]}},
                    "results": [
                        {
                            "ruleId": spot.rule,
                            "message": {"text": f"{spot.rule} in {spot.path}"},
                            "locations": [
                                {
                                    "physicalLocation": {
                                        "artifactLocation": {"uri": spot.path},
                                        "region": {
                                            "startLine": spot.line,
                                            "snippet": {"text": spot.value},
                                        },
                                    }
                                }
                            ],
                            "partialFingerprints": {"email": spot.email},
                        }
                        for spot in spots
                    ],
                }
            ],
        }
    )


def generic(spots: Sequence[Spot]) -> str:
    return json.dumps(
        {
            "findings": [
                {
                    "value": spot.value,
                    "type": spot.rule,
                    "where": f"{spot.path}:{spot.line}",
                    "author": spot.email,
                }
                for spot in spots
            ]
        }
    )


def detect_secrets(spots: Sequence[Spot]) -> str:
    results: dict[str, list[dict[str, object]]] = {}
    for spot in spots:
        results.setdefault(spot.path, []).append(
            {
                "type": spot.rule,
                "filename": spot.path,
                "hashed_secret": spot.value,
                "is_verified": False,
                "line_number": spot.line,
            }
        )
    return json.dumps(
        {"version": "1.5.0", "plugins_used": [], "filters_used": [], "results": results}
    )


WITH_VALUES: dict[str, tuple[str, Callable[[Sequence[Spot]], str]]] = {
    "gitleaks": ("gitleaks", gitleaks),
    "trufflehog": ("trufflehog", trufflehog),
    "kingfisher": ("kingfisher", kingfisher),
    "kingfisher lines": ("kingfisher", kingfisher_lines),
    "kingfisher of old": ("kingfisher", kingfisher_old),
    "sarif": ("sarif", sarif),
    "generic": ("generic", generic),
}
