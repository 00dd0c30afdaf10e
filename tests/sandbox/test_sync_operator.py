"""When the stand-in copies is a pure question; that it copies is asked in test_world.py."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bot.sandbox.sync_operator import DATA_HASH, data_hash, is_due, seconds_of, synced_version

_NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def _external_secret(*, age: timedelta = timedelta(minutes=5), **spec: Any) -> dict[str, Any]:
    found: dict[str, Any] = {
        "metadata": {"name": "a", "namespace": "n", "generation": 1},
        "spec": {"refreshInterval": "1h", **spec},
    }
    found["status"] = {
        "refreshTime": (_NOW - age).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "syncedResourceVersion": synced_version(found),
    }
    return found


def _target() -> dict[str, Any]:
    data = {"key": "dGV4dA=="}
    return {"metadata": {"annotations": {DATA_HASH: data_hash(data)}}, "data": data}


def test_a_new_one_is_copied() -> None:
    found = _external_secret()
    del found["status"]
    assert is_due(found, None, now=_NOW)


def test_a_copied_one_rests_until_its_interval_has_passed() -> None:
    assert not is_due(_external_secret(age=timedelta(minutes=59)), _target(), now=_NOW)
    assert is_due(_external_secret(age=timedelta(minutes=61)), _target(), now=_NOW)


@pytest.mark.parametrize("where", ["labels", "annotations"])
def test_any_label_or_annotation_forces_a_copy(where: str) -> None:
    found = _external_secret()
    found["metadata"][where] = {"anything": "at all"}
    assert is_due(found, _target(), now=_NOW)


def test_a_missing_or_edited_target_is_copied_again() -> None:
    edited = _target()
    edited["data"] = {"key": "ZWRpdGVk"}
    assert is_due(_external_secret(), None, now=_NOW)
    assert is_due(_external_secret(), edited, now=_NOW)


@pytest.mark.parametrize("spec", [{"refreshPolicy": "CreatedOnce"}, {"refreshInterval": "0"}])
def test_an_annotation_does_nothing_where_the_policy_is_to_copy_once(
    spec: dict[str, str],
) -> None:
    found = _external_secret(age=timedelta(days=9), **spec)
    found["metadata"]["annotations"] = {"force-sync": "now"}
    assert not is_due(found, _target(), now=_NOW)


def test_an_orphan_is_always_valid_even_when_gone() -> None:
    found = _external_secret(target={"creationPolicy": "Orphan"})
    assert not is_due(found, None, now=_NOW)


@pytest.mark.parametrize(
    ("text", "seconds"), [("1h0m0s", 3600), ("30s", 30), ("1h30m", 5400), ("0", 0), ("500ms", 0.5)]
)
def test_durations_are_read_as_go_writes_them(text: str, seconds: float) -> None:
    assert seconds_of(text) == seconds
