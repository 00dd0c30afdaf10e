"""
One look at every configured audit log: what was added since the last look becomes rows.

A log that cannot be read keeps what is known and says why, and since when. Who asks for a look:
`locksmith access`, `locksmith collect`, and, while the bot runs, the live graph.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from structlog import get_logger

from graph.audit_log import AuditLog, NotUnderstoodError, log_source
from graph.connections import Connections
from graph.detect import detect
from graph.errors import AccessDeniedError, NotFoundError, UnavailableError
from graph.model import Gap
from graph.plugins import discover
from graph.read_event import ReadEvent
from graph.reads import LogState, Reads
from graph.tail import Portion, portions
from graph.use_event import UseEvent

log = get_logger()

_LOST = "It was replaced, and its former lines are not there any more: some may be missing."


@dataclass(frozen=True, slots=True)
class Ingested:
    """
    What one look at one log gave; `trouble` is why it gave less than it should ("").

    `whole`: it was read to its end, and nothing of it was lost.
    """

    source: str
    reads: int
    lines: int
    trouble: str = ""
    whole: bool = True


def found_logs() -> dict[str, AuditLog]:
    """Make one of each kind of audit log that is installed, by name."""
    return {name: member() for name, member in discover(AuditLog, "graph.audit_logs").items()}


def ingest(
    reads: Reads,
    connections: Connections,
    *,
    now: datetime,
    logs: Mapping[str, AuditLog] | None = None,
) -> Iterator[Ingested]:
    """Look at every configured log once."""
    for member in (found_logs() if logs is None else logs).values():
        for endpoint, path in member.files(connections).items():
            if path:
                yield ingest_one(reads, member, endpoint, path=path, now=now)
    reads.forget(now=now)


def ingest_one(
    reads: Reads, member: AuditLog, endpoint: str, *, path: str, now: datetime
) -> Ingested:
    """Take in what was added to one log."""
    source = log_source(member.name, endpoint)
    state, sought = reads.state(source), reads.sought(source)
    count = lines = 0
    trouble, whole = "", True
    try:
        for portion in portions(path, state.position):
            events, since, said = _understood(member, endpoint, portion)
            trouble, whole = said or trouble, whole and not portion.lost
            since = state.since or since
            state = LogState(portion.position, since, now, trouble)
            uses = list(_used(member, endpoint, portion, sought))
            reads.add(source, events, state, now=now, uses=uses)
            count, lines = count + len(events), lines + len(portion.lines)
    except (AccessDeniedError, NotFoundError, UnavailableError) as error:
        trouble, whole = f"{error.happened} {error.do_now}".strip(), False
        reads.trouble(source, trouble, now=now)
    else:
        if not lines and not trouble:
            reads.add(source, (), LogState(state.position, state.since, now), now=now)
    log.info("audit_log.read", source=source, lines=lines, reads=count, trouble=bool(trouble))
    return Ingested(source, count, lines, trouble, whole)


def _understood(
    member: AuditLog, endpoint: str, portion: Portion
) -> tuple[list[ReadEvent], datetime | None, str]:
    events: list[ReadEvent] = []
    agents: dict[str, str] = {}  # as they say it, and as it is kept; a few among many lines
    strange = 0
    warning = _LOST if portion.lost else ""
    for line in portion.lines:
        try:
            found = list(member.events(line, endpoint))
            if found and not warning:
                warning = member.warning(line)
        except NotUnderstoodError:
            strange += 1
            continue
        for event in found:
            if event.agent not in agents:
                agents[event.agent] = _without_secrets(event.agent)
            events.append(replace(event, agent=agents[event.agent]))
    if strange and not warning:
        warning = f"{strange} of {len(portion.lines)} new lines are not of such a log."
    return events, events[0].at if events else None, warning


def _clean(use: UseEvent) -> UseEvent:
    """Take out what looks like a secret: who uses a leaked one chooses the path, too."""
    return replace(use, who=_without_secrets(use.who), what=_without_secrets(use.what))


def _without_secrets(text: str) -> str:
    for found in reversed(detect(text)):
        text = f"{text[: found.start]}(a secret){text[found.end :]}"
    return text


def _used(
    member: AuditLog, endpoint: str, portion: Portion, sought: frozenset[str]
) -> Iterator[UseEvent]:
    """Take in the uses of what was reported; a line that names nothing of it is not read again."""
    named = {mark.encode() for mark in sought}
    for line in portion.lines if named else ():
        if named.isdisjoint(member.marks.findall(line)):
            continue
        try:
            yield from (_clean(use) for use in member.uses(line, endpoint) if use.mark in sought)
        except NotUnderstoodError:
            continue  # counted where its reads are taken in


def log_gaps(reads: Reads, connections: Connections, *, since: datetime | None) -> tuple[Gap, ...]:
    """Say of each endpoint what is not known of its reads from `since` on."""
    return tuple(
        gap
        for kind, member in found_logs().items()
        for endpoint, path in member.files(connections).items()
        for gap in _gaps(
            reads.state(log_source(kind, endpoint)), kind, endpoint, path=path, since=since
        )
    ) + tuple(
        Gap(
            f"aws/{entry}",
            f"aws/{entry}/cloudtrail",
            f"Who read secrets of aws {entry} is not known: CloudTrail is not read.",
            "Look in CloudTrail for GetSecretValue and GetParameter.",
        )
        for entry in connections.aws_names
    )


def _gaps(
    state: LogState, kind: str, endpoint: str, *, path: str, since: datetime | None
) -> Iterator[Gap]:
    source = log_source(kind, endpoint)
    if not path:
        yield Gap(
            source,
            source,
            f"Who read secrets of {kind} {endpoint} is not known: no audit log is configured.",
            f"Set {kind}.{endpoint}.audit_log to the file of its audit log.",
        )
        return
    if state.trouble:
        yield Gap(source, source, f"The audit log {path}: {state.trouble}", "", state.looked_at)
    if state.since is None:
        yield Gap(source, source, f"The audit log {path} has told of no read yet.", "")
    elif since is None or since < state.since:
        yield Gap(
            source,
            source,
            f"Reads in {kind} {endpoint} are known since {state.since:%Y-%m-%d %H:%M} UTC only.",
            "Older logs are in your archive.",
        )
