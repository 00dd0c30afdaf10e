"""
Which process follows which endpoint: one at a time, and another one when it dies.

A row per endpoint names its holder, whose beats grow. Who wants it watches the beats by its own
clock, so clocks of two machines are never compared: a row whose beat stood still for `seconds` is
taken over, by one conditional UPDATE. SQLite has one process and needs no rows: there `hold` is
always true. Part of the graph's only SQL, beside `repository.py`.
"""

import os
import secrets
import socket
from time import monotonic

from sqlalchemy import Engine, delete, select, text, update

from graph.database import writing
from graph.tables import LEASES


def new_holder() -> str:
    """Name one user of leases, unlike any other that ever was."""
    return f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"


class Leases:
    """The leases as one process sees them."""

    def __init__(self, engine: Engine, *, seconds: float = 15.0, holder: str = "") -> None:
        self.seconds = seconds
        self.holder = holder or new_holder()
        self._engine = engine
        self._alone = engine.dialect.name == "sqlite"
        self._held: dict[str, float] = {}  # when it was last taken or renewed
        self._seen: dict[str, tuple[str, int, float]] = {}  # holder, beat, when it was first seen

    def hold(self, name: str) -> bool:
        """
        Take the lease or renew it; False while another process has it.

        To be called several times within `seconds`. Raises UnavailableError without a database.
        """
        if self._alone:
            return True
        began = monotonic()
        with writing(self._engine) as connection:
            connection.execute(
                text(
                    "INSERT INTO graph_lease (name, holder, beat) VALUES (:name, :holder, :beat) "
                    "ON CONFLICT DO NOTHING"
                ),
                # By chance, so that a new row never looks like an old one that stood still.
                {"name": name, "holder": self.holder, "beat": secrets.randbelow(2**62)},
            )
            row = connection.execute(select(LEASES).where(LEASES.c.name == name)).first()
            if row is None:  # given back this very moment
                return False
            if row.holder != self.holder and not self._stood_still(name, row.holder, row.beat):
                return False
            taken = connection.execute(
                update(LEASES)
                .where(
                    LEASES.c.name == name, LEASES.c.holder == row.holder, LEASES.c.beat == row.beat
                )
                .values(holder=self.holder, beat=row.beat + 1)
            )
            self._held.pop(name, None)
            if taken.rowcount == 1:
                self._held[name] = began
                self._seen.pop(name, None)
            return taken.rowcount == 1

    def surely(self, name: str) -> bool:
        """Look, without a database, whether nobody else can have taken the lease by now."""
        held = self._held.get(name)
        return self._alone or (held is not None and monotonic() - held < self.seconds)

    def release(self, name: str) -> None:
        """Give the lease back, so that others need not wait."""
        if self._alone:
            return
        self._held.pop(name, None)
        with writing(self._engine) as connection:
            connection.execute(
                delete(LEASES).where(LEASES.c.name == name, LEASES.c.holder == self.holder)
            )

    def _stood_still(self, name: str, holder: str, beat: int) -> bool:
        known = self._seen.get(name)
        if known is None or known[:2] != (holder, beat):
            self._seen[name] = (holder, beat, monotonic())
            return False
        return monotonic() - known[2] > self.seconds
