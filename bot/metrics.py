"""
What Prometheus reads at /metrics: incidents, their clocks, pages, approvals, steps, ages.

Computed from the rows at each scrape, so that every replica says the same and a restart forgets
nothing. All are gauges: what stands in a state can leave it, and a counter must never fall. Labels
are states, severities, teams, types of credentials and names of pagers and sources; never the name
of a secret.
"""

from collections.abc import Callable, Iterator
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from bot.outbox import Outbox
from graph.repository import GraphRepository
from responders.incident import OPEN_STATES
from responders.records import IncidentRecords
from responders.stats import Medians, stats

CONTENT_TYPE = CONTENT_TYPE_LATEST
_TIMES = {
    "exposed": ("locksmith_time_exposed_seconds", "From the exposure to the report."),
    "acknowledged": ("locksmith_time_to_ack_seconds", "To the first deed of a person."),
    "contained": ("locksmith_time_to_contain_seconds", "To the containment."),
    "rotated": ("locksmith_time_to_rotate_seconds", "To the new value in its store."),
    "proven_dead": ("locksmith_time_to_prove_dead_seconds", "To the proof that it is dead."),
    "closed": ("locksmith_time_to_close_seconds", "To the end of the incident."),
}


class Metrics:
    """Makes the text of one scrape."""

    def __init__(
        self,
        records: IncidentRecords,
        graph: GraphRepository,
        outbox: Outbox,
        *,
        now: Callable[[], datetime],
    ) -> None:
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(_Rows(records, graph, outbox, now))

    def text(self) -> bytes:
        """Read everything; raises UnavailableError: the database does not answer."""
        return generate_latest(self._registry)


class _Rows(Collector):
    def __init__(
        self,
        records: IncidentRecords,
        graph: GraphRepository,
        outbox: Outbox,
        now: Callable[[], datetime],
    ) -> None:
        self._records = records
        self._graph = graph
        self._outbox = outbox
        self._now = now

    def describe(self) -> Iterator[Metric]:
        """Say nothing: to be registered is no reason to read the database."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        yield _build()
        yield from self._incidents()
        yield from self._counts()
        yield from self._sources()
        pending = GaugeMetricFamily("locksmith_outbox_pending", "Messages that wait for Slack.")
        pending.add_metric([], self._outbox.pending())
        yield pending

    def _incidents(self) -> Iterator[Metric]:
        lived = self._records.lived()
        standing: dict[tuple[str, str], int] = {}
        for one in lived:
            if one.state in OPEN_STATES:
                place = (one.severity, one.state)
                standing[place] = standing.get(place, 0) + 1
        still = GaugeMetricFamily(
            "locksmith_incidents_open", "Incidents that are not over.", labels=["severity", "state"]
        )
        for labels, count in sorted(standing.items()):
            still.add_metric(list(labels), count)
        yield still
        total = GaugeMetricFamily(
            "locksmith_incidents", "Incidents, without drills and false alarms."
        )
        total.add_metric([], len(lived))
        yield total
        found = stats(lived)
        groups: list[tuple[list[str], Medians]] = [(["", ""], found.all)]
        groups += [([name, ""], one) for name, one in found.per_team.items()]
        groups += [(["", name], one) for name, one in found.per_credential_type.items()]
        for clock, (name, words) in _TIMES.items():
            family = GaugeMetricFamily(
                name,
                f"{words} Median over incidents; empty labels: over all.",
                labels=["team", "credential_type"],
            )
            for names, medians in groups:
                if reached := medians.clocks.get(clock):
                    family.add_metric(names, reached.seconds)
            yield family

    def _counts(self) -> Iterator[Metric]:
        counted = self._records.counted()
        for name, words, labels, rows in (
            ("locksmith_pages", "Pages by their result.", ["provider", "result"], counted.pages),
            ("locksmith_approvals", "Approvals by result.", ["result"], counted.approvals),
            ("locksmith_steps", "Steps by kind and state.", ["step", "result"], counted.steps),
        ):
            family = GaugeMetricFamily(name, words, labels=labels)
            for values, count in sorted(rows.items()):
                family.add_metric(list(values), count)
            yield family
        sequence = GaugeMetricFamily("locksmith_audit_sequence", "The last entry of the audit log.")
        sequence.add_metric([], self._records.checkpoint().sequence)
        yield sequence

    def _sources(self) -> Iterator[Metric]:
        now = self._now()
        ages = GaugeMetricFamily(
            "locksmith_graph_age_seconds", "Since a source could be read.", labels=["source"]
        )
        sizes = GaugeMetricFamily(
            "locksmith_graph_source_nodes", "Nodes that a source knows.", labels=["source"]
        )
        for source in self._graph.sources():
            seen = source.stale_since or source.last_attempt
            ages.add_metric([source.name], max(0.0, (now - seen).total_seconds()))
            sizes.add_metric([source.name], source.nodes)
        yield ages
        yield sizes


def _build() -> Metric:
    try:
        found = version("locksmith")
    except PackageNotFoundError:
        found = "unknown"
    family = GaugeMetricFamily("locksmith_build_info", "The version.", labels=["version"])
    family.add_metric([found], 1)
    return family
