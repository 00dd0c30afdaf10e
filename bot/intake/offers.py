"""
Candidates that a person may choose from: masked words for people, and a report that lies ready.

Where nothing is surely a secret but something may be one, the reporter is asked. The report is made
at once, while the value is in memory, and holds digests only: so the choice can be kept and taken
later, by an opaque token, without the value being kept anywhere. What nobody takes is dropped.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from pydantic import TypeAdapter
from sqlalchemy import Engine
from sqlmodel import Field, SQLModel, col, delete, select

from bot.rows import reading, writing
from graph.database import UtcDateTime
from responders.incident import LeakReport

MOST_OFFERED = 10  # more is no choice but a riddle
KEPT = timedelta(hours=24)
_SHOWN_START, _SHOWN_END = 3, 2
_MASKABLE = 16  # characters: of a shorter value nothing is shown

_REPORTS = TypeAdapter(LeakReport)


@dataclass(frozen=True, slots=True)
class Offer:
    """One candidate: `label` is masked and may be shown to the reporter, nobody else."""

    label: str
    report: LeakReport


@dataclass(frozen=True, slots=True)
class KeptOffer:
    """A candidate that lies ready under an opaque token."""

    token: str
    label: str


class OfferRow(SQLModel, table=True):
    """One candidate; `report` is a `LeakReport` as JSON: digests and words, no value."""

    __tablename__ = "intake_offer"

    token: str = Field(primary_key=True)
    batch: str = Field(index=True)  # the candidates of one report: taking one drops the others
    label: str
    report: str
    kept_until: datetime = Field(sa_type=UtcDateTime, index=True)


class Offers:
    """The only SQL on those rows."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def keep(self, offers: Sequence[Offer], *, now: datetime) -> tuple[KeptOffer, ...]:
        """Lay the candidates of one report ready, in their order; what is too old goes."""
        batch = secrets.token_urlsafe(12)
        kept = tuple(KeptOffer(secrets.token_urlsafe(12), offer.label) for offer in offers)
        with writing(self._engine) as session:
            session.execute(delete(OfferRow).where(col(OfferRow.kept_until) < now))
            for one, offer in zip(kept, offers, strict=True):
                body = _REPORTS.dump_json(offer.report).decode()
                row = OfferRow(
                    token=one.token,
                    batch=batch,
                    label=offer.label,
                    report=body,
                    kept_until=now + KEPT,
                )
                session.add(row)
        return kept

    def find(self, token: str, *, now: datetime) -> LeakReport | None:
        """Return the report behind a token; None if it is not known any more."""
        with reading(self._engine) as session:
            row = session.get(OfferRow, token)
            if row is None or row.kept_until < now:
                return None
            return _REPORTS.validate_json(row.report)

    def drop(self, token: str) -> None:
        """Forget a candidate and those it was offered with, once one was reported."""
        with writing(self._engine) as session:
            batch = session.exec(select(OfferRow.batch).where(OfferRow.token == token)).first()
            if batch is not None:
                session.execute(delete(OfferRow).where(col(OfferRow.batch) == batch))


def masked(value: str, *, line: int = 0) -> str:
    """Show as much of a value as tells it apart from its neighbours, and how long it is."""
    size = len(value)
    shown = f"{value[:_SHOWN_START]}…{value[-_SHOWN_END:]}" if size >= _MASKABLE else "…"
    kind = "letters and digits" if value.isalnum() else "with other characters"
    place = f", line {line}" if line else ""
    return f"{shown} ({size} characters, {kind}{place})"
