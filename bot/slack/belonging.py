"""
Which Slack app a database serves: one app in one workspace, kept at the first start.

A test installation with production's database would post its incidents to the wrong people; one
with production's tokens and a database of its own would take every second click for itself. Both
are refused at the start, before anything is taken in or posted. Source of `num_connections`:
https://docs.slack.dev/apis/events-api/using-socket-mode (the hello message).
"""

from dataclasses import asdict, dataclass

from slack_sdk import WebClient
from slack_sdk.web import SlackResponse
from sqlalchemy import Engine
from sqlmodel import Field, SQLModel, select

from bot.rows import insert_once, reading, writing
from bot.slack_api import slack_errors
from graph.errors import BadInputError

_ADOPT = "If it is meant: `locksmith slack adopt`, once."


class ServedAppRow(SQLModel, table=True):
    """The one row: whom this database serves."""

    __tablename__ = "served_app"

    id: int = Field(default=1, primary_key=True)
    team: str
    team_name: str
    bot_user: str
    bot_name: str


@dataclass(frozen=True, slots=True)
class ServedApp:
    """An app as Slack tells it apart: its bot user in its workspace; the names are for people."""

    team: str
    team_name: str
    bot_user: str
    bot_name: str

    def __str__(self) -> str:
        return f"@{self.bot_name} ({self.bot_user}) in {self.team_name} ({self.team})"

    def is_same(self, other: "ServedApp") -> bool:
        """Compare without the names, which may change."""
        return (self.team, self.bot_user) == (other.team, other.bot_user)


def app_of(client: WebClient) -> ServedApp:
    """Ask Slack whose token this is; raises LocksmithError."""
    with slack_errors("signing in"):
        return app_from(client.auth_test())


def app_from(who: SlackResponse) -> ServedApp:
    """Read the answer of `auth.test`."""
    names = (who.get("team_id"), who.get("team"), who.get("user_id"), who.get("user"))
    return ServedApp(*(str(each or "") for each in names))


class Belonging:
    """Keeps whom the database serves. The only SQL on its table."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def kept(self) -> ServedApp | None:
        with reading(self._engine) as session:
            row = session.exec(select(ServedAppRow)).first()
            return None if row is None else ServedApp(**row.model_dump(exclude={"id"}))

    def keep(self, app: ServedApp) -> None:
        """Serve `app` from now on, unless another one is kept; several replicas may say so."""
        with writing(self._engine) as session:
            insert_once(session, ServedAppRow, {"id": 1, **asdict(app)}, "id")

    def adopt(self, app: ServedApp) -> None:
        """Serve `app` from now on, whatever was kept."""
        with writing(self._engine) as session:
            session.merge(ServedAppRow(id=1, **asdict(app)))

    def require(self, app: ServedApp) -> None:
        """
        Refuse an app that is not the one of this database.

        Raises:
            BadInputError: it serves another one.
        """
        kept = self.kept()
        if kept is not None and not kept.is_same(app):
            raise BadInputError(
                f"This database serves {kept}, and slack.bot_token is of {app}.",
                means="Incidents would be shown to other people than those who work on them; "
                "nothing was started.",
                do_now=f"Give each installation a database and an app of its own. {_ADOPT}",
            )

    def require_alone(self, connections: int, processes: int) -> None:
        """
        Refuse, for a database that never served an app, one that others serve already.

        `connections` are open at Slack for this app; `processes` live on this database.

        Raises:
            BadInputError: somebody serves it from another database.
        """
        if self.kept() is None and connections > processes:
            raise BadInputError(
                f"Slack has {connections} connections of this app open; this new database knows "
                f"of {processes}.",
                means="Another Locksmith serves it from another database: each of the two would "
                "miss every second click. Nothing was taken in.",
                do_now="Make a test installation an app of its own: "
                f'`locksmith slack manifest --name "Locksmith test"`. {_ADOPT}',
            )
