"""Who did read a secret, as `access` and `blast-radius` print it."""

from collections.abc import Sequence
from datetime import datetime

from bot.cli.output import print_table
from bot.graph_parts import GraphParts
from graph.queries.access import Access, accesses, places_of
from graph.queries.copies import Place


def print_reads(reads: tuple[Access, ...]) -> None:
    for title, sure in (("Read by", True), ("May have been seen in a list or watch by", False)):
        some = [one for one in reads if one.sure is sure]
        if some:
            print_table(
                title,
                ("who", "what", "times", "first", "last", "from", "with"),
                (
                    (
                        one.subject or one.who,
                        one.secret,
                        str(one.times),
                        f"{one.first:%Y-%m-%d %H:%M:%S}",
                        f"{one.last:%Y-%m-%d %H:%M:%S}",
                        ", ".join(one.addresses),
                        ", ".join(one.agents),
                    )
                    for one in some
                ),
            )


def reads_of(
    parts: GraphParts, secrets: Sequence[Place], since: datetime | None
) -> tuple[Access, ...]:
    """Answer for secrets and all their copies, from what was taken in already."""
    places = places_of(parts.repository.snapshot(), secrets)
    return accesses(parts.reads.of(places, since=since))
