"""Roles of a PostgreSQL server, changed directly and through OpenBao's database engine."""

import secrets
from collections.abc import Iterator
from typing import Any

from graph.model import Node, NodeKind, Observation
from graph.refs import Ref
from tests.crashes.place import SECRET, Place
from tests.responders.steps.databases import Orders


class Postgres(Place):
    """A role `shop_a` of a server that asks for passwords."""

    needs_postgres = True

    def prepare(self) -> None:
        self.orders = Orders(self.town.postgres, suffix=self.key)
        self.orders.create_admin()
        self.role = self.orders.make_role("shop_a", self.value)

    def config(self) -> dict[str, Any]:
        settings = self.orders.settings(self.connection())
        database = {name: getattr(settings, name) for name in type(settings).model_fields}
        return {"databases": {"orders": database}}

    def connection(self) -> str:
        return ""

    def works(self, user: str, password: str) -> Iterator[str]:
        if not self.orders.logs_in(user, password):
            yield "lost: the server refuses the value in the store"
        if self.orders.logs_in(self.role, self.value):
            yield "lost: the server takes the leaked value"


class PostgresPassword(Postgres):
    playbook, order = "postgres-password", "revoke-first"

    def prepare(self) -> None:
        super().prepare()
        other = self.orders.make_role("shop_b", "another")
        self.keep(
            {"username": self.role, "password": self.value},
            playbook=self.playbook,
            playbook_database="orders",
            playbook_role=self.role,
            playbook_other_role=other,
        )

    def wrongs(self) -> Iterator[str]:
        yield from self.replaced_once()
        now = self.vault.read(SECRET)
        yield from self.works(now["username"], now["password"])


class PostgresTwoRoles(PostgresPassword):
    playbook, order = "postgres-two-roles", "rotate-first"


class Engine(Postgres):
    """A database engine of OpenBao in front of the server."""

    def prepare(self) -> None:
        super().prepare()
        self.mount, self.root = self.vault.enable("database"), self.orders.name("engine")
        self.root_password = secrets.token_urlsafe(24)
        self.orders.run(f"CREATE ROLE {self.root} LOGIN SUPERUSER PASSWORD '{self.root_password}'")
        where = "postgresql://{{username}}:{{password}}@/postgres?host=" + self.town.postgres
        self.vault.call(
            "post",
            f"{self.mount}/config/orders",
            plugin_name="postgresql-database-plugin",
            allowed_roles="*",
            connection_url=where,
            username=self.root,
            password=self.root_password,
            username_template=f"v-{self.key}-{{{{.RoleName}}}}-{{{{random 8}}}}",
        )

    def connection(self) -> str:
        return f"vault://main/{self.mount}/config/orders"

    def seen(self) -> Observation | None:
        """Give what a sync would have named: the collector reads no database engine."""
        if not self.named:
            return None
        return Observation("syncs", (Node(Ref(self.named), NodeKind.SECRET),), ())


class StaticRole(Engine):
    playbook, order = "vault-database-static", "revoke-first"

    def prepare(self) -> None:
        super().prepare()
        self.vault.call(
            "post",
            f"{self.mount}/static-roles/shop",
            db_name="orders",
            username=self.role,
            rotation_period="24h",
        )
        self.value = self._now()["password"]
        self.named = f"vault://main/{self.mount}/static-creds/shop"

    def wrongs(self) -> Iterator[str]:
        yield from self.works(self.role, self._now()["password"])
        if (count := self.calls("update", f"{self.mount}/rotate-role/shop")) != 1:
            yield f"doubled: rotated {count} times"

    def _now(self) -> dict[str, str]:
        found: dict[str, str] = self.vault.call("get", f"{self.mount}/static-creds/shop")["data"]
        return found


class DynamicRole(Engine):
    playbook, order = "vault-database-dynamic", "rotate-first"

    def prepare(self) -> None:
        super().prepare()
        name = self.key[:8]  # users are recognised by it, and others are on this server
        self.vault.call(
            "post",
            f"{self.mount}/roles/{name}",
            db_name="orders",
            creation_statements=["CREATE ROLE \"{{name}}\" LOGIN PASSWORD '{{password}}'"],
            default_ttl="1h",
        )
        self.named = f"vault://main/{self.mount}/creds/{name}"
        found = self.vault.call("get", f"{self.mount}/creds/{name}")["data"]
        self.role, self.value = found["username"], found["password"]

    def wrongs(self) -> Iterator[str]:
        if self.orders.logs_in(self.role, self.value):
            yield "lost: the user of the leaked lease still logs in"


class EngineRoot(Engine):
    playbook, order = "vault-database-root", "revoke-first"

    def prepare(self) -> None:
        super().prepare()
        self.value = self.root_password
        self.keep(
            {"password": self.value},
            playbook=self.playbook,
            playbook_connection=self.connection(),
            playbook_database="orders",
        )

    def wrongs(self) -> Iterator[str]:
        if self.orders.logs_in(self.root, self.value):
            yield "lost: the server takes the leaked value"
        if (count := self.calls("update", f"{self.mount}/rotate-root/orders")) != 1:
            yield f"doubled: rotated {count} times"
