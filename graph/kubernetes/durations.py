"""Reads durations as Go writes them: `1h0m0s`, `90s`, `1.5h`. Pure."""

import re
from itertools import chain

from graph.fields import MOST

_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_DURATION = re.compile(r"([0-9.]+)(ms|us|µs|ns|h|m|s)")


def seconds(duration: str) -> int | None:
    """Read a Go duration such as `1h0m0s`; None where it is none."""
    if duration == "0":
        return 0
    parts = _DURATION.findall(duration)
    if not parts or "".join(chain.from_iterable(parts)) != duration:
        return None
    try:
        found = sum(float(amount) * _UNITS[unit] for amount, unit in parts)
    except ValueError:
        return None
    return round(found) if found <= MOST else None
