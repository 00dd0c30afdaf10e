"""
Checks what is reached beside stores and clusters: pagers, databases, catalogues, our own web door.

No page is sent: that is `locksmith pager test`. A pager counts as reachable if its host takes a
connection.
"""

import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

from bot.checks.finding import Checked, Outcome, failed
from bot.graph_parts import GraphParts
from bot.intake.hook import Hook
from bot.oidc import Oidc
from bot.settings import Config
from bot.wiring import pager_routes
from graph.catalog_api import entities_of_api, files_of
from graph.errors import LocksmithError
from graph.plugins import discover
from responders.pager import AnyPager

_SECONDS = 5.0
_RIGHTS = "rolcreaterole OR rolsuper"


def check_pagers(config: Config) -> Iterator[Checked]:
    """Look at every pager, and at who has none."""
    try:
        routes = pager_routes(config)
    except LocksmithError as error:
        yield failed("pagers", "settings", error)
        return
    for route in routes:
        yield _host(f"pager {route.name}", route.pager)
    for name, team in config.teams.items():
        for unknown in [pager for pager in team.pagers if pager not in config.pagers]:
            yield Checked(
                "pagers",
                f"team {name}",
                Outcome.MISSING,
                f"teams.{name}.pagers names {unknown}, which is not configured",
                f"Add pagers.{unknown}, or take it off the team.",
            )
    last = [route for route in routes if not route.owners or config.default_owner in route.owners]
    if routes and not last:
        yield Checked(
            "pagers",
            "last tier",
            Outcome.MISSING,
            f"{config.default_owner} (default_owner) has no pager: it is everybody's last tier",
            f"Name a pager in the team of default_owner: {config.default_owner}.",
        )


def _host(connection: str, pager: AnyPager) -> Checked:
    settings = pager.settings
    url = getattr(settings, "url", "") or getattr(settings, "base_url", "")
    parts = urlsplit(url)
    host = parts.hostname or getattr(settings, "host", "")
    port = parts.port or getattr(settings, "port", 0) or (80 if parts.scheme == "http" else 443)
    try:
        socket.create_connection((host, port), timeout=_SECONDS).close()
    except OSError as error:
        return Checked(
            connection,
            "reach",
            Outcome.MISSING,
            f"{host}:{port} takes no connection ({type(error).__name__})",
            "Check the address and the network policy of the bot; then `locksmith pager test`.",
        )
    return Checked(connection, "reach", Outcome.OK, f"{pager.name}, {host}:{port}")


def check_databases(parts: GraphParts) -> Iterator[Checked]:
    """Log in to each database server as its admin role, and look at what that may do."""
    for name, settings in parts.config.databases.items():
        connection = f"database {name}"
        try:
            with parts.connections.postgres(name).admin("look at the admin role") as admin:
                row = admin.execute(
                    f"SELECT {_RIGHTS}, pg_has_role(current_user, 'pg_signal_backend', 'USAGE'), "  # noqa: S608 - a constant
                    "pg_has_role(current_user, 'pg_read_all_stats', 'USAGE') "
                    "FROM pg_roles WHERE rolname = current_user"
                ).fetchone()
        except LocksmithError as error:
            yield failed(connection, "log in", error)
            continue
        yield Checked(connection, "log in", Outcome.OK, f"{settings.admin_user}@{settings.host}")
        rights = ("CREATEROLE", "pg_signal_backend", "pg_read_all_stats")
        for right, granted in zip(rights, row or (False, False, False), strict=True):
            yield Checked(
                connection,
                right,
                Outcome.OK if granted else Outcome.MISSING,
                "" if granted else f"{settings.admin_user} does not have it",
                "" if granted else _grant(right, settings.admin_user),
            )


def _grant(right: str, role: str) -> str:
    if right == "CREATEROLE":
        return f"ALTER ROLE {role} CREATEROLE; and GRANT each role to it WITH ADMIN OPTION."
    return f"GRANT {right} TO {role};"


def check_catalogs(config: Config) -> Iterator[Checked]:
    """Ask each catalogue for its first entity, or count its files."""
    for name, settings in config.catalogs.items():
        connection = f"catalog {name}"
        if settings.url:
            try:
                next(iter(entities_of_api(name, settings)), None)
            except LocksmithError as error:
                yield failed(connection, "read", error)
            else:
                yield Checked(connection, "read", Outcome.OK, settings.url)
        if settings.files:
            count = len(files_of(settings))
            outcome = Outcome.OK if count else Outcome.MISSING
            cure = "" if count else f"Check catalogs.{name}.files."
            yield Checked(connection, "files", outcome, f"{count} files fit", cure)


def check_web(config: Config) -> Iterator[Checked]:
    """Look whether the doors can be opened, or are open, and whether each hook is known."""
    if config.web.metrics_listen:
        yield _door("metrics_listen", config.web.metrics_listen)
    if not config.web.listen:
        if config.web.hooks:
            yield Checked(
                "web",
                "listen",
                Outcome.MISSING,
                "web.hooks are configured and web.listen is empty",
                "Set web.listen, for example 0.0.0.0:8080.",
            )
        return
    yield _door("listen", config.web.listen)
    kinds = discover(Hook, "bot.intake.hooks")
    for name, hook in config.web.hooks.items():
        known = hook.kind in kinds
        yield Checked(
            "web",
            f"hook {name}",
            Outcome.OK if known else Outcome.MISSING,
            f"/hooks/{name}, {hook.kind}" if known else f"there is no kind “{hook.kind}”",
            "" if known else f"Use one of: {', '.join(sorted(kinds))}.",
        )


def check_step_up(parts: GraphParts) -> Iterator[Checked]:
    """Read the discovery document of the provider where approvers sign in."""
    settings = parts.config.step_up
    if not settings.issuer:
        return
    provider = Oidc(settings, clock=parts.now)
    try:
        provider.look()
    except LocksmithError as error:
        yield failed("step_up", "discovery", error)
    else:
        yield Checked("step_up", "discovery", Outcome.OK, f"redirects to {provider.redirect_uri}")


def _door(setting: str, listen: str) -> Checked:
    host, _, port = listen.rpartition(":")
    bare = host.strip("[]")
    family = socket.AF_INET6 if ":" in bare else socket.AF_INET
    try:
        with socket.socket(family) as door:
            door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            door.bind((bare, int(port)))
    except (OSError, ValueError, OverflowError) as error:
        why = getattr(error, "strerror", "") or "it is no ADDRESS:PORT"
        return Checked(
            "web",
            setting,
            Outcome.OPTIONAL,
            f"{listen}: {why}. If the bot runs here, that is its own door",
            "If it does not, free the port or choose another address.",
        )
    return Checked("web", setting, Outcome.OK, listen)
