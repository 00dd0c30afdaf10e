"""`check` on pagers, databases, catalogues and the web door."""

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg

from bot.checks.finding import Checked, Outcome
from bot.checks.reaching import check_catalogs, check_databases, check_pagers, check_web
from bot.graph_parts import graph_parts
from bot.settings import Config
from tests.servers import postgres
from tests.servers.oncall import ROUTING_KEY, oncall

DEAD = "http://127.0.0.1:9"
postgres_server = postgres.postgres_server  # the fixture


def by_place(found: Iterator[Checked]) -> dict[str, Checked]:
    listed = {f"{one.connection}: {one.what}": one for one in found}
    for one in listed.values():
        assert one.outcome is Outcome.OK or (one.detail and one.do_now), one
    return listed


def config(**settings: Any) -> Config:
    return Config.model_validate(settings)


def test_a_pager_that_cannot_be_reached_and_a_team_without_one_are_named() -> None:
    with oncall() as system:
        duty = {"kind": "pagerduty", "routing_key": ROUTING_KEY}
        found = by_place(
            check_pagers(
                config(
                    pagers={
                        "live": {**duty, "base_url": system.address},
                        "dead": {**duty, "base_url": DEAD},
                    },
                    teams={"payments": {"pagers": ["live", "dead", "gone"]}},
                )
            )
        )
        assert system.requests == []  # a check rings nobody
    assert found["pager live: reach"].outcome is Outcome.OK
    assert "127.0.0.1:9" in found["pager dead: reach"].detail
    assert "gone" in found["pagers: team payments"].detail
    assert "team:security" in found["pagers: last tier"].detail
    wrong = by_place(check_pagers(config(pagers={"x": {"kind": "pagerduty", "routing_key": "s"}})))
    assert "32 characters" in wrong["pagers: settings"].detail


def test_hooks_and_the_door() -> None:
    hook = {"kind": "github", "secret": "x" * 16}
    shut = by_place(check_web(config(web={"hooks": {"gh": hook}})))
    assert shut["web: listen"].outcome is Outcome.MISSING
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        odd = {"gh": hook, "odd": {**hook, "kind": "githup"}}
        found = by_place(check_web(config(web={"listen": listen, "hooks": odd})))
    assert found["web: listen"].outcome is Outcome.OPTIONAL
    assert found["web: hook gh"].outcome is Outcome.OK
    assert "githup" in found["web: hook odd"].detail
    assert by_place(check_web(config(web={"listen": "127.0.0.1:0"})))["web: listen"].outcome == "ok"
    assert list(check_web(config())) == []


def test_a_catalogue_that_does_not_answer_and_files_that_are_not_there() -> None:
    catalogs = {"main": {"url": DEAD, "files": ["/nowhere/*.yaml"]}}
    found = by_place(check_catalogs(config(catalogs=catalogs)))
    assert found["catalog main: read"].outcome is Outcome.MISSING
    assert found["catalog main: files"].outcome is Outcome.MISSING


def test_a_database_server_and_what_its_admin_role_may_do(
    postgres_server: str, tmp_path: Path
) -> None:
    server = {"host": postgres_server, "sslmode": "disable"}
    with psycopg.connect(f"host={postgres_server} user=postgres dbname=postgres") as admin:
        admin.execute("DROP ROLE IF EXISTS checks_weak")
        admin.execute("CREATE ROLE checks_weak LOGIN")
    settings = config(
        data_folder=str(tmp_path),
        databases={
            "strong": {**server, "admin_user": "postgres"},
            "weak": {**server, "admin_user": "checks_weak"},
            "gone": {"host": "127.0.0.1", "port": 9, "admin_user": "x", "sslmode": "disable"},
        },
    )
    parts = graph_parts(settings)
    try:
        found = by_place(check_databases(parts))
    finally:
        parts.close()
    strong = {place: one.outcome for place, one in found.items() if place.startswith("database s")}
    assert set(strong.values()) == {Outcome.OK}
    assert len(strong) == 4
    assert found["database weak: CREATEROLE"].outcome is Outcome.MISSING
    grant = found["database weak: pg_signal_backend"].do_now
    assert grant == "GRANT pg_signal_backend TO checks_weak;"
    assert found["database gone: log in"].outcome is Outcome.MISSING
