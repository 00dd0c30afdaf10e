"""kill -9 at every point of a run: the next process brings it to its end, with one effect each."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]

EFFECTS = [
    "rotate",
    "refresh k8s://prod/legacy/Secret/gateway",
    "refresh k8s://prod/payments/Secret/gateway",
    "restart 1",
    "restart 2",
    "restart 3",
    "revoke",
]


@pytest.mark.timeout(300)
def test_a_run_killed_at_any_point_resumes_and_repeats_nothing(tmp_path: Path) -> None:
    found = _played(tmp_path, "7")
    points = (tmp_path / "points.txt").read_text().split()
    assert len(points) >= 6 * len(EFFECTS) + 3
    assert {each["point"] for each in found} <= set(points)
    assert len(found) >= len(points) / 7  # a sample: `tests.crashes` sweeps real playbooks whole
    for each in found:
        assert each["effects"] == EFFECTS, each
        assert each["state"] == "verified", each
        assert set(each["steps"]) == {"confirmed"}, each
        assert each["audit"] == "intact", each
    # What was cut off between intent and verdict is taken up again, and says so.
    again = {each["point"]: each["again"] for each in found}
    assert again["rotate:receipt"] == 1
    assert again["rotate:intent"] == 0


@pytest.mark.timeout(300)
def test_a_run_killed_on_its_way_back_goes_back_all_the_way(tmp_path: Path) -> None:
    found = _played(tmp_path, "4", "back")
    points = (tmp_path / "points.txt").read_text().split()
    assert {"rotate:undo-receipt", "rotate:undo-verdict", "rotate:clear", "undone"} <= set(points)
    assert sum(":undo" in each["point"] for each in found) >= 5
    assert any(":clear" in each["point"] for each in found)
    for each in found:
        assert each["effects"] == [], each
        assert each["state"] == "stopped", each
        assert each["steps"] == ["undone"] * 5 + ["waiting"] * 2, each
        assert "Ended what rotate made." in each["next"], each
        assert each["audit"] == "intact", each


def _played(folder: Path, *how: str) -> list[dict[str, Any]]:
    driver = [sys.executable, "-m", "tests.responders.crashing", str(folder), *how]
    played = subprocess.run(driver, cwd=ROOT, capture_output=True, text=True, check=False)
    assert played.returncode == 0, played.stdout[-3000:] + played.stderr[-3000:]
    return [json.loads(line) for line in (folder / "result.jsonl").read_text().splitlines()]
