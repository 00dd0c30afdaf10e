"""
Which Slack message a value stands in: so that its deletion can be asked for, and seen.

Rows hold ids and places only. `token` is the opaque id behind the buttons.
"""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Engine, UniqueConstraint
from sqlmodel import Field, SQLModel, col, select, update

from bot.rows import changed, insert_once, reading, writing
from responders.places import Gone

CLAIMED: Gone = "claimed"
EDITED: Gone = "edited"
VERIFIED: Gone = "verified"
_BELOW: Mapping[str, tuple[str, ...]] = {
    CLAIMED: ("",),
    EDITED: ("", CLAIMED),
    VERIFIED: ("", CLAIMED, EDITED),
}


class SlackSightingRow(SQLModel, table=True):
    """One message that held a secret; `place` is "CHANNEL/TS", `incidents` ids with commas."""

    __tablename__ = "slack_sighting"
    __table_args__ = (UniqueConstraint("place"),)

    id: int | None = Field(default=None, primary_key=True)
    place: str
    thread_ts: str = ""
    token: str = Field(index=True)
    author: str = ""  # Slack user id; "" where nobody can be asked: an app, an outsider
    reporter: str = ""  # Slack user id; "" where Locksmith saw it by itself
    where: str = ""  # the permalink, as the incident's sighting has it
    where_name: str = ""
    kinds: str = ""  # what was in it, for people
    incidents: str = ""
    gone: str = ""  # "", claimed, edited, verified
    round: int = 0  # grows when the value comes back by an edit: it is asked for anew


@dataclass(frozen=True, slots=True)
class Spill:
    """One message that held a secret. See the row for the fields."""

    channel: str
    ts: str
    thread_ts: str
    token: str
    author: str
    reporter: str
    where: str
    where_name: str
    kinds: str
    incidents: tuple[str, ...]
    gone: str
    round: int

    @property
    def key(self) -> str:
        """Name what is sent and planned because of it, anew for each round."""
        return f"spill:{self.token}:{self.round}"


class Spills:
    """The only SQL on those rows."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def keep(
        self,
        channel: str,
        ts: str,
        *,
        thread_ts: str,
        author: str,
        reporter: str,
        where: str,
        where_name: str,
        kinds: str,
        incidents: Sequence[str],
    ) -> tuple[Spill, bool]:
        """
        Remember a message, or add incidents to it.

        True if it is to be asked for: it is new, or the value came back after an edit.
        """
        place = f"{channel}/{ts}"
        row = SlackSightingRow(
            place=place,
            thread_ts=thread_ts,
            token=secrets.token_urlsafe(12),
            author=author,
            reporter=reporter,
            where=where,
            where_name=where_name,
            kinds=kinds,
        )
        with writing(self._engine) as session:
            made = insert_once(session, SlackSightingRow, row.model_dump(exclude={"id"}), "place")
            query = select(SlackSightingRow).where(SlackSightingRow.place == place)
            kept = session.exec(query).one()
            known = [each for each in kept.incidents.split(",") if each]
            kept.incidents = ",".join(dict.fromkeys([*known, *incidents]))
            kept.reporter = kept.reporter or reporter
            back = kept.gone == EDITED
            if back:
                kept.gone, kept.round = "", kept.round + 1
            session.add(kept)
            session.flush()
            return _spill(kept), made or back

    def at(self, channel: str, ts: str) -> Spill | None:
        """Return what is known of a message."""
        return self._one(f"{channel}/{ts}", "")

    def behind(self, token: str) -> Spill | None:
        """Return the message behind a button."""
        return self._one("", token)

    def mark_gone(self, token: str, how: str) -> bool:
        """Note how it went; False if as much, or more, was known."""
        with writing(self._engine) as session:
            done = session.execute(
                update(SlackSightingRow)
                .where(
                    col(SlackSightingRow.token) == token,
                    col(SlackSightingRow.gone).in_(_BELOW[how]),
                )
                .values(gone=how)
            )
            return changed(done) == 1

    def _one(self, place: str, token: str) -> Spill | None:
        query = select(SlackSightingRow).where(
            SlackSightingRow.place == place if place else SlackSightingRow.token == token
        )
        with reading(self._engine) as session:
            row = session.exec(query).first()
            return None if row is None else _spill(row)


def _spill(row: SlackSightingRow) -> Spill:
    channel, _, ts = row.place.partition("/")
    return Spill(
        channel=channel,
        ts=ts,
        thread_ts=row.thread_ts,
        token=row.token,
        author=row.author,
        reporter=row.reporter,
        where=row.where,
        where_name=row.where_name,
        kinds=row.kinds,
        incidents=tuple(each for each in row.incidents.split(",") if each),
        gone=row.gone,
        round=row.round,
    )
