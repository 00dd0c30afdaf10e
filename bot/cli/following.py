"""
`collect --watch`: every source followed, and each change of the graph printed as it comes.

The changes are read from the change feed, so they are those that this process wrote and those of
every other one on the same database.
"""

import sys
from collections.abc import Mapping
from datetime import datetime

import orjson

from bot.cli.output import say
from bot.ending import Ending
from bot.graph_parts import GraphParts
from graph.errors import UnavailableError
from graph.leases import Leases
from graph.live.graph import LiveGraph
from graph.live.pace import Pace
from graph.model import Change, Gap

_EVERY_SECONDS = 0.25
_SIGNS = {"added": "+", "removed": "-", "changed": "~"}


def follow(parts: GraphParts, *, as_json: bool) -> None:
    """Follow and print until Ctrl-C or SIGTERM; the leases are given back at the end."""
    ending = Ending()
    live = LiveGraph(
        parts.repository,
        parts.collect_context,
        leases=Leases(parts.database.engine),
        clock=parts.now,
        pace=Pace(interval=parts.config.collect.interval_seconds),
    )
    printed = _Printed(parts, live, as_json=as_json)
    live.start()
    try:
        printed.more()
        while not ending.is_asked(within=_EVERY_SECONDS):
            printed.more()
    finally:
        live.stop()
        parts.close()


class _Printed:
    """What was told so far: up to which revision, which gaps, and who follows what."""

    def __init__(self, parts: GraphParts, live: LiveGraph, *, as_json: bool) -> None:
        self._repository = parts.repository
        self._now = parts.now
        self._live = live
        self._as_json = as_json
        self._gaps: tuple[Gap, ...] = ()
        self._followed: tuple[str, ...] | None = None
        self._first = True
        self._revision = self._repository.snapshot().revision

    def more(self) -> None:
        try:
            changes = self._repository.changes_since(self._revision)
            gaps = self._repository.snapshot().gaps
        except UnavailableError as error:
            self._line({"trouble": error.happened}, f"! {error.happened}")
            return
        for change in changes:
            self._change(change)
            self._revision = change.revision
        for gap in gaps:
            if gap not in self._gaps:
                told = {"gap": gap.scope, "source": gap.source, "reason": gap.reason}
                self._line(told, f"? {gap.source} {gap.scope}: {gap.reason}")
        for gap in self._gaps:
            if gap not in gaps:
                told = {"gap_closed": gap.scope, "source": gap.source}
                self._line(told, f"= {gap.source} {gap.scope}: seen again")
        self._gaps = gaps
        self._who_follows()

    def _who_follows(self) -> None:
        if self._live.collected_once.is_set() and self._live.followed_here() != self._followed:
            self._followed = self._live.followed_here()
            here = ", ".join(self._followed) or "nothing: another process does"
            self._line({"followed_here": list(self._followed)}, f"Followed by this process: {here}")

    def _change(self, change: Change) -> None:
        told = {
            "revision": change.revision,
            "kind": str(change.kind),
            "subject": change.subject,
            "source": change.source,
            "at": change.at.isoformat(),
        }
        if not change.subject.startswith("gap "):  # told with its reason
            clock = _clock(change.at)
            self._line(told, f"{clock} {_SIGNS[change.kind]} {change.subject}  ({change.source})")

    def _line(self, told: Mapping[str, object], line: str) -> None:
        if self._as_json:  # one line each: it is a stream
            sys.stdout.write(orjson.dumps(dict(told)).decode() + "\n")
            sys.stdout.flush()
        else:
            say(line)


def _clock(at: datetime) -> str:
    return f"{at.astimezone():%H:%M:%S}"
