"""Every check of every configured connection, one after the other."""

from collections.abc import Iterator

import httpx

from bot.checks.aws import check_aws
from bot.checks.finding import Checked, Outcome
from bot.checks.graph import check_graph
from bot.checks.kubernetes import check_kubernetes
from bot.checks.reaching import (
    check_catalogs,
    check_databases,
    check_pagers,
    check_step_up,
    check_web,
)
from bot.checks.slack import check_slack
from bot.checks.vault import check_vault
from bot.graph_parts import GraphParts
from bot.slack.belonging import Belonging


def check_everything(parts: GraphParts) -> Iterator[Checked]:
    """Look at the database, Slack, everything that is connected, and who can approve."""
    yield Checked("database", "open", Outcome.OK, parts.database.shown)
    yield from check_slack(parts.config.slack, Belonging(parts.database.engine).kept())
    for name in parts.connections.vault_names:
        yield from check_vault(name, parts.connections)
    for name in parts.connections.aws_names:
        yield from check_aws(name, parts.connections)
    for name in parts.connections.cluster_names:
        yield from check_kubernetes(name, parts.connections)
    yield from check_graph(parts.repository, now=parts.now())
    for name in parts.connections.issuer_names:
        yield _check_issuer(name, parts)
    yield from check_databases(parts)
    yield from check_catalogs(parts.config)
    yield from check_pagers(parts.config)
    yield from check_web(parts.config)
    yield from check_step_up(parts)
    yield from _check_response(parts)


def _check_issuer(name: str, parts: GraphParts) -> Checked:
    issuer = parts.connections.issuer(name)
    try:
        answer = httpx.head(issuer.base_url, timeout=10, follow_redirects=False)
    except httpx.HTTPError as error:
        return Checked(
            f"issuer {name}",
            "reach",
            Outcome.MISSING,
            f"{issuer.base_url} does not answer ({type(error).__name__})",
            "Check issuers.base_url and the network policy of the bot.",
        )
    return Checked(f"issuer {name}", "reach", Outcome.OK, f"answers {answer.status_code}")


def _check_response(parts: GraphParts) -> Iterator[Checked]:
    config = parts.config
    if not config.response.allow:
        yield Checked(
            "response",
            "what may be changed",
            Outcome.OPTIONAL,
            "response.allow is empty: every plan is refused when it should run",
            'List what may be changed, for example "vault://main/kv/*".',
        )
    for entry in config.approvals.approvers:
        kind, _, name = entry.partition(":")
        if kind == "team" and not config.teams.get(name):
            yield Checked(
                "response",
                "approvers",
                Outcome.MISSING,
                f"approvals.approvers names team:{name}, which is not configured",
                f"Add teams.{name}.members.",
            )
    if not config.pagers:
        yield Checked(
            "pagers",
            "reach",
            Outcome.OPTIONAL,
            "no pager is configured: owners are told in Slack only",
            "Add one under `pagers`.",
        )
