"""Running it: `serve`, `demo`, `check`, `migrate`, `slack`, `audit`."""

from importlib.resources import files
from pathlib import Path
from typing import Annotated

import typer

from bot.checks.everything import check_everything
from bot.checks.finding import Outcome
from bot.cli.app import app, configuration
from bot.cli.ask import AsJson
from bot.cli.incidents import response
from bot.cli.output import print_json, print_table, say
from bot.ending import Ending
from bot.graph_parts import graph_parts
from bot.logs import configure_logging
from bot.serving import Serving
from bot.slack.belonging import Belonging, app_of
from bot.slack_api import web_client
from bot.slack_features import manifest
from bot.wiring import response_parts
from graph.errors import BadInputError
from responders.audit import Checkpoint

slack_commands = typer.Typer(help="The Slack app.", no_args_is_help=True)
audit_commands = typer.Typer(help="The audit log.", no_args_is_help=True)
app.add_typer(slack_commands, name="slack")
app.add_typer(audit_commands, name="audit")


@app.command("serve")
def serve_command(context: typer.Context) -> None:
    """Run the bot: Slack, the worker, the runs, and the graph kept current. Ends on SIGTERM."""
    config = configuration(context)
    configure_logging("DEBUG" if context.obj["verbose"] else config.log_level, as_json=True)
    ending = Ending()
    with Serving(config, reload=lambda: configuration(context)) as serving:
        say(f"Locksmith is connected to Slack. {serving.graph.database.shown}. Ctrl-C ends it.")
        ending.wait()
        say("Ending: what is running is checkpointed and goes on at the next start.")


@app.command("demo")
def demo_command(
    context: typer.Context,
    check: Annotated[
        bool, typer.Option("--check", help="Play the story headless; fail if any part fails.")
    ] = False,
    kubeconfig: Annotated[
        Path | None, typer.Option("--kubeconfig", help="Play it on this real cluster.")
    ] = None,
    port: Annotated[int, typer.Option("--port", help="The page's port; 0: any free one.")] = 0,
) -> None:
    """See and click the whole story on this machine; nothing else is needed."""
    try:
        from bot.sandbox.demo import check_demo, show_demo  # noqa: PLC0415 - an optional extra
    except ModuleNotFoundError as error:
        raise BadInputError(
            f"The demo needs the package {error.name}, which is not installed.",
            do_now="Install Locksmith with its extra: pip install 'locksmith[demo]'.",
        ) from None
    if not context.obj["verbose"]:
        configure_logging("ERROR", as_json=False)
    if check:
        if not check_demo(kubeconfig):
            raise typer.Exit(1)
        return
    show_demo(kubeconfig, port=port)


@app.command("check")
def check_command(context: typer.Context, as_json: AsJson = False) -> None:
    """Try every connection: what works, what lacks permission, and how to grant it."""
    parts = graph_parts(configuration(context))
    found = list(check_everything(parts))
    missing = [one for one in found if one.outcome is Outcome.MISSING]
    if as_json:
        print_json({"ok": not missing, "checks": found})
    else:
        sign = {Outcome.OK: "✓", Outcome.MISSING: "✗", Outcome.OPTIONAL: "○"}
        print_table(
            "",
            ("", "connection", "what", "seen", "do now"),
            ((sign[c.outcome], c.connection, c.what, c.detail, c.do_now) for c in found),
        )
        optional = sum(one.outcome is Outcome.OPTIONAL for one in found)
        say(
            f"{len(found) - len(missing) - optional} work, {len(missing)} missing (✗), "
            f"{optional} optional (○: Locksmith works with less)."
        )
    if missing:
        raise typer.Exit(1)


@app.command("migrate")
def migrate_command(context: typer.Context) -> None:
    """Make the tables that are missing; safe to repeat."""
    config = configuration(context)
    parts = response_parts(graph_parts(config))
    parts.graph.close()
    say(f"The database is ready: {parts.graph.database.shown}")


@slack_commands.command("manifest")
def manifest_command(
    context: typer.Context,
    name: Annotated[
        str, typer.Option("--name", help="The app's name; a test app needs one of its own.")
    ] = "",
) -> None:
    """Print the app manifest to paste at api.slack.com/apps, for the features of the config."""
    full = (files("bot.slack") / "manifest.yaml").read_text()
    say(manifest(full, configuration(context).slack.wanted_features, name=name).rstrip())


@slack_commands.command("adopt")
def adopt_command(context: typer.Context) -> None:
    """Have this database serve the app of slack.bot_token from now on, whatever it served."""
    config = configuration(context)
    if config.slack.bot_token is None:
        raise BadInputError(
            "slack.bot_token is not set.", do_now="Set the token of the app that is meant."
        )
    token = config.slack.bot_token.get_secret_value()
    own = app_of(web_client(token, base_url=config.slack.base_url))
    parts = graph_parts(config)
    kept = Belonging(parts.database.engine)
    before = kept.kept()
    kept.adopt(own)
    parts.close()
    say(f"{parts.database.shown} serves {own}." + (f" It served {before}." if before else ""))


@audit_commands.command("verify")
def verify_command(
    context: typer.Context,
    checkpoint: Annotated[
        list[str] | None,
        typer.Option("--checkpoint", help="A checkpoint line, as posted in an incident's thread."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Verify the chain; with checkpoints kept elsewhere also truncation and restamping."""
    with response(context) as parts:
        verdict = parts.records.verify_audit([Checkpoint.parse(line) for line in checkpoint or ()])
    if as_json:
        print_json(verdict)
    else:
        say(verdict.sentence)
    if verdict.finding != "intact":
        raise typer.Exit(1)


@audit_commands.command("export")
def export_command(context: typer.Context) -> None:
    """Print every entry of the audit log as JSON."""
    with response(context) as parts:
        print_json(list(parts.records.ledger.entries()))
