"""
What each swept playbook works on, and what has to be true of it when the run has ended.

A place is made anew for each point, on names of its own. `wrongs` asks the servers themselves,
not Locksmith: "lost" is a value that nobody has any more or that was never replaced, "doubled"
what happened twice.
"""

import json
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import httpx
import hvac

from bot.sandbox.objects import ClusterObjects
from graph.model import Node, NodeKind, Observation
from graph.refs import Ref
from tests.crashes.town import Town
from tests.responders.steps.databases import Orders, Vault

SECRET = "shop/leaked"


@dataclass
class Place:
    """One playbook's surroundings; `issuer` is the worker's own (address, admin token)."""

    playbook: ClassVar[str]
    order: ClassVar[str]
    needs_postgres: ClassVar[bool] = False
    town: Town
    issuer: tuple[str, str]
    key: str = field(default_factory=lambda: f"p{secrets.token_hex(4)}")
    value: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    named: str = ""  # the ref that is reported where there is no value to report
    vault: Vault = field(init=False)

    def set_up(self) -> None:
        root = hvac.Client(url=self.town.openbao, token=self.town.root_token)
        root.sys.enable_secrets_engine("kv", path=self.key, options={"version": "2"})
        self.vault = Vault(self.town.openbao, root, self.key)
        self.prepare()

    def prepare(self) -> None:
        """Put there what leaks; `self.value` becomes the leaked value."""

    def config(self) -> dict[str, Any]:
        """Give the sections of the configuration that this place adds."""
        return {}

    def seen(self) -> Observation | None:
        """Give what no collector of this place can see."""
        return None

    def by_hand(self, step_id: str) -> None:
        """Do what a manual step asks a person for."""

    def wrongs(self) -> Iterator[str]:
        """Name what is lost and what was done twice."""
        yield from ()

    def keep(self, fields: dict[str, str], **metadata: str) -> None:
        self.vault.put(SECRET, **fields)
        self.vault.call("post", f"{self.key}/metadata/{SECRET}", custom_metadata=metadata)

    def versions(self) -> dict[str, Any]:
        found = self.vault.call("get", f"{self.key}/metadata/{SECRET}")
        versions: dict[str, Any] = found["data"]["versions"]
        return versions

    def replaced_once(self) -> Iterator[str]:
        """Two versions, the leaked one destroyed, its value in no other."""
        versions = self.versions()
        if len(versions) > 2:
            yield f"doubled: {len(versions)} versions"
        if len(versions) < 2 or self.value in self.vault.read(SECRET).values():
            yield "lost: the leaked value is still the current one"
        if not versions["1"]["destroyed"]:
            yield "lost: the leaked version is still readable"

    def calls(self, operation: str, part: str) -> int:
        """Count the requests that OpenBao's own audit log says it answered without an error."""
        count = 0
        with Path(self.town.audit_log).open(encoding="utf-8") as log:
            for line in log:
                if part not in line or '"type":"response"' not in line:
                    continue
                entry = json.loads(line)
                asked = entry["request"]
                done = entry["type"] == "response" and not entry.get("error")
                count += done and asked["operation"] == operation and part in asked["path"]
        return count


class Generated(Place):
    playbook, order = "vault-kv-generated", "rotate-first"

    def prepare(self) -> None:
        self.keep({"key": self.value, "other": "stays"}, issuer="generated")

    def wrongs(self) -> Iterator[str]:
        yield from self.replaced_once()
        if self.vault.read(SECRET).get("other") != "stays":
            yield "lost: another field"


class ByHand(Place):
    playbook, order = "vault-kv-manual", "rotate-first"

    def prepare(self) -> None:
        self.keep({"key": self.value})

    def by_hand(self, step_id: str) -> None:
        if step_id.startswith("replace") and len(self.versions()) == 1:
            self.vault.put(SECRET, key="what its issuer gave")

    def wrongs(self) -> Iterator[str]:
        yield from self.replaced_once()


class Unknown(Place):
    playbook, order = "unknown-credential", "revoke-first"


class HttpToken(Place):
    playbook, order = "http-api-token", "rotate-first"

    def prepare(self) -> None:
        self.value = self._call("POST", "/v1/tokens").json()["token"]
        self.before = self._active()
        self.keep({"token": self.value}, issuer="paygate")

    def config(self) -> dict[str, Any]:
        address, admin = self.issuer
        paygate = {
            "base_url": address,
            "admin_token": admin,
            "create": {"path": "/v1/tokens", "ok": [201]},
            "revoke": {"path": "/v1/tokens/revoke", "body": {"token": "{token}"}, "ok": [200]},
            "revoke_by_id": {"method": "DELETE", "path": "/v1/tokens/{id}", "ok": [204]},
            "probe": {"method": "GET", "path": "/v1/account", "ok": [200], "dead": [401]},
        }
        return {"issuers": {"paygate": paygate}}

    def wrongs(self) -> Iterator[str]:
        yield from self.replaced_once()
        if not self._accepted(self.vault.read(SECRET)["token"]):
            yield "lost: the issuer refuses the value in the store"
        if self._accepted(self.value):
            yield "lost: the issuer takes the leaked value"
        # Of the tokens that were made in this run one is in use; more would be orphans.
        if (orphans := len(self._active()) - len(self.before)) > 0:
            yield f"doubled: {orphans} tokens that nobody has"

    def _call(self, method: str, path: str, token: str = "") -> httpx.Response:
        address, admin = self.issuer
        headers = {"Authorization": f"Bearer {token or admin}"}
        return httpx.request(method, address + path, headers=headers, trust_env=False)

    def _active(self) -> set[str]:
        found = self._call("GET", "/v1/tokens").json()["tokens"]
        return {each["id"] for each in found if each["state"] == "active"}

    def _accepted(self, token: str) -> bool:
        return self._call("GET", "/v1/account", token).is_success


class HttpTokenInCluster(HttpToken):
    """The same with a sync, a copy and a Deployment that has the value in its environment."""

    def prepare(self) -> None:
        super().prepare()
        self.objects = ClusterObjects(Path(self.town.kubeconfig))
        for item in _workload(self.key, self.town, self.key):
            self.objects.apply(item)
        _wait(lambda: self._ready() == 2, "the Deployment has no pods")
        self.began = {pod["metadata"]["uid"] for pod in self._pods()}

    def config(self) -> dict[str, Any]:
        cluster = {
            "kubeconfig": self.town.kubeconfig,
            "mode": "fingerprint",
            "namespaces": [self.key],
        }
        return super().config() | {"kubernetes": {"prod": cluster}}

    def wrongs(self) -> Iterator[str]:
        yield from super().wrongs()
        sets = self.objects.list("apps/v1", "ReplicaSet", namespace=self.key)
        if len(sets) > 2:
            yield f"doubled: restarted {len(sets) - 1} times"
        if self.began & {pod["metadata"]["uid"] for pod in self._pods()}:
            yield "lost: a pod still runs on the leaked value"
        self.objects.close()

    def _ready(self) -> int:
        found = self.objects.get("apps/v1", "Deployment", "api", namespace=self.key) or {}
        return int(found.get("status", {}).get("readyReplicas") or 0)

    def _pods(self) -> list[dict[str, Any]]:
        return self.objects.list("v1", "Pod", namespace=self.key)


class AppRole(Place):
    playbook, order = "vault-approle-secret-id", "rotate-first"

    def prepare(self) -> None:
        self.mount = self.vault.enable("approle", "auth")
        self.role = f"auth/{self.mount}/role/ci"
        self.vault.call("post", self.role, token_policies=["default"])
        self.value = self.vault.call("post", f"{self.role}/secret-id")["data"]["secret_id"]
        self.role_id = self.vault.call("get", f"{self.role}/role-id")["data"]["role_id"]
        self.keep(
            {"secret_id": self.value},
            playbook=self.playbook,
            playbook_role=f"vault://main/{self.role}",
        )

    def wrongs(self) -> Iterator[str]:
        yield from self.replaced_once()
        left = len(self.vault.call("list", f"{self.role}/secret-id")["data"]["keys"])
        if left != 1:
            yield f"doubled: {left} secret-ids"
        if not self._logs_in(self.vault.read(SECRET)["secret_id"]):
            yield "lost: the secret-id in the store is refused"
        if self._logs_in(self.value):
            yield "lost: the leaked secret-id still logs in"

    def _logs_in(self, secret_id: str) -> bool:
        body = {"role_id": self.role_id, "secret_id": secret_id}
        where = f"{self.town.openbao}/v1/auth/{self.mount}/login"
        return httpx.post(where, json=body, trust_env=False).is_success


class Token(Place):
    playbook, order = "vault-token", "revoke-first"

    def prepare(self) -> None:
        made = self.vault.root.auth.token.create(policies=["default"], no_parent=True)
        self.value = made["auth"]["client_token"]

    def wrongs(self) -> Iterator[str]:
        where = f"{self.town.openbao}/v1/auth/token/lookup-self"
        if httpx.get(where, headers={"X-Vault-Token": self.value}, trust_env=False).is_success:
            yield "lost: the leaked token still works"


class Transit(Place):
    playbook, order = "vault-transit-key", "rotate-first"

    def prepare(self) -> None:
        self.mount = self.vault.enable("transit")
        self.vault.call("post", f"{self.mount}/keys/pay")
        key = f"vault://main/{self.mount}/keys/pay"
        self.keep({"copy": self.value}, playbook=self.playbook, playbook_key=key)

    def wrongs(self) -> Iterator[str]:
        found = self.vault.call("get", f"{self.mount}/keys/pay")["data"]
        if found["latest_version"] > 2:
            yield f"doubled: rotated {found['latest_version'] - 1} times"
        if found["latest_version"] < 2 or found["min_decryption_version"] != 2:
            yield "lost: the leaked version still decrypts"


class Entity(Place):
    playbook, order = "vault-entity", "revoke-first"

    def prepare(self) -> None:
        made = self.vault.call("post", "identity/entity", name=f"cy-{self.key}")
        self.entity = made["data"]["id"]
        self.keep({"login": self.value}, playbook=self.playbook, playbook_entity=self.entity)

    def wrongs(self) -> Iterator[str]:
        if not self.vault.call("get", f"identity/entity/id/{self.entity}")["data"]["disabled"]:
            yield "lost: the entity is not disabled"


class Pki(Place):
    playbook, order = "vault-pki-certificate", "rotate-first"

    def prepare(self) -> None:
        self.mount = self.vault.enable("pki")
        self.vault.call(
            "post", f"{self.mount}/issuers/generate/root/internal", common_name="root", ttl="700h"
        )
        self.vault.call("post", f"{self.mount}/roles/web", allow_any_name=True, max_ttl="24h")
        self.serial, fields = self._issued()
        self.value = fields["private_key"]
        issuer = f"vault://main/{self.mount}/issuer/default"
        self.keep(fields, playbook=self.playbook, playbook_issuer=issuer)

    def by_hand(self, step_id: str) -> None:
        if step_id.startswith("replace") and len(self.versions()) == 1:
            self.vault.put(SECRET, **self._issued()[1])

    def wrongs(self) -> Iterator[str]:
        yield from self.replaced_once()
        if not self.vault.call("get", f"{self.mount}/cert/{self.serial}")["data"][
            "revocation_time"
        ]:
            yield "lost: the leaked certificate is not revoked"

    def _issued(self) -> tuple[str, dict[str, str]]:
        found = self.vault.call("post", f"{self.mount}/issue/web", common_name="shop.example")
        data = found["data"]
        return data["serial_number"], {k: data[k] for k in ("certificate", "private_key")}


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
        self.vault.call(
            "post",
            f"{self.mount}/roles/report",
            db_name="orders",
            creation_statements=["CREATE ROLE \"{{name}}\" LOGIN PASSWORD '{{password}}'"],
            default_ttl="1h",
        )
        self.named = f"vault://main/{self.mount}/creds/report"
        found = self.vault.call("get", f"{self.mount}/creds/report")["data"]
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


PLACES: tuple[type[Place], ...] = (
    Generated,
    ByHand,
    Unknown,
    HttpToken,
    HttpTokenInCluster,
    AppRole,
    Token,
    Transit,
    Entity,
    Pki,
    PostgresPassword,
    PostgresTwoRoles,
    StaticRole,
    DynamicRole,
    EngineRoot,
)


def _workload(namespace: str, town: Town, mount: str) -> list[dict[str, Any]]:
    metadata = {"namespace": namespace}
    store = {
        "vault": {
            "server": town.openbao,
            "path": mount,
            "version": "v2",
            "auth": {"tokenSecretRef": {"name": "openbao-token", "key": "token"}},
        }
    }
    value = {"secretKeyRef": {"name": "leaked", "key": "token"}}
    container = {"name": "api", "image": "shop/api:1", "env": [{"name": "T", "valueFrom": value}]}
    labels = {"app": "api"}
    group = "external-secrets.io/v1"
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}},
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": metadata | {"name": "openbao-token"},
            "stringData": {"token": town.root_token},
        },
        {
            "apiVersion": group,
            "kind": "SecretStore",
            "metadata": metadata | {"name": "openbao"},
            "spec": {"provider": store},
        },
        {
            "apiVersion": group,
            "kind": "ExternalSecret",
            "metadata": metadata | {"name": "leaked"},
            "spec": {
                "refreshInterval": "1h",
                "secretStoreRef": {"name": "openbao", "kind": "SecretStore"},
                "target": {"name": "leaked"},
                "data": [{"secretKey": "token", "remoteRef": {"key": SECRET, "property": "token"}}],
            },
        },
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": metadata | {"name": "api"},
            "spec": {
                "replicas": 2,
                "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
            },
        },
    ]


def _wait(look: Callable[[], bool], otherwise: str) -> None:
    end = time.monotonic() + 60
    while not look():
        assert time.monotonic() < end, otherwise
        time.sleep(0.05)  # between two looks at the condition
