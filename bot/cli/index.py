"""The index of fingerprints: under which keys it is, and how its key is changed."""

from typing import Annotated

import typer

from bot.cli.app import app, configuration
from bot.cli.ask import AsJson
from bot.cli.output import print_json, print_table, say
from bot.graph_parts import GraphParts, graph_parts
from bot.keys import forget_previous, new_key
from graph.collect import collect
from graph.errors import ConflictError
from graph.index import forget_keys, index_state

index_commands = typer.Typer(help="The index of fingerprints.", no_args_is_help=True)
app.add_typer(index_commands, name="index")


@index_commands.command("status")
def status_command(context: typer.Context, as_json: AsJson = False) -> None:
    """Count what is under the present key, and what still waits under a former one."""
    parts = graph_parts(configuration(context))
    if as_json:
        print_json(
            {
                "key_id": parts.fingerprinter.key_id,
                "previous_key_ids": parts.fingerprinter.previous_key_ids,
                "waiting": _waiting(parts),
                "index": index_state(parts.database.engine),
            }
        )
        return
    _show(parts)


@index_commands.command("rekey")
def rekey_command(
    context: typer.Context,
    later: Annotated[
        bool, typer.Option("--later", help="Only change the key; the bot's next looks do the rest.")
    ] = False,
) -> None:
    """
    Change the key in the data folder, and fingerprint everything anew from the stores.

    A configured key is changed by its owner; then `rekey` says how, and `status` how far it is.
    """
    config = configuration(context)
    file = new_key(config)
    say(f"A new key is in {file}; the former one is kept beside it. Restart the bot now.")
    parts = graph_parts(config)
    if not later:
        for result in collect(parts.repository, parts.collect_context, now=parts.now()):
            say(
                f"{result.source}: {result.fingerprints} fingerprints under the new key"
                + (f". {result.refused}" if result.refused else "")
            )
    _show(parts)


@index_commands.command("forget")
def forget_command(
    context: typer.Context,
    force: Annotated[
        bool, typer.Option("--force", help="Even if digests still wait under a former key.")
    ] = False,
) -> None:
    """Drop the former keys of the data folder, and what is left of the index under them."""
    config = configuration(context)
    parts = graph_parts(config)
    waiting = _waiting(parts)
    if waiting and not force:
        raise ConflictError(
            f"{waiting} digests are still under a former key.",
            means="Without it those values would not be recognised.",
            do_now="Run “locksmith collect”, look at “locksmith index status”, or add --force.",
        )
    gone = forget_keys(parts.database.engine, [parts.fingerprinter.key_id])
    keys = forget_previous(config)
    say(f"{keys} former keys and {gone} digests under them are gone. Restart the bot.")
    if config.fingerprint.previous_keys:
        say("Keys in `fingerprint.previous_keys` are yours to delete.")


def _waiting(parts: GraphParts) -> int:
    present = parts.fingerprinter.key_id
    return sum(one.digests for one in index_state(parts.database.engine) if one.key_id != present)


def _show(parts: GraphParts) -> None:
    present, former = parts.fingerprinter.key_id, parts.fingerprinter.previous_key_ids
    state = index_state(parts.database.engine)
    names = {present: "present", **dict.fromkeys(former, "former")}
    print_table(
        "",
        ("key", "", "source", "digests", "secrets"),
        (
            (
                one.key_id,
                names.get(one.key_id, "not here"),
                one.source,
                str(one.digests),
                str(one.secrets),
            )
            for one in state
        ),
    )
    waiting, everything = _waiting(parts), sum(one.digests for one in state)
    if waiting:
        say(
            f"{everything - waiting} of {everything} digests are under the present key {present}. "
            "The others follow at the next look at their sources; keep the former key until then."
        )
    elif former:
        say(
            f"All {everything} digests are under the present key {present}. The former keys are"
            " needed no more to recognise what is stored; they recognise values of incidents"
            " from before the change, and open the older part of the audit log. To drop them:"
            " “locksmith index forget”."
        )
    else:
        say(f"All {everything} digests are under the one key {present}.")
