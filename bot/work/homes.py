"""
Keeps App Home true while somebody may be looking at it: drawn when opened, and anew on changes.

Slack says when a Home is opened and not when it is closed, so those opened in the last two hours
are followed, thirty at most. A look compares revisions first; a Home is published only where what
it shows has changed. Of several replicas one publishes: the row is claimed by the digest of what
it showed.
"""

import hashlib
import threading
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Protocol

import orjson
import structlog
from sqlalchemy import Engine, UniqueConstraint
from sqlmodel import Field, SQLModel, col, delete, select, update

from bot.rates import TokenBucket
from bot.rows import changed, insert_once, reading, writing
from bot.slack.people import People
from bot.slack.screen import Screen
from bot.slack.views.blocks import Block
from bot.slack.views.home import home_view, refused_home
from graph.errors import LocksmithError, NotFoundError, RefusedError
from responders.incident import Person
from responders.mine import Mine

log = structlog.get_logger()

RECENTLY = timedelta(hours=2)
MOST = 30  # people whose Home is followed
LOOK_SECONDS = 3.0
GRAPH_SECONDS = 60.0  # a busy cluster changes the graph every second
PER_MINUTE, AT_ONCE = 60, 10  # views.publish is tier 4: more than 100 a minute


class HomeRow(SQLModel, table=True):
    """Whose Home was opened when (epoch seconds), and the digest of what it shows."""

    __tablename__ = "slack_home"
    __table_args__ = (UniqueConstraint("slack_user"),)

    id: int | None = Field(default=None, primary_key=True)
    slack_user: str
    opened_at: float
    digest: str = ""


class Pages(Protocol):
    """Puts a person's page together; implemented by `responders.personal.Personal`."""

    def of(self, person: Person) -> Mine: ...


class Homes:
    """
    One thread per process. `revisions` are those of all incidents, `graph` that of the graph.

    `clock` returns aware UTC times.
    """

    def __init__(
        self,
        engine: Engine,
        pages: Pages,
        people: People,
        screen: Screen,
        *,
        revisions: Callable[[], Mapping[str, int]],
        graph: Callable[[], int],
        clock: Callable[[], datetime],
    ) -> None:
        self._engine = engine
        self._pages = pages
        self._people = people
        self._screen = screen
        self._revisions = revisions
        self._graph = graph
        self._clock = clock
        self._budget = TokenBucket(burst=AT_ONCE, per_second=(PER_MINUTE - AT_ONCE) / 60)
        self._seen: object = None
        self._graph_seen: tuple[float, int] = (0.0, -1)
        self._not_before = 0.0
        self._drawing = threading.Lock()  # what was put together later is published later
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def opened(self, user: str) -> None:
        """
        Draw it now, whatever it showed, and follow it from here on.

        Who may not act here is told so on their page.

        Raises:
            LocksmithError: Slack or the database did not take it.
        """
        with writing(self._engine) as session:
            row = HomeRow(slack_user=user, opened_at=self._now())
            insert_once(session, HomeRow, row.model_dump(exclude={"id"}), "slack_user")
            session.execute(
                update(HomeRow)
                .where(col(HomeRow.slack_user) == user)
                .values(opened_at=self._now(), digest="")
            )
        try:
            self._draw(user, shown="")
        except RefusedError as refusal:
            self._forget(user)
            self._screen.home(user, refused_home(refusal.happened, refusal.means, refusal.do_now))

    def look(self) -> int:
        """Publish what has changed since the last look; return how many Homes that were."""
        now = self._now()
        seen = (self._revisions(), self._graph_revision(now))
        if now < self._not_before or seen == self._seen:
            return 0
        drawn = 0
        for user, shown in self._followed():
            if self._budget.wait(now):
                return drawn  # the rest at the next look
            try:
                drawn += self._draw(user, shown=shown)
            except (RefusedError, NotFoundError):
                self._forget(user)
            except LocksmithError as error:
                log.warning("home.not_drawn", problem=error.happened)
                self._not_before = now + (getattr(error, "retry_after", None) or LOOK_SECONDS)
                return drawn
        self._seen = seen
        return drawn

    def start(self) -> None:
        self._stopping.clear()
        self._thread = threading.Thread(target=self._run, name="homes", daemon=True)
        self._thread.start()

    def stop(self, *, seconds: float = 5) -> None:
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(seconds)
            self._thread = None

    def _run(self) -> None:
        while not self._stopping.wait(LOOK_SECONDS):
            try:
                self.look()
            except LocksmithError as error:  # the database: the next look tries again
                log.warning("home.not_looked", problem=error.happened)

    def _draw(self, user: str, *, shown: str) -> bool:
        with self._drawing:
            view = home_view(self._pages.of(self._people.may_act(user)))
            digest = _digest(view)
            if digest == shown or not self._claim(user, shown, digest):
                return False
            self._budget.take(self._now())
            try:
                self._screen.home(user, view)
            except LocksmithError:
                self._claim(user, digest, "")
                raise
            return True

    def _claim(self, user: str, before: str, after: str) -> bool:
        """Note what it shows from now on, unless another process was faster."""
        mine = (col(HomeRow.slack_user) == user, col(HomeRow.digest) == before)
        with writing(self._engine) as session:
            return changed(session.execute(update(HomeRow).where(*mine).values(digest=after))) == 1

    def _followed(self) -> list[tuple[str, str]]:
        since = (self._clock() - RECENTLY).timestamp()
        with reading(self._engine) as session:
            rows = session.exec(
                select(HomeRow)
                .where(col(HomeRow.opened_at) > since)
                .order_by(col(HomeRow.opened_at).desc())
                .limit(MOST)
            )
            return [(row.slack_user, row.digest) for row in rows]

    def _forget(self, user: str) -> None:
        with writing(self._engine) as session:
            session.execute(delete(HomeRow).where(col(HomeRow.slack_user) == user))

    def _graph_revision(self, now: float) -> int:
        asked_at, revision = self._graph_seen
        if now - asked_at >= GRAPH_SECONDS:
            revision = self._graph()
            self._graph_seen = (now, revision)
        return revision

    def _now(self) -> float:
        return self._clock().timestamp()


def _digest(view: Block) -> str:
    return hashlib.sha256(orjson.dumps(view, option=orjson.OPT_SORT_KEYS)).hexdigest()
