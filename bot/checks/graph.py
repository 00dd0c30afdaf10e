"""Checks how fresh each part of the graph is: what is stale, since when and why."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from bot.checks.finding import Checked, Outcome
from graph.repository import GraphRepository


def check_graph(repository: GraphRepository, *, now: datetime) -> Iterator[Checked]:
    """Report each source that was ever collected."""
    gaps = repository.snapshot().gaps
    for source in repository.sources():
        connection = f"graph {source.name}"
        if source.stale_since is None:
            seen = f"{source.nodes} nodes, {source.edges} edges"
            yield Checked(
                connection,
                "fresh",
                Outcome.OK,
                f"{seen}, as of {_duration(now - source.last_attempt)} ago",
            )
            continue
        reason = next((gap.reason for gap in gaps if gap.source == source.name), "")
        yield Checked(
            connection,
            "fresh",
            Outcome.OPTIONAL,
            f"stale since {source.stale_since:%Y-%m-%d %H:%M} UTC "
            f"({_duration(now - source.stale_since)}). {reason}".strip(),
            "It heals by itself when the reason is gone; what was known is kept.",
        )


def _duration(age: timedelta) -> str:
    seconds = max(0, round(age.total_seconds()))
    for name, length in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds // length} {name}"
    return f"{seconds} s"
