"""
The facts of the graph as they were: frozen with the incident when something was decided on them.

A row is added when the incident opens, reopens, is recognised or planned, and the facts differ
from the last row. The post-mortem reads them, when the graph has moved on. Part of the only SQL.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlmodel import Session, col, select

from graph.queries.blast_radius import BlastRadius, blast_radius_from_json
from responders.ledger import Transaction
from responders.tables import FrozenRow


@dataclass(frozen=True, slots=True)
class Frozen:
    """What was known at one moment, and on which occasion it was kept."""

    at: datetime
    why: str
    blast_radius: BlastRadius


def freeze(
    transaction: Transaction, incident_id: str, why: str, blast_radius: Mapping[str, Any]
) -> None:
    """Keep the facts, unless they are those that were kept last."""
    query = select(FrozenRow).where(FrozenRow.incident_id == incident_id)
    last = transaction.session.exec(query.order_by(col(FrozenRow.id).desc())).first()
    if last is None or last.blast_radius != blast_radius:
        transaction.session.add(
            FrozenRow(
                incident_id=incident_id,
                at=transaction.now,
                why=why,
                blast_radius=dict(blast_radius),
            )
        )


def read_frozen(session: Session, incident_id: str) -> tuple[Frozen, ...]:
    query = (
        select(FrozenRow).where(FrozenRow.incident_id == incident_id).order_by(col(FrozenRow.id))
    )
    return tuple(
        Frozen(row.at, row.why, blast_radius_from_json(row.blast_radius))
        for row in session.exec(query).all()
    )
