"""
The index of fingerprints as a whole: under which keys it is, and what is left under a former one.

After a change of the key, collectors make the digests anew at their next look, from the stores;
nothing is read back from here, and nothing could be. This counts how far that is. Part of the
graph's only SQL, beside `repository.py`.
"""

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import Engine, delete, func, select

from graph.database import reading, writing
from graph.tables import FINGERPRINTS


@dataclass(frozen=True, slots=True)
class UnderKey:
    """What one source has under one key."""

    key_id: str
    source: str
    digests: int
    secrets: int


def index_state(engine: Engine) -> tuple[UnderKey, ...]:
    """Count the index by key and source."""
    table = FINGERPRINTS.c
    asked = (
        select(
            table.key_id,
            table.source,
            func.count().label("digests"),
            func.count(table.secret.distinct()).label("secrets"),
        )
        .group_by(table.key_id, table.source)
        .order_by(table.key_id, table.source)
    )
    with reading(engine) as connection:
        rows = connection.execute(asked).all()
    return tuple(UnderKey(row.key_id, row.source, row.digests, row.secrets) for row in rows)


def forget_keys(engine: Engine, kept: Collection[str]) -> int:
    """Delete what is under other keys than `kept`; return how many digests that were."""
    with writing(engine) as connection:
        gone = delete(FINGERPRINTS).where(FINGERPRINTS.c.key_id.not_in(sorted(kept)))
        return connection.execute(gone).rowcount
