"""`locksmith pager test`: a page that says it is a test, and its end, through each pager."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from bot.cli.app import app, configuration
from bot.cli.ask import AsJson
from bot.cli.output import print_json, print_table, say
from bot.wiring import pager_routes
from graph.errors import NotFoundError
from responders.pager import Page, PageReceipt
from responders.switchboard import PagerRoute

pager_commands = typer.Typer(help="Ways to reach people.", no_args_is_help=True)
app.add_typer(pager_commands, name="pager")


@pager_commands.callback()
def pagers() -> None:
    """Ways to reach people."""


@pager_commands.command("test")
def try_pagers(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="One pager; empty: all of them.")] = "",
    as_json: AsJson = False,
) -> None:
    """Page through each pager, at the lowest severity, and call it off at once. Exits 1 if not."""
    config = configuration(context)
    routes = [route for route in pager_routes(config) if name in {"", route.name}]
    if not routes:
        known = ", ".join(sorted(config.pagers)) or "none"
        raise NotFoundError(
            f"There is no pager “{name}”." if name else "No pager is configured.",
            do_now=f"Configured under `pagers`: {known}.",
        )
    stamp = f"{datetime.now(UTC):%Y%m%dT%H%M%S}"
    tried = [(route, *_try(route, config.installation, stamp)) for route in routes]
    good = all(taken.confirmed and ended.confirmed for _, taken, ended in tried)
    if as_json:
        print_json(
            {
                "ok": good,
                "pagers": [
                    {"name": route.name, "tier": route.tier, "page": taken, "end": ended}
                    for route, taken, ended in tried
                ],
            }
        )
    else:
        sign = {True: "✓", False: "✗"}
        print_table(
            "",
            ("", "pager", "kind", "tier", "reaches", "page", "end"),
            (
                (
                    sign[taken.confirmed and ended.confirmed],
                    route.name,
                    route.pager.name,
                    str(route.tier),
                    ", ".join(sorted(o for o in route.owners if o.startswith("team:"))) or "all",
                    taken.sentence,
                    ended.sentence,
                )
                for route, taken, ended in tried
            ),
        )
        say("Taken means that the other side has it. Look whether it arrived where people look.")
    if not good:
        raise typer.Exit(1)


def _try(route: PagerRoute, installation: str, stamp: str) -> tuple[PageReceipt, PageReceipt]:
    page = Page(
        key=f"locksmith:{installation}:pager-test:{stamp}:{route.name}",
        incident_id="pager-test",
        owner=", ".join(sorted(route.owners)) or "everybody",
        severity="info",
        summary=f"Test of the pager {route.name}: nothing leaked",
        details=(("What", "Somebody ran `locksmith pager test`; nothing is to be done."),),
    )
    taken = route.pager.page(page)
    if not taken.confirmed:
        return taken, PageReceipt(confirmed=False, sentence="Not sent.")
    return taken, route.pager.resolve(page)
