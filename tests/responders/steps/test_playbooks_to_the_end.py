"""
The playbooks of engines and databases, planned from what the collector saw and carried out in full.

No workload consumes these secrets, so the plans hold no copies and no restarts; what remains is
done on the real servers, in every order; each verdict has to be "confirmed" but those of persons.
"""

from typing import Any

import pytest

from graph.collector import CollectContext
from graph.collectors.vault import VaultCollector
from graph.connections import Connections, VaultSettings
from graph.model import Attributes, Node, NodeKind
from graph.refs import Ref
from graph.snapshot import Snapshot
from tests.responders.steps.databases import Orders, Vault
from tests.responders.steps.parts import FINGERPRINTER
from tests.responders.steps.to_the_end import PLAYBOOKS, carry_out, drafted


def collected(vault: Vault) -> Snapshot:
    """Read the test's KV mount, as `locksmith collect` does."""
    settings = VaultSettings(
        address=vault.address,
        token=vault.root.token,  # type: ignore[arg-type]  # pydantic makes it a SecretStr
        mounts=(vault.mount,),
    )
    connections = Connections({"main": settings}, {}, {})
    given = CollectContext(connections=connections, fingerprinter=FINGERPRINTER)
    collector = VaultCollector()
    seen = [one for source in collector.sources(given) for one in collector.collect(source, given)]
    connections.close()
    nodes = [node for one in seen for node in one.nodes]
    return Snapshot.of(nodes, [edge for one in seen for edge in one.edges])


def describe(vault: Vault, path: str, **metadata: str) -> None:
    vault.call("post", f"{vault.mount}/metadata/{path}", custom_metadata=metadata)


def orders_of(name: str) -> list[Any]:
    return [pytest.param(name, order, id=f"{name}-{order}") for order in PLAYBOOKS[name].orders]


@pytest.mark.parametrize(
    ("name", "order"), [*orders_of("postgres-password"), *orders_of("postgres-two-roles")]
)
def test_a_password_of_postgresql(vault: Vault, orders: Orders, name: str, order: str) -> None:
    role = orders.make_role("shop_a", "leaked-password")
    other = orders.make_role("shop_b", "another")
    vault.put("shop/db", username=role, password="leaked-password")
    describe(
        vault,
        "shop/db",
        playbook=name,
        playbook_database="orders",
        playbook_role=role,
        playbook_other_role=other,
        unrelated="stays out",
    )
    snapshot = collected(vault)
    node = snapshot.node(Ref(vault.ref("shop/db")))
    assert node is not None
    assert "unrelated" not in node.attributes
    plan, note = drafted(snapshot, vault.ref("shop/db"), "password", order)
    assert (plan.playbook, note) == (name, "")
    used = {step.use for step in plan.steps}
    databases = {"orders": orders.settings()}
    assert carry_out(plan, vault.connections(used, databases=databases)) == []
    now = vault.read("shop/db")
    assert orders.logs_in(now["username"], now["password"])
    assert not orders.logs_in(role, "leaked-password")
    versions = vault.call("get", f"{vault.mount}/metadata/shop/db")["data"]["versions"]
    assert versions["1"]["destroyed"] is True


@pytest.mark.parametrize(("name", "order"), orders_of("vault-approle-secret-id"))
def test_a_secret_id(vault: Vault, name: str, order: str) -> None:
    mount = vault.enable("approle", "auth")
    role = f"auth/{mount}/role/ci"
    vault.call("post", role, token_policies=["default"])
    vault.put("ci/approle", secret_id=vault.call("post", f"{role}/secret-id")["data"]["secret_id"])
    describe(vault, "ci/approle", playbook=name, playbook_role=f"vault://main/{role}")
    plan, _ = drafted(collected(vault), vault.ref("ci/approle"), "secret_id", order)
    assert plan.playbook == name
    assert {"Leaked secret-id destroyed", "Tokens issued for it revoked"} <= set(plan.irreversible)
    used = {step.use for step in plan.steps}
    assert carry_out(plan, vault.connections(used, mount=mount)) == []
    assert len(vault.call("list", f"{role}/secret-id")["data"]["keys"]) == 1


@pytest.mark.parametrize(
    ("name", "order"), [*orders_of("vault-database-static"), *orders_of("vault-database-dynamic")]
)
def test_a_database_engine(vault: Vault, orders: Orders, name: str, order: str) -> None:
    mount, root = vault.enable("database"), orders.name("engine")
    orders.run(f"CREATE ROLE {root} LOGIN SUPERUSER PASSWORD 'root-password'")
    where = f"postgresql://{{{{username}}}}:{{{{password}}}}@/postgres?host={orders.folder}"
    vault.call(
        "post",
        f"{mount}/config/orders",
        plugin_name="postgresql-database-plugin",
        allowed_roles="*",
        connection_url=where,
        username=root,
        password="root-password",
    )
    if name == "vault-database-static":
        user, path = orders.make_role("shop", "given-once"), "static-creds/shop"
        vault.call(
            "post",
            f"{mount}/static-roles/shop",
            db_name="orders",
            username=user,
            rotation_period="24h",
        )
    else:
        path = f"creds/r{orders.suffix[:7]}"
        vault.call(
            "post",
            f"{mount}/{path.replace('creds', 'roles')}",
            db_name="orders",
            creation_statements=["CREATE ROLE \"{{name}}\" LOGIN PASSWORD '{{password}}'"],
            default_ttl="1h",
        )
    old = vault.call("get", f"{mount}/{path}")["data"]
    assert orders.logs_in(old["username"], old["password"])
    secret = f"vault://main/{mount}/{path}"
    # What a sync reads, and no collector of KV mounts has seen.
    snapshot = Snapshot.of([Node(Ref(secret), NodeKind.SECRET)], [])
    plan, _ = drafted(snapshot, secret, "", order)
    assert plan.playbook == name
    used = {step.use for step in plan.steps}
    databases = {"orders": orders.settings(f"vault://main/{mount}/config/orders")}
    assert carry_out(plan, vault.connections(used, mount=mount, databases=databases)) == []
    assert not orders.logs_in(old["username"], old["password"])


def test_a_key_of_transit_an_entity_and_a_certificate(vault: Vault) -> None:
    transit, pki = vault.enable("transit"), vault.enable("pki")
    vault.call("post", f"{transit}/keys/pay")
    vault.call("post", f"{pki}/issuers/generate/root/internal", common_name="root", ttl="700h")
    vault.call("post", f"{pki}/roles/web", allow_any_name=True, max_ttl="24h")
    issued = vault.call("post", f"{pki}/issue/web", common_name="shop.example")["data"]
    entity = vault.call("post", "identity/entity", name=f"cy-{transit}")["data"]["id"]
    vault.put("shop/keys", copy="exported", certificate=issued["certificate"])
    asked: list[tuple[str, Attributes, str, list[str]]] = [
        (
            "vault-transit-key",
            {"playbook_key": f"vault://main/{transit}/keys/pay"},
            transit,
            ["rewrap"],
        ),
        ("vault-entity", {"playbook_entity": entity}, transit, ["replace"]),
        (
            "vault-pki-certificate",
            {"playbook_issuer": f"vault://main/{pki}/issuer/default"},
            pki,
            ["replace", "prove"],
        ),
    ]
    for name, metadata, mount, persons in asked:
        describe(vault, "shop/keys", playbook=name, **{k: str(v) for k, v in metadata.items()})
        first = next(iter(PLAYBOOKS[name].orders))
        plan, _ = drafted(collected(vault), vault.ref("shop/keys"), "certificate", first)
        assert plan.playbook == name
        if name == "vault-pki-certificate":
            vault.put("shop/keys", certificate="what a person writes for “replace”")
        used = {step.use for step in plan.steps}
        assert carry_out(plan, vault.connections(used, mount=mount)) == persons
    assert vault.call("get", f"{transit}/keys/pay")["data"]["min_decryption_version"] == 2
    assert vault.call("get", f"identity/entity/id/{entity}")["data"]["disabled"] is True


def test_a_playbook_that_does_not_exist_is_told_and_another_one_taken(vault: Vault) -> None:
    vault.put("shop/db", password="leaked-password")
    describe(vault, "shop/db", playbook="postgress-password")
    plan, note = drafted(collected(vault), vault.ref("shop/db"), "password", "rotate-first")
    assert plan.playbook == "vault-kv-manual"
    assert "postgress-password" in note
