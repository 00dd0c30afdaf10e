"""App Home in the shell: `mine`, and the readiness of everybody's secrets: `readiness`."""

from collections.abc import Mapping, Sequence
from typing import Annotated

import typer

from bot.cli.app import app
from bot.cli.ask import AsJson
from bot.cli.incidents import AsPerson, acting, response
from bot.cli.output import print_json, print_table, say
from bot.settings import Config
from graph.errors import NotFoundError
from graph.refs import Ref
from graph.words import counted
from responders.mine import Lack, Readiness

NOBODY = "nobody"
_SHOWN = 200  # secrets that a list names
_COLUMNS = {
    Lack.OWNER: "without owner",
    Lack.PLAYBOOK: "by hand",
    Lack.ROTATION: "never rotated",
}


@app.command("readiness")
def readiness_command(
    context: typer.Context,
    owner: Annotated[
        str, typer.Argument(help="A team or a person, such as payments; empty: everybody.")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Show how ready secrets are for a leak: owner, playbook, rotated once; by owner."""
    with response(context) as parts:
        found = parts.personal.readiness()
    shown = [one for one in found if not owner or owner in _names(one)]
    if owner and not shown:
        known = ", ".join(_names(one)[0] for one in found) or "none yet: run `locksmith collect`"
        raise NotFoundError(
            f"“{owner}” owns no secret that Locksmith knows of, and uses none.",
            do_now=f"Owners: {known}.",
        )
    if as_json:
        print_json([_as_json(one) for one in shown])
        return
    print_table(
        counted(len(shown), "owner"),
        ("owner", "secrets", "used besides", *_COLUMNS.values()),
        (
            (
                _names(one)[0],
                str(len(one.secrets)),
                str(len(set(one.used) - set(one.secrets))),
                *(_count(one, lack) for lack in _COLUMNS),
            )
            for one in shown
        ),
    )
    if owner:
        for one in shown:
            _print_lacks(one)


@app.command("mine")
def mine_command(context: typer.Context, person: AsPerson = "", as_json: AsJson = False) -> None:
    """Show what App Home shows: what waits for me, my secrets, what they lack, open incidents."""
    who = acting(person)
    with response(context) as parts:
        found = parts.personal.of(who)
        remark = _unknown_groups(parts.graph.config)
    if as_json:
        print_json(
            {
                "waiting": [
                    {"incident": c.id, "why": w, "next": w.words} for c, w in found.waiting
                ],
                "teams": found.teams,
                "secrets": found.secrets,
                "used": found.used,
                "lacks": _lacks(found.lacks),
                "open": [case.id for case in found.cases],
                "remark": remark,
            }
        )
        return
    print_table(
        f"Waiting for me: {len(found.waiting)}",
        ("incident", "severity", "what", "why"),
        ((case.id, str(case.severity), case.title, wait.words) for case, wait in found.waiting),
    )
    teams = ", ".join(found.teams) or "no team that owns a secret"
    _print_refs(f"My secrets: {len(found.secrets)}, of {teams}", found.secrets)
    _print_lacks(Readiness("", found.secrets, found.used, found.lacks))
    print_table(
        f"Open incidents: {len(found.cases)}",
        ("incident", "severity", "state", "what", "next"),
        ((c.id, str(c.severity), str(c.state), c.title, c.next_action) for c in found.cases),
    )
    if remark:
        say(remark)


def _unknown_groups(config: Config) -> str:
    """Say what the shell cannot know: without Slack nobody is in a group of Slack."""
    groups = [entry for entry in config.approvals.approvers if entry.startswith("group:")]
    groups += [f"teams.{name}" for name, team in config.teams.items() if team.slack_group]
    if not groups:
        return ""
    return (
        f"Slack is not asked here, so who is in its groups ({', '.join(groups)}) is not counted: "
        "more may wait for you. App Home knows."
    )


def _names(one: Readiness) -> tuple[str, ...]:
    """Return how an owner may be called, the whole ref first."""
    return (one.owner, one.owner.partition(":")[2]) if one.owner else (NOBODY,)


def _count(one: Readiness, lack: Lack) -> str:
    number = len(one.lacks.get(lack, ()))
    return str(number) if number else "✓"


def _as_json(one: Readiness) -> dict[str, object]:
    return {
        "owner": one.owner,
        "secrets": one.secrets,
        "used": one.used,
        "lacks": _lacks(one.lacks),
    }


def _lacks(lacks: Mapping[Lack, Sequence[Ref]]) -> dict[str, Sequence[Ref]]:
    return {lack.name.lower(): lacks.get(lack, ()) for lack in Lack}


def _print_lacks(one: Readiness) -> None:
    for lack, refs in one.lacks.items():
        _print_refs(f"{len(refs)}: {lack}", refs)


def _print_refs(title: str, refs: tuple[Ref, ...]) -> None:
    print_table(title, ("",), ((str(ref),) for ref in refs[:_SHOWN]))
    if len(refs) > _SHOWN:
        say(f"… and {len(refs) - _SHOWN} more; --json lists all.")
