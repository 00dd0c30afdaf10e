"""
Which Slack message a report came from: so that its deletion can be asked for, and seen.

Rows hold ids only. `token` is the opaque id behind the author's button.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Engine, UniqueConstraint
from sqlmodel import Field, SQLModel, col, select, update

from bot.rows import changed, insert_once, reading, writing


class SlackSightingRow(SQLModel, table=True):
    """One message that held a secret; `place` is "CHANNEL/TS", `incidents` ids with commas."""

    __tablename__ = "slack_sighting"
    __table_args__ = (UniqueConstraint("place"),)

    id: int | None = Field(default=None, primary_key=True)
    place: str
    token: str = Field(index=True)
    author: str = ""  # Slack user id
    where: str = ""  # the permalink, as the incident's sighting has it
    incidents: str = ""
    removed: bool = False


@dataclass(frozen=True, slots=True)
class SlackSighting:
    """One message that held a secret."""

    token: str
    author: str
    where: str
    incidents: tuple[str, ...]
    removed: bool


class Sightings:
    """The only SQL on those rows."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def keep(
        self, channel: str, ts: str, *, author: str, where: str, incidents: Sequence[str]
    ) -> tuple[SlackSighting, bool]:
        """Remember a message, or add incidents to it; True if it is new."""
        place = f"{channel}/{ts}"
        row = SlackSightingRow(
            place=place, token=secrets.token_urlsafe(12), author=author, where=where
        )
        with writing(self._engine) as session:
            made = insert_once(session, SlackSightingRow, row.model_dump(exclude={"id"}), "place")
            query = select(SlackSightingRow).where(SlackSightingRow.place == place)
            kept = session.exec(query).one()
            known = [each for each in kept.incidents.split(",") if each]
            kept.incidents = ",".join(dict.fromkeys([*known, *incidents]))
            session.add(kept)
            session.flush()
            return _sighting(kept), made

    def at(self, channel: str, ts: str) -> SlackSighting | None:
        """Return what is known of a message."""
        return self._one(f"{channel}/{ts}", "")

    def behind(self, token: str) -> SlackSighting | None:
        """Return the message behind a button."""
        return self._one("", token)

    def mark_removed(self, token: str) -> bool:
        """Note that Slack says it is gone; False if that was known."""
        with writing(self._engine) as session:
            return (
                changed(
                    session.execute(
                        update(SlackSightingRow)
                        .where(
                            col(SlackSightingRow.token) == token,
                            col(SlackSightingRow.removed).is_(False),
                        )
                        .values(removed=True)
                    )
                )
                == 1
            )

    def _one(self, place: str, token: str) -> SlackSighting | None:
        query = select(SlackSightingRow).where(
            SlackSightingRow.place == place if place else SlackSightingRow.token == token
        )
        with reading(self._engine) as session:
            row = session.exec(query).first()
            return None if row is None else _sighting(row)


def _sighting(row: SlackSightingRow) -> SlackSighting:
    incidents = tuple(each for each in row.incidents.split(",") if each)
    return SlackSighting(row.token, row.author, row.where, incidents, row.removed)
