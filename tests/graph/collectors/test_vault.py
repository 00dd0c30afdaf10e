import secrets
from collections.abc import Iterator

import pytest

from bot.sandbox.loopback import free_port
from bot.sandbox.openbao import OpenBaoServer
from bot.sandbox.world import World
from graph.collector import CollectContext
from graph.collectors.vault import VaultCollector
from graph.connections import Connections, VaultSettings
from graph.errors import AccessDeniedError, UnavailableError
from graph.fingerprints import Fingerprinter, generate_key
from graph.model import Edge, EdgeKind, Gap, Node, NodeKind, Observation, StoredFingerprint
from graph.secret_value import SecretValue
from graph.vault.policies import PathRule, PolicySet
from tests.graph.test_vault_policies import PRECEDENCE
from tests.graph.vault_parts import VaultCorner

FINGERPRINTER = Fingerprinter(SecretValue(generate_key()), key_id="k1")
READS_ALL = (
    "sys/mounts read",
    "sys/auth read",
    "sys/policies/acl list",
    "sys/policies/acl/* read",
    "auth/+/role list",
    "auth/+/role/+ read,list",
    "auth/+/users list",
    "auth/+/users/+ read,list",
    "auth/+/groups list",
    "auth/+/groups/+ read,list",
    "auth/+/certs list",
    "auth/+/certs/+ read,list",
    "auth/+/config read",
    "identity/+/id list",
    "identity/+/id/+ read,list",
    "MOUNT/metadata/* read,list",
    "MOUNT/data/* read",
)


@pytest.fixture
def corner(openbao: OpenBaoServer) -> Iterator[VaultCorner]:
    corner = VaultCorner(openbao)
    yield corner
    corner.client.sys.disable_secrets_engine(corner.mount)


class Seen:
    """Everything of one run, with short ways to ask."""

    def __init__(self, observations: list[Observation]) -> None:
        self.observations = observations

    @property
    def sources(self) -> list[str]:
        return [one.source for one in self.observations]

    @property
    def nodes(self) -> dict[str, Node]:
        return {node.ref: node for one in self.observations for node in one.nodes}

    @property
    def edges(self) -> list[Edge]:
        return [edge for one in self.observations for edge in one.edges]

    @property
    def gaps(self) -> list[Gap]:
        return [gap for one in self.observations for gap in one.gaps]

    @property
    def fingerprints(self) -> list[StoredFingerprint]:
        return [each for one in self.observations for each in one.fingerprints]

    def heads(self, tail: str, kind: EdgeKind) -> set[str]:
        return {edge.head for edge in self.edges if edge.tail == tail and edge.kind is kind}

    def places(self, leaked: str) -> set[tuple[str, str, int | None, bool]]:
        digests = {
            one.digest for one in FINGERPRINTER.of_leaked(SecretValue(leaked)) if not one.weak
        }
        return {
            (one.secret, one.key, one.version, one.current)
            for one in self.fingerprints
            if one.fingerprint.digest in digests
        }


def collect(
    connections: Connections,
    fingerprinter: Fingerprinter | None = FINGERPRINTER,
    collector: VaultCollector | None = None,
) -> Seen:
    collector = collector or VaultCollector()
    context = CollectContext(connections, fingerprinter)
    [source] = collector.sources(context)
    return Seen(list(collector.collect(source, context)))


def test_secrets_are_found_in_all_folders_with_fields_versions_and_owner(corner):
    corner.put("payments/db", {"username": "app", "password": "x9LmQ2vTr81A"})
    corner.put("payments/db", {"username": "app", "password": "y9LmQ2vTr81B"})
    corner.put(
        "payments/eu/gateway",
        {"token": "pgw_live_9fQ2xLbV7rTz"},
        {"owner": "team:payments", "issuer": "paygate", "environment": "prod"},
    )
    corner.put("shop", {"key": "abc"}, {"owner": "ana@example.com"})
    corner.put("shop/session", {"key": "abc"}, {"owner": "shop"})
    seen = collect(corner.connections())
    base = f"vault://main/{corner.mount}"
    assert seen.sources == [f"vault/main/{corner.mount}", "vault/main/sys"]
    secrets_found = {ref for ref, node in seen.nodes.items() if node.kind is NodeKind.SECRET}
    assert secrets_found == {
        f"{base}/payments/db",
        f"{base}/payments/eu/gateway",
        f"{base}/shop",
        f"{base}/shop/session",
    }
    db = seen.nodes[f"{base}/payments/db"].attributes
    assert set(db["keys"]) == {"username", "password"}
    assert (db["version"], db["versions"]) == (2, ("1", "2"))
    gateway = seen.nodes[f"{base}/payments/eu/gateway"].attributes
    assert (gateway["issuer"], gateway["environment"]) == ("paygate", "prod")
    assert gateway["owner"] == "team:payments"
    assert seen.heads(f"{base}/payments/eu/gateway", EdgeKind.OWNED_BY) == {"team:payments"}
    assert seen.heads(f"{base}/shop", EdgeKind.OWNED_BY) == {"person:ana@example.com"}
    assert seen.heads(f"{base}/shop/session", EdgeKind.OWNED_BY) == {"team:shop"}
    assert seen.heads(f"{base}/shop", EdgeKind.STORED_IN) == {"vault://main/-/Store/main"}
    assert not seen.gaps


def test_names_with_odd_characters_are_read_and_encoded(corner):
    corner.put("a%20b%3Fc%23d/e", {"key": "pgw_live_9fQ2xLbV7rTz"})
    seen = collect(corner.connections())
    ref = f"vault://main/{corner.mount}/a%20b%3Fc%23d/e"
    assert seen.nodes[ref].attributes["keys"] == ("key",)
    assert seen.places("pgw_live_9fQ2xLbV7rTz") == {(ref, "key", 1, True)}


def test_every_live_version_is_fingerprinted_and_dead_ones_are_not(corner):
    values = [f"pgw_live_{number}fQ2xLbV7rTz{number}" for number in range(1, 6)]
    for value in values:
        corner.put("gateway", {"token": value, "nested": {"dsn": f"pg://u:{value}x@h"}})
    base = f"/v1/{corner.mount}"
    corner.client.adapter.post(f"{base}/delete/gateway", json={"versions": [1]})
    corner.client.adapter.put(f"{base}/destroy/gateway", json={"versions": [2]})
    seen = collect(corner.connections())
    ref = f"vault://main/{corner.mount}/gateway"
    assert seen.nodes[ref].attributes["versions"] == ("3", "4", "5")
    assert seen.places(values[0]) == seen.places(values[1]) == set()
    assert seen.places(values[2]) == {(ref, "token", 3, False)}
    assert seen.places(values[4]) == {(ref, "token", 5, True)}
    assert seen.places(f"{values[4]}x") == {(ref, "nested", 5, True)}


def test_a_secret_whose_current_version_is_deleted_stays_known(corner):
    corner.put("gone", {"token": "pgw_live_9fQ2xLbV7rTz"})
    corner.client.adapter.delete(f"/v1/{corner.mount}/data/gone")
    for fingerprinter in (FINGERPRINTER, None):
        seen = collect(corner.connections(), fingerprinter)
        assert seen.nodes[f"vault://main/{corner.mount}/gone"].attributes["versions"] == ()
        assert not seen.gaps


def test_without_fingerprints_no_value_is_read(corner):
    corner.put("payments/db", {"username": "app", "password": "x9LmQ2vTr81A"})
    rules = corner.rules(*READS_ALL[:-1], "MOUNT/subkeys/* read")
    token = corner.token([rules])["client_token"]
    for connections, fingerprinter in (
        (corner.connections(token, fingerprint=False), FINGERPRINTER),
        (corner.connections(token), None),
    ):
        seen = collect(connections, fingerprinter)
        found = seen.nodes[f"vault://main/{corner.mount}/payments/db"]
        assert set(found.attributes["keys"]) == {"username", "password"}
        assert seen.fingerprints == []
        assert not [gap for gap in seen.gaps if corner.mount in gap.scope]


def test_no_value_is_in_what_was_seen(corner):
    corner.put("payments/db", {"password": "x9LmQ2vTr81A"})
    assert "x9LmQ2vTr81A" not in repr(collect(corner.connections()).observations)


def test_what_may_not_be_read_becomes_a_gap_that_names_the_rule(corner):
    corner.put("open/a", {"key": "pgw_live_9fQ2xLbV7rTz"})
    corner.put("closed/b", {"key": "pgw_live_9fQ2xLbV7rTz"})
    corner.put("hidden/c", {"key": "pgw_live_9fQ2xLbV7rTz"})
    rules = corner.rules(
        *READS_ALL, "MOUNT/data/closed/* deny", "MOUNT/metadata/hidden/* deny", "sys/mounts deny"
    )
    seen = collect(corner.connections(corner.token([rules])["client_token"]))
    told = {gap.do_now for gap in seen.gaps}
    mount = corner.mount
    assert f'Grant: path "{mount}/data/*" {{ capabilities = ["read"] }}.' in told
    assert f'Grant: path "{mount}/metadata/*" {{ capabilities = ["read", "list"] }}.' in told
    assert 'Grant: path "sys/mounts" { capabilities = ["read"] }.' in told
    assert f"vault://main/{mount}/open/a" in seen.nodes
    assert "keys" not in seen.nodes[f"vault://main/{mount}/closed/b"].attributes
    assert not seen.observations[0].complete


def test_a_mount_that_may_not_be_listed_is_a_gap_beside_one_that_may(openbao, corner):
    other = VaultCorner(openbao)
    corner.put("a", {"key": "x"})
    rules = corner.rules(*READS_ALL)
    connections = corner.connections(
        corner.token([rules])["client_token"], mounts=(corner.mount, other.mount)
    )
    seen = collect(connections)
    assert f"vault://main/{corner.mount}/a" in seen.nodes
    [gap] = [gap for gap in seen.gaps if other.mount in gap.scope]
    assert f'path "{other.mount}/metadata/*"' in gap.do_now
    incomplete = {one.source for one in seen.observations if not one.complete}
    assert f"vault/main/{other.mount}" in incomplete
    assert "vault/main/sys" in incomplete


def test_a_token_that_may_read_no_mount_is_refused_with_the_rule_to_grant(corner):
    token = corner.token([corner.rules("sys/mounts read")])["client_token"]
    with pytest.raises(AccessDeniedError) as caught:
        collect(corner.connections(token))
    assert f'path "{corner.mount}/metadata' in caught.value.do_now


def test_missing_mounts_are_gaps(corner):
    seen = collect(corner.connections(mounts=("nowhere", corner.mount)))
    reasons = {gap.scope: gap.reason for gap in seen.gaps}
    assert "not found" in reasons["main/nowhere"]


def test_kv_version_1_is_read_and_fingerprinted_at_every_look(corner):
    old = f"old-{secrets.token_hex(3)}"
    corner.client.sys.enable_secrets_engine("kv", path=old, options={"version": "1"})
    collector = VaultCollector()
    values = [f"v1fQ2xLbV7rTz{secrets.token_hex(6)}" for _ in range(2)]
    for value in values:  # the same path: nothing tells that it changed
        corner.client.adapter.put(f"/v1/{old}/app/db", json={"password": value, "n": 1})
        seen = collect(corner.connections(mounts=(old,)), collector=collector)
        wanted = FINGERPRINTER.of_leaked(SecretValue(value))[0].digest
        (one,) = [one for one in seen.fingerprints if one.fingerprint.digest == wanted]
        assert (one.secret, one.key) == (f"vault://main/{old}/app/db", "password")
        assert (one.version, one.current) == (None, True)
    node = seen.nodes[f"vault://main/{old}/app/db"]
    assert (node.attributes["type"], node.attributes["keys"]) == ("kv-v1", ("n", "password"))
    assert "version" not in node.attributes
    unread = collect(corner.connections(mounts=(old,), fingerprint=False))
    assert not unread.fingerprints
    assert "keys" not in unread.nodes[f"vault://main/{old}/app/db"].attributes


def test_mounts_are_found_when_none_is_named(corner):
    corner.put("a", {"key": "x"})
    seen = collect(corner.connections(mounts=()))
    assert f"vault/main/{corner.mount}" in seen.sources


def test_a_token_that_sees_no_mount_at_all_is_told_so(corner):
    seen = collect(corner.connections(corner.token(["default"])["client_token"], mounts=()))
    assert any("shows the bot no KV mount" in gap.reason for gap in seen.gaps)


def test_policies_and_roles_get_edges_to_what_they_can_read(corner):
    for path in ("payments/db", "payments/api", "shop/db"):
        corner.put(path, {"key": "x"})
    reads = corner.rules("MOUNT/data/payments/* read")
    denies = corner.rules("MOUNT/data/payments/api deny")
    lists = corner.rules("MOUNT/metadata/* list")
    method = f"approle-{secrets.token_hex(3)}"
    corner.client.sys.enable_auth_method("approle", path=method)
    for role, policies in (("ci", [reads]), ("careful", [reads, denies]), ("looker", [lists])):
        corner.client.adapter.post(
            f"/v1/auth/{method}/role/{role}", json={"token_policies": policies}
        )
    seen = collect(corner.connections())
    base = f"vault://main/{corner.mount}"
    both = {f"{base}/payments/db", f"{base}/payments/api"}
    role = f"vault://main/auth/{method}/role"
    read = EdgeKind.CAN_READ
    assert seen.heads(f"vault://main/-/Policy/{reads}", read) == both
    assert seen.heads(f"{role}/ci", read) == both
    assert seen.heads(f"{role}/careful", read) == {f"{base}/payments/db"}
    assert seen.heads(f"{role}/looker", read) == set()
    assert seen.heads("vault://main/-/Policy/root", read) >= both | {f"{base}/shop/db"}
    assert f"vault://main/-/Policy/{reads}" in seen.heads(f"{role}/ci", EdgeKind.OPENS)
    assert seen.heads(f"{role}/careful", EdgeKind.OPENS) == set()
    [edge] = [edge for edge in seen.edges if edge.tail == f"{role}/careful" and edge.kind is read]
    assert edge.attributes["path"] == (f"vault://main/-/Policy/{reads}",)
    assert edge.attributes["verb"] == "read"
    assert seen.nodes[f"{role}/ci"].kind is NodeKind.SUBJECT
    assert set(seen.nodes[f"{role}/ci"].attributes["policies"]) == {reads, "default"}


def test_a_kubernetes_role_tells_its_service_accounts(corner):
    method = f"kubernetes-{secrets.token_hex(3)}"
    corner.client.sys.enable_auth_method("kubernetes", path=method)
    corner.client.adapter.post(
        f"/v1/auth/{method}/role/api",
        json={
            "bound_service_account_names": ["api"],
            "bound_service_account_namespaces": ["payments"],
            "token_policies": ["default"],
        },
    )
    seen = collect(corner.connections())
    attributes = seen.nodes[f"vault://main/auth/{method}/role/api"].attributes
    assert attributes["bound_service_account_names"] == ("api",)
    assert attributes["bound_service_account_namespaces"] == ("payments",)


def test_policies_that_may_not_be_read_are_gaps(corner):
    corner.put("a", {"key": "x"})
    rules = corner.rules("sys/mounts read", "MOUNT/metadata/* read,list", "MOUNT/data/* read")
    seen = collect(corner.connections(corner.token([rules])["client_token"]))
    told = " ".join(gap.do_now for gap in seen.gaps)
    assert 'path "sys/policies/acl" { capabilities = ["list"] }' in told
    assert 'path "sys/auth" { capabilities = ["read"] }' in told
    assert not seen.observations[-1].complete


@pytest.mark.parametrize(("rules", "path", "expected"), PRECEDENCE)
def test_the_server_itself_decides_as_our_matching_does(corner, rules, path, expected):
    renamed = {
        pattern.replace("kv/", f"{corner.mount}/", 1): given for pattern, given in rules.items()
    }
    policy = corner.rules(*(f"{pattern} {given}" for pattern, given in renamed.items()))
    token = corner.token([policy])["client_token"]
    real = path.replace("kv/", f"{corner.mount}/", 1)
    answer = corner.client.adapter.post(
        "/v1/sys/capabilities", json={"token": token, "paths": [real]}
    )
    assert ("read" in answer["data"][real]) is expected
    ours = PolicySet(
        [[PathRule(pattern, frozenset({given})) for pattern, given in renamed.items()]]
    )
    assert ("read" in ours.capabilities(real)) is expected


def test_a_sealed_vault_is_unavailable_and_says_so(tmp_path):
    with OpenBaoServer(tmp_path) as server:
        corner = VaultCorner(server)
        connections = corner.connections()
        corner.client.sys.seal()
        with pytest.raises(UnavailableError) as caught:
            collect(connections)
        assert "it is sealed" in caught.value.happened
        assert "unseal" in caught.value.do_now


def test_a_vault_that_does_not_answer_is_unavailable():
    vault = VaultSettings(address=f"http://127.0.0.1:{free_port()}", token="s.none")
    with pytest.raises(UnavailableError) as caught:
        collect(Connections({"main": vault}, {}, {}))
    assert "no connection" in caught.value.happened


def test_the_world_is_read_with_the_bots_own_policy(world: World):
    vault = VaultSettings(
        address=world.openbao.address,
        auth="approle",
        role_id=world.bot_role_id,
        secret_id=world.bot_secret_id,
        mounts=("kv",),
    )
    seen = collect(Connections({"main": vault}, {}, {}))
    gateway = "vault://main/kv/payments/gateway"
    assert not seen.gaps
    assert seen.places(world.leaked_token) == {(gateway, "token", 1, True)}
    attributes = seen.nodes[gateway].attributes
    assert (attributes["issuer"], attributes["owner"]) == ("paygate", "team:payments")
    read = EdgeKind.CAN_READ
    assert gateway in seen.heads("vault://main/-/Policy/ci", read)
    assert gateway in seen.heads("vault://main/auth/approle/role/payments-api", read)
    assert "vault://main/kv/reporting/db" not in seen.heads("vault://main/-/Policy/ci", read)
