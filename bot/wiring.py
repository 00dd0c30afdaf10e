"""
The composition root: a configuration becomes parts that are ready to use.

`bot.graph_parts` (database, connections, graph) is by itself; `response_parts` (incidents and their
runs) is put on top of it, and Slack on top of both in `bot.serving`. Nothing is called over the
network here.
"""

import os
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from pydantic import ValidationError

from bot import inbox, outbox  # noqa: F401 - their tables must be known to create_all
from bot.graph_parts import GraphParts
from bot.keys import installation_keys
from bot.settings import Config, PagerEntry
from bot.slack import belonging, message_rows  # noqa: F401
from bot.step_up import Links
from bot.work import homes, spills  # noqa: F401
from graph import refs
from graph.errors import BadInputError, RefusedError
from graph.plugins import discover
from graph.uses import UseLogs
from responders.approvals import Member, Resolve
from responders.audit import AuditChain
from responders.desk import IncidentDesk
from responders.engine import RunEngine
from responders.incident import Person
from responders.limits import EngineSettings
from responders.pager import AnyPager, Pager
from responders.personal import Personal
from responders.planner import Planner
from responders.playbook import load_playbooks
from responders.records import IncidentRecords
from responders.standing import Standing
from responders.step import Step
from responders.switchboard import PagerRoute, Switchboard

GroupMembers = Callable[[str], Sequence[Member]]


@dataclass(frozen=True, slots=True)
class ResponseParts:
    """What an incident needs, on top of the graph. `engine` is not launched yet."""

    graph: GraphParts
    records: IncidentRecords
    engine: RunEngine
    desk: IncidentDesk
    personal: Personal


def response_parts(graph: GraphParts, *, resolve: Resolve | None = None) -> ResponseParts:
    """Put incidents and their runs on top of the graph; `resolve` says who an approver entry is."""
    config = graph.config
    graph.database.create_all()  # the tables of incidents, which the graph alone does not know
    keys = installation_keys(config)
    chain = AuditChain.from_installation_key(
        keys.present.get_secret_value(), previous=keys.reveal_previous()
    )
    records = IncidentRecords(graph.database.engine, chain, now=graph.now)
    steps = {name: member() for name, member in discover(Step, "responders.steps").items()}
    folder = config.response.playbooks
    playbooks = load_playbooks(Path(folder) if folder else None)
    logs = UseLogs(graph.reads, graph.connections)
    planner = Planner(
        playbooks,
        steps,
        logs=logs.sources,
        silent_seconds=config.response.silent_seconds,
        file_seconds={name: its.volume_sync_seconds for name, its in config.kubernetes.items()},
        rollback=config.response.rollback,
    )
    engine = RunEngine(
        records,
        steps=steps,
        connections=graph.connections,
        fingerprinter=graph.fingerprinter,
        switchboard=Switchboard(
            records.journal.pages,
            pager_routes(config),
            installation=config.installation,
            settings=config.paging,
            default_owner=config.default_owner,
        ),
        settings=EngineSettings(
            mode=config.response.mode,
            allow=config.response.allow,
            retry_seconds=config.response.retry_seconds,
            silent_seconds=config.response.silent_seconds,
        ),
        database_url=graph.database.url,
        now=graph.now,
        default_owner=config.default_owner,
        logs=logs,
    )
    desk = IncidentDesk(
        records,
        graph.repository,
        planner=planner,
        engine=engine,
        policy=config.approvals,
        resolve=resolve or resolver(config),
        rules=config.severity,
        environments=config.environments,
        now=graph.now,
        step_up_minutes=config.step_up.link_minutes if config.step_up.issuer else None,
    )
    personal = Personal(
        records,
        graph.repository.snapshot,
        Standing(config.approvals, resolve or resolver(config)),
        tuple(playbooks.values()),
    )
    return ResponseParts(graph=graph, records=records, engine=engine, desk=desk, personal=personal)


def sign_in_links(config: Config) -> Links:
    """Give what makes the links to sign in before an approval; any process makes the same."""
    return Links(installation_keys(config).present.get_secret_value(), config.step_up.public_url)


def executor_name() -> str:
    """Name this process among replicas: host and process id."""
    return f"{socket.gethostname()}-{os.getpid()}"


def resolver(config: Config, group_members: GroupMembers | None = None) -> Resolve:
    """
    Build what turns an approver entry ("team:x", "group:x", an e-mail) into people.

    `group_members` resolves a Slack user group; without it (the command line) such an entry is
    refused with that reason.
    """

    def resolve(entry: str) -> Sequence[Member]:
        kind, _, name = entry.partition(":")
        if kind == "team":
            team = config.teams.get(unquote(name))
            if team is None:
                raise RefusedError(
                    f"The approvers name the team “{name}”, which the configuration does not have.",
                    means="Nobody can approve through it.",
                    do_now=f"Add teams.{name} with its members.",
                )
            members = [Member(Person(identity=member)) for member in team.members]
            if team.slack_group and group_members is not None:
                members += group_members(team.slack_group)
            return members
        if kind == "group":
            if group_members is None:
                raise RefusedError(
                    f"The approvers name the Slack group “{name}”; Slack is not connected here.",
                    means="Who is in it cannot be known now.",
                    do_now="Approve in Slack, or name approvers as team:… or by e-mail.",
                )
            return group_members(name)
        return [Member(Person(identity=unquote(entry.removeprefix("person:"))))]

    return resolve


def pager_routes(config: Config) -> list[PagerRoute]:
    """
    Make every configured pager; one that teams name reaches those teams and their members only.

    Raises:
        BadInputError: a pager is of no known kind, or its settings are wrong.
    """
    kinds = discover(Pager, "responders.pagers")
    routes = []
    for name, entry in config.pagers.items():
        member = kinds.get(entry.kind)
        if member is None:
            raise BadInputError(
                f"pagers.{name}.kind is “{entry.kind}”, and there is no such pager.",
                do_now=f"Use one of: {', '.join(sorted(kinds))}.",
            )
        teams = {team: its for team, its in config.teams.items() if name in its.pagers}
        owners = {refs.team(team) for team in teams}
        owners |= {refs.person(member) for its in teams.values() for member in its.members}
        route = PagerRoute(
            name,
            _pager(name, entry, member),
            tier=entry.tier,
            owners=frozenset(owners),
            severities=frozenset(entry.severities),
        )
        routes.append(route)
    return routes


def _pager(name: str, entry: PagerEntry, member: type[AnyPager]) -> AnyPager:
    try:
        return member(member.Settings.model_validate(entry.model_extra or {}))
    except ValidationError as error:
        wrong = ", ".join(
            ".".join(str(part) for part in problem["loc"]) + ": " + problem["msg"]
            for problem in error.errors(include_input=False, include_url=False)
        )
        raise BadInputError(
            f"pagers.{name} is not usable: {wrong}.",
            do_now=f"See the settings of the pager “{entry.kind}” in config.example.yaml.",
        ) from None
