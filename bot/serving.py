"""
`locksmith serve`: every part started in order, and stopped in the opposite one.

What runs: the live graph (clusters watched, stores polled), the engine (durable runs), the courier
and the publisher (Slack equal to the rows), the worker (the inbox emptied), the Slack app, and the
HTTP door if it is configured.
"""

from collections.abc import Callable
from contextlib import ExitStack
from types import TracebackType
from typing import Self

import structlog

from bot.courier import Courier
from bot.graph_parts import GraphParts, graph_parts, intake_of, who_read
from bot.inbox import Inbox, inbox_key
from bot.intake.intake import Intake
from bot.intake.offers import Offers
from bot.keys import installation_keys
from bot.metrics import Metrics
from bot.oidc import Oidc
from bot.outbox import Outbox
from bot.settings import Config, SlackSettings
from bot.slack.app import SlackApp
from bot.slack.audience import Audience
from bot.slack.belonging import Belonging, app_of
from bot.slack.eraser import Eraser
from bot.slack.files import Files
from bot.slack.headcount import Headcount
from bot.slack.people import People
from bot.slack.publisher import Publisher
from bot.slack.reading import Reader
from bot.slack.renewal import Renewal
from bot.slack.scopes import Scopes
from bot.slack.screen import Screen
from bot.slack.sender import SlackSender
from bot.slack_api import web_client
from bot.step_up import StepUpPages
from bot.web import WebServer
from bot.wiring import ResponseParts, executor_name, resolver, response_parts, sign_in_links
from bot.work.homes import Homes
from bot.work.room import Room
from bot.work.spills import Spills
from bot.worker import Worker
from graph.detect import warm_up
from graph.errors import BadInputError, LocksmithError, UnavailableError
from graph.leases import Leases
from graph.live.graph import LiveGraph
from graph.live.logs import FollowedLogs
from graph.live.pace import Pace
from responders.incident import Person
from responders.limits import Mode

log = structlog.get_logger()


class Serving:
    """
    The running bot; a context manager. `reload` reads the configuration anew, for its tokens.

    Raises (on entering):
        BadInputError: a token is missing. AccessDeniedError, NotFoundError, UnavailableError: Slack
        or the database says no; the sentence says what to grant.
    """

    def __init__(self, config: Config, *, reload: Callable[[], Config] | None = None) -> None:
        if config.slack.bot_token is None or config.slack.app_token is None:
            raise BadInputError(
                "slack.bot_token and slack.app_token are not both set.",
                means="Locksmith cannot connect to Slack.",
                do_now="Set both; deploy/slack-manifest.yaml makes the app that they belong to.",
            )
        self._config = config
        self._reload = reload or (lambda: config)
        self._bot_token = config.slack.bot_token.get_secret_value()
        self._app_token = config.slack.app_token.get_secret_value()
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as starting:
            self._start(starting)
            self._stack = starting.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stack.close()

    def _start(self, stack: ExitStack) -> None:
        config = self._config
        self.graph: GraphParts = graph_parts(config)
        stack.callback(self.graph.close)
        belonging = Belonging(self.graph.database.engine)
        renew = Renewal(
            lambda: self._reload().slack.bot_token, belonging, base_url=config.slack.base_url
        )
        client = web_client(self._bot_token, base_url=config.slack.base_url, renew=renew)
        own = app_of(client)
        belonging.require(own)
        people = People(client)
        resolve = resolver(config, people.approvers_of)
        self.response: ResponseParts = response_parts(self.graph, resolve=resolve)
        security = people.channel_id(config.slack.security_channel)
        people.refuse_shared(security)
        engine = self.graph.database.engine
        keys = installation_keys(config)
        inbox = Inbox(
            engine,
            inbox_key(keys.present.get_secret_value()),
            clock=self.graph.now,
            worker=executor_name(),
            previous=[inbox_key(key) for key in keys.reveal_previous()],
        )
        outbox = Outbox(engine, clock=self.graph.now)
        scopes = Scopes(client)
        publisher = Publisher(
            engine,
            self.response.records,
            outbox,
            channel=security,
            audience=Audience(people, resolve, config.approvals),
            checkpoint=lambda: self.response.records.checkpoint().text(),
            workspace_url=people.workspace_url(),
            attaching=lambda: _may_attach(config.slack, scopes),
            shared=lambda: people.is_shared(security),
            give_way=inbox.give_way,
            clock=self.graph.now,
        )
        leases = Leases(engine)
        courier = Courier(
            outbox,
            SlackSender(client, refuse_shared=people.refuse_shared),
            clock=self.graph.now,
            delivered=publisher.look,
            turn=lambda: leases.hold("slack/updates"),
            give_way=inbox.give_way,
        )
        stack.callback(leases.release, "slack/updates")
        intake: Intake = intake_of(self.graph)
        screen = Screen(client)
        homes = Homes(
            engine,
            self.response.personal,
            people,
            screen,
            revisions=self.response.records.revisions,
            graph=lambda: self.graph.repository.snapshot().revision,
            clock=self.graph.now,
        )
        room = Room(
            desk=self.response.desk,
            intake=intake,
            graph=self.graph.repository,
            outbox=outbox,
            people=people,
            screen=screen,
            spills=Spills(engine),
            offers=Offers(engine),
            inbox=inbox,
            reader=Reader(client),
            files=Files(client),
            headcount=Headcount(client, people),
            homes=homes,
            who_read=lambda secret: who_read(self.graph, secret),
            security_channel=security,
            sign_in_link=self._sign_in_link,
            remind_after=config.spill.remind_after_minutes,
            eraser=_eraser(config),
        )
        worker = Worker(inbox, room)
        app = SlackApp(
            client,
            self._app_token,
            inbox,
            scan_messages=config.slack.scan_messages,
            may_join=lambda open_now: belonging.require_alone(
                open_now, self.response.engine.processes()
            ),
        )
        self.app = app
        self.response.records.on_change(publisher.look)
        warm_up()
        stack.callback(self.response.engine.stop)
        self.response.engine.launch()
        self.live = LiveGraph(
            self.graph.repository,
            self.graph.collect_context,
            leases=leases,
            clock=self.graph.now,
            pace=Pace(interval=config.collect.interval_seconds),
        )
        self.collected_once = self.live.collected_once
        self.live.start()
        stack.callback(self.live.stop)
        logs = FollowedLogs(self.graph.reads, self.graph.connections, clock=self.graph.now)
        logs.start()
        stack.callback(logs.stop)
        for part in (courier, publisher, homes, worker, app):
            part.start()
            stack.callback(part.stop)
        belonging.keep(own)
        metrics = Metrics(self.response.records, self.graph.repository, outbox, now=self.graph.now)
        settings = config.web
        self.gauges = self._open_door(inbox, stack, metrics) if settings.metrics_listen else None
        self.web = self._open_door(inbox, stack) if settings.listen else None
        if settings.hooks and not settings.listen:
            log.warning("web.hooks_unused", because="web.listen is empty")

    def _open_door(
        self, inbox: Inbox, stack: ExitStack, metrics: Metrics | None = None
    ) -> WebServer:
        """Listen last, when everything behind the inbox runs: for Prometheus, or for the world."""
        web = WebServer(
            self._config.web,
            inbox,
            clock=self.graph.now,
            ready=lambda: readiness(inbox, self.app),
            metrics=metrics.text if metrics else None,
            pages=None if metrics else self._pages(),
        )
        stack.callback(web.stop)
        web.start()
        return web

    def _pages(self) -> StepUpPages | None:
        settings = self._config.step_up
        if not settings.issuer:
            return None
        provider = Oidc(settings, clock=self.graph.now)
        return StepUpPages(self.response.desk, sign_in_links(self._config), provider)

    def _sign_in_link(self, request_id: str, person: Person) -> str:
        asked = self.response.desk.step_up.ask(request_id, person)
        return sign_in_links(self._config).of(asked) if asked else ""


def _eraser(config: Config) -> Eraser | None:
    """Give the right to delete messages; None without a token, and where nothing may be changed."""
    token = config.slack.admin_user_token
    if token is None or config.response.mode is Mode.OBSERVE:
        return None
    return Eraser(web_client(token.get_secret_value(), base_url=config.slack.base_url))


def _may_attach(settings: SlackSettings, scopes: Scopes) -> bool:
    """Tell whether files are wanted and allowed; while Slack does not say, not."""
    if "lists" not in settings.wanted_features:
        return False
    try:
        return scopes.has("files:write")
    except LocksmithError:
        return False


def readiness(inbox: Inbox, app: SlackApp) -> dict[str, str]:
    """Name the parts that a request needs, each with its problem ("" if there is none)."""
    try:
        inbox.require_writable()
    except UnavailableError as error:
        log.warning("database.not_writable", happened=error.happened)
        database = "not writable"
    else:
        database = ""
    return {"database": database, "slack": app.problem}
