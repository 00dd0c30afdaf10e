"""Where each of our messages stands in Slack: the publisher's own table, and the only SQL on it."""

from sqlalchemy import Engine, UniqueConstraint
from sqlmodel import Field, SQLModel, col, select, update

from bot.rows import insert_once, reading, writing


class SlackMessageRow(SQLModel, table=True):
    """
    One message that we keep in step with the rows.

    `digest` is of what was last handed to the outbox; `generation` counts how often it had to be
    posted anew; `revision` is the case's revision that it shows (the root card only); `settled`:
    the incident is over and this shows it.
    """

    __tablename__ = "slack_message"
    __table_args__ = (UniqueConstraint("key"),)

    id: int | None = Field(default=None, primary_key=True)
    key: str
    incident_id: str = Field(index=True)
    channel: str = ""
    ts: str = ""
    digest: str = ""
    generation: int = 0
    revision: int = -1
    settled: bool = False


class MessageRows:
    """Reads and writes the rows."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def of(self, incident_id: str) -> dict[str, SlackMessageRow]:
        """Return the rows of an incident by key."""
        with reading(self._engine) as session:
            query = select(SlackMessageRow).where(SlackMessageRow.incident_id == incident_id)
            return {row.key: row for row in session.exec(query).all()}

    def shown(self) -> dict[str, tuple[int, bool]]:
        """Return for each incident with a card the revision that it shows, and whether settled."""
        with reading(self._engine) as session:
            query = select(SlackMessageRow).where(col(SlackMessageRow.key).endswith("/card"))
            rows = session.exec(query).all()
            return {row.incident_id: (row.revision, row.settled) for row in rows}

    def add(self, key: str, incident_id: str, digest: str) -> SlackMessageRow:
        """Make the row of a message that is about to be posted; an existing one is returned."""
        row = SlackMessageRow(key=key, incident_id=incident_id, digest=digest)
        with writing(self._engine) as session:
            insert_once(session, SlackMessageRow, row.model_dump(exclude={"id"}), "key")
            return session.exec(select(SlackMessageRow).where(SlackMessageRow.key == key)).one()

    def change(self, key: str, **values: object) -> None:
        with writing(self._engine) as session:
            session.execute(
                update(SlackMessageRow).where(col(SlackMessageRow.key) == key).values(**values)
            )
