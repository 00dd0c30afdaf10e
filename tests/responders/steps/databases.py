"""A real PostgreSQL that asks for passwords, and a real OpenBao whose engines the bot may use."""

import re
import secrets
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import hvac
import psycopg

from graph.collector import Permission
from graph.connections import Connections, PostgresSettings, VaultSettings
from graph.plugins import discover
from responders.step import AnyStep, Step

STEPS = discover(Step, "responders.steps")


def ask_for_passwords(folder: str) -> None:
    """Have everybody but the superuser log in with a password; returns when it is so."""
    rules = Path(folder) / "data" / "pg_hba.conf"
    rules.write_text("local all postgres trust\nlocal all all scram-sha-256\n")
    with psycopg.connect(host=folder, user="postgres", autocommit=True) as connection:
        connection.execute("CREATE ROLE nobody_yet LOGIN")
        connection.execute("SELECT pg_reload_conf()")
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            try:
                psycopg.connect(host=folder, user="nobody_yet", dbname="postgres").close()
            except psycopg.OperationalError:
                break
        connection.execute("DROP ROLE nobody_yet")


@dataclass
class Orders:
    """
    One server, for one test: an admin role that is no superuser, and the roles that it made.

    `folder` is that of the socket; `suffix` keeps the names of two tests apart.
    """

    folder: str
    suffix: str = field(default_factory=lambda: secrets.token_hex(4))
    password: str = field(default_factory=lambda: secrets.token_hex(12))

    @property
    def admin(self) -> str:
        return f"adm_{self.suffix}"

    def name(self, role: str) -> str:
        return f"{role}_{self.suffix}"

    def settings(self, vault_connection: str = "") -> PostgresSettings:
        return PostgresSettings.model_validate(
            {
                "host": self.folder,
                "admin_user": self.admin,
                "admin_password": self.password,
                "vault_connection": vault_connection,
            }
        )

    def connect(self, user: str, password: str, **more: str) -> psycopg.Connection[Any]:
        return psycopg.connect(
            host=self.folder,
            dbname="postgres",
            user=user,
            password=password,
            autocommit=True,
            application_name=more.get("client", "shop"),
        )

    def logs_in(self, user: str, password: str) -> bool:
        try:
            self.connect(user, password).close()
        except psycopg.OperationalError:
            return False
        return True

    def run(self, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
        """Run one statement as the superuser, for whom the server asks for no password."""
        with psycopg.connect(host=self.folder, user="postgres", autocommit=True) as connection:
            done = connection.execute(statement, parameters or None)  # type: ignore[call-overload]
            return list(done.fetchall()) if done.description else []

    def make_role(self, role: str, password: str) -> str:
        name = self.name(role)
        with self.connect(self.admin, self.password) as connection:
            connection.execute(f"CREATE ROLE {name} LOGIN PASSWORD '{password}'")  # type: ignore[arg-type]
        return name

    def users(self) -> set[str]:
        return {row[0] for row in self.run("SELECT rolname::text FROM pg_roles")}

    def create_admin(self) -> None:
        self.run(
            f"CREATE ROLE {self.admin} LOGIN CREATEROLE PASSWORD '{self.password}'"
            " IN ROLE pg_signal_backend, pg_read_all_stats"
        )

    @contextmanager
    def set_up(self) -> Iterator["Orders"]:
        self.create_admin()
        try:
            yield self
        finally:
            for name in self.users():
                if self.suffix in name:
                    self.run(f'DROP ROLE "{name}"')


@dataclass
class Vault:
    """A running OpenBao; `connections` may do exactly what the named steps declare."""

    address: str
    root: hvac.Client
    mount: str  # of the KV secrets
    opened: list[Connections] = field(default_factory=list)

    def call(self, method: str, path: str, **body: object) -> dict[str, Any]:
        answer = self.root.adapter.request(method, f"/v1/{path}", json=body or None)
        return answer if isinstance(answer, dict) else {}

    def enable(self, kind: str, where: str = "mounts") -> str:
        mount = f"{kind}-{secrets.token_hex(4)}"
        self.call("post", f"sys/{where}/{mount}", type=kind)
        return mount

    def ref(self, path: str) -> str:
        return f"vault://main/{self.mount}/{path}"

    def put(self, path: str, **fields: str) -> int:
        answer = self.root.secrets.kv.v2.create_or_update_secret(
            path, fields, mount_point=self.mount
        )
        return int(answer["data"]["version"])

    def read(self, path: str, version: int | None = None) -> dict[str, str]:
        answer = self.root.secrets.kv.v2.read_secret_version(
            path, version=version, mount_point=self.mount, raise_on_deleted_version=True
        )
        fields: dict[str, str] = answer["data"]["data"]
        return fields

    def connections(
        self,
        steps: Iterable[str],
        *,
        mount: str = "",
        address: str = "",
        databases: dict[str, PostgresSettings] | None = None,
        **others: Any,
    ) -> Connections:
        """Log in with what the steps declare, no more: that it suffices is part of the tests."""
        members: list[AnyStep] = [STEPS[name]() for name in steps]
        name = f"p-{secrets.token_hex(4)}"
        rules = [rule for member in members for rule in member.permissions]
        self.call("put", f"sys/policies/acl/{name}", policy=self._policy(rules, mount))
        token = self.root.auth.token.create(policies=[name], no_parent=True)
        settings = VaultSettings.model_validate(
            {"address": address or self.address, "token": token["auth"]["client_token"]}
        )
        opened = Connections({"main": settings}, {}, {}, databases, **others)
        self.opened.append(opened)
        return opened

    def _policy(self, permissions: Iterable[Permission], mount: str) -> str:
        allowed: dict[str, set[str]] = {}
        for permission in permissions:
            found = re.fullmatch(r'path "([^"]+)" \{ capabilities = \[(.+)\] \}', permission.rule)
            if found is None:
                continue
            path, granted = found[1], re.findall(r'"(\w+)"', found[2])
            home = self.mount if re.match(r"MOUNT/(data|metadata|destroy)/", path) else mount
            path = re.sub(r"\b(PATH|ROLE|SERIAL|NAME|ID|CONNECTION)\b", "+", path)
            path = path.replace("MOUNT", home)
            allowed.setdefault(re.sub(r"/\+$", "/*", path), set()).update(granted)
        return "\n".join(
            f'path "{path}" {{ capabilities = {sorted(granted)} }}'.replace("'", '"')
            for path, granted in allowed.items()
        )
