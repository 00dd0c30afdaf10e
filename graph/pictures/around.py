"""What stands around the way of the value: who else reads it, owners, the legend and the gaps."""

from collections.abc import Iterable, Mapping, Sequence

from graph.model import PicksUp
from graph.pictures.labels import name, printable
from graph.pictures.rows import Card, Row, count, direct_readers, tally
from graph.queries.blast_radius import BlastRadius
from graph.queries.consumers import WORST_FIRST
from graph.queries.readers import MOUNTS
from graph.refs import Ref

MOST_BESIDE = 10
MOST_GAPS = 5

_MEANING: Mapping[PicksUp, str] = {
    PicksUp.NEVER: "not even by a restart",
    PicksUp.RESTART: "by a restart only",
    PicksUp.UNKNOWN: "treat it as restart",
    PicksUp.NEXT_RUN: "with its next run",
    PicksUp.POLL: "it asks by itself",
    PicksUp.SYNC: "its file follows",
}


def beside(answer: BlastRadius) -> list[Card]:
    """Direct readers, owners, and what the credential opens."""
    subjects = direct_readers(answer)
    indirect = {
        reader.subject
        for reader in answer.readers
        if not reader.direct and reader.note != MOUNTS and reader.subject not in subjects
    }
    readers = _most([_subject(subject, how) for subject, how in subjects.items()])
    if indirect:
        readers.append(Row(f"+ {len(indirect)} who could indirectly", prose=True, quiet=True))
    cards = [
        Card("Can read it directly", str(len(subjects)), tuple(readers or [_none("Nobody known")]))
    ]
    owners = _most(
        [
            Row(name(claim.owner).name, note=name(claim.owner).kind, title=printable(claim.source))
            for claim in answer.owners
        ]
    )
    cards.append(
        Card("Owners", str(len(answer.owners)), tuple(owners or [_none("Nobody is named")]))
    )
    if answer.opens:
        opened = [
            Row(
                name(one.ref).name,
                note=name(one.ref).kind or name(one.ref).where,
                title=printable(" → ".join(one.path)),
            )
            for one in answer.opens
        ]
        cards.append(Card("It opens", str(len(opened)), tuple(_most(opened))))
    return cards


def _subject(subject: Ref, verbs: Iterable[str]) -> Row:
    named = name(subject)
    how = printable(", ".join(sorted(verbs)), otherwise="")
    where = named.where.partition(" / ")[2]
    shown = f"{where}/{named.name}" if where else named.name
    note = named.kind or named.where
    return Row(shown, note=note, title=f"{printable(subject)} — {how}")


def _most(rows: Sequence[Row]) -> list[Row]:
    if len(rows) <= MOST_BESIDE + 1:
        return list(rows)
    more = len(rows) - MOST_BESIDE
    return [*rows[:MOST_BESIDE], Row(f"+ {more} more", prose=True, quiet=True)]


def legend(answer: BlastRadius) -> tuple[Row, ...]:
    counts = tally(answer.consumers)
    return tuple(
        Row(_MEANING[kind], note=str(counts.get(kind, 0)), badge=kind, prose=True)
        for kind in WORST_FIRST
    )


def gaps(answer: BlastRadius) -> Card:
    """Name what could not be seen; an answer without that would look complete."""
    if not answer.gaps:
        return Card("No gaps: everything that is configured could be read")
    shown = answer.gaps if len(answer.gaps) <= MOST_GAPS + 1 else answer.gaps[:MOST_GAPS]
    rows = [
        Row(
            f"{printable(gap.scope)}: {printable(gap.reason, otherwise='no reason given')}",
            note=printable(gap.source, otherwise=""),
            title=f"{printable(gap.reason, otherwise='')} {printable(gap.do_now, otherwise='')}",
            prose=True,
        )
        for gap in shown
    ]
    if more := len(answer.gaps) - len(shown):
        rows.append(Row(f"+ {more} more", prose=True, quiet=True))
    many = count(len(answer.gaps), "gap")
    return Card(f"Not seen: {many}", "There may be more than is drawn here", tuple(rows))


def _none(text: str) -> Row:
    return Row(text, prose=True, quiet=True)
