"""
Generated policies: what we say that they allow, and what `sys/capabilities` of a real OpenBao says,
must not differ in one question. Hypothesis makes overlapping patterns with `*`, `+` and deny.
"""

import secrets
import time
from collections.abc import Iterator
from typing import Any

import hvac
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from bot.sandbox.openbao import OpenBaoServer
from graph.collector import CollectContext
from graph.collectors.vault import VaultCollector
from graph.connections import Connections, KubernetesSettings
from graph.model import EdgeKind
from graph.queries.readers import readers
from graph.snapshot import Snapshot
from graph.vault.policies import PolicySet, filled_in, parse_policy
from tests.graph.vault_parts import VaultCorner

_segment = st.sampled_from(["a", "ab", "b", "+", "+", "a*b"])
_pattern = st.builds(
    lambda parts, end: "/".join(parts) + end,
    st.lists(_segment, min_size=1, max_size=4),
    st.sampled_from(["", "*", "/*", "/+", "/"]),
).filter(lambda pattern: "+*" not in pattern)  # the server refuses to store it
_capabilities = st.lists(
    st.sampled_from(["read", "list", "create", "update", "delete", "patch", "sudo", "deny"]),
    min_size=1,
    max_size=3,
    unique=True,
)
_policy = st.lists(st.tuples(_pattern, _capabilities), min_size=1, max_size=6)
_holding = st.lists(_policy, min_size=1, max_size=3)
_path = st.lists(st.sampled_from(["a", "ab", "b", "a*b"]), min_size=1, max_size=4).map("/".join)


@pytest.fixture
def corner(openbao: OpenBaoServer) -> Iterator[VaultCorner]:
    corner = VaultCorner(openbao)
    yield corner
    corner.client.sys.disable_secrets_engine(corner.mount)


def written(policy: list[tuple[str, list[str]]]) -> str:
    blocks = []
    for pattern, capabilities in policy:
        listed = ", ".join(f'"{one}"' for one in capabilities)
        blocks.append(f'path "{pattern}" {{ capabilities = [{listed}] }}')
    return "\n".join(blocks)


def asked(client: hvac.Client, token: str, paths: list[str]) -> dict[str, set[str]]:
    answer = client.adapter.post("/v1/sys/capabilities", json={"token": token, "paths": paths})
    return {path: set(answer["data"][path]) - {"deny"} for path in paths}


def test_generated_policies_allow_what_the_server_says(openbao: OpenBaoServer) -> None:
    client = hvac.Client(url=openbao.address, token=openbao.root_token)
    questions = allowed = 0
    differences: list[str] = []
    began = time.monotonic()

    @given(holding=_holding, paths=st.lists(_path, min_size=40, max_size=60, unique=True))
    @settings(
        max_examples=80,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def compared(holding: list[list[tuple[str, list[str]]]], paths: list[str]) -> None:
        nonlocal questions, allowed
        texts = [written(policy) for policy in holding]
        names = [f"g-{secrets.token_hex(4)}" for _ in texts]
        for name, text in zip(names, texts, strict=True):
            client.adapter.put(f"/v1/sys/policies/acl/{name}", json={"policy": text})
        made = client.adapter.post(
            "/v1/auth/token/create", json={"policies": names, "no_default_policy": True}
        )
        theirs = asked(client, made["auth"]["client_token"], paths)
        ours = PolicySet([parse_policy(text) for text in texts])
        for path in paths:
            questions += 1
            allowed += bool(theirs[path])
            if set(ours.capabilities(path)) != theirs[path]:
                mine = sorted(ours.capabilities(path))
                differences.append(f"{texts} {path}: ours {mine}, theirs {sorted(theirs[path])}")
        for name in names:
            client.adapter.delete(f"/v1/sys/policies/acl/{name}")

    compared()
    print(
        f"\n{questions} questions to sys/capabilities, {allowed} with a right,"
        f" {len(differences)} differences, {time.monotonic() - began:.0f} s"
    )
    assert differences == []
    assert questions > 3000
    assert 0.05 < allowed / questions < 0.95


def login(corner: VaultCorner, name: str, policies: list[str]) -> tuple[str, str, str]:
    """Make a user of userpass; return mount, the mount's accessor and the user's token."""
    mount = f"userpass-{secrets.token_hex(3)}"
    corner.client.sys.enable_auth_method("userpass", path=mount)
    word = secrets.token_hex(8)
    corner.client.adapter.post(
        f"/v1/auth/{mount}/users/{name}", json={"password": word, "token_policies": policies}
    )
    answer = hvac.Client(url=corner.server.address).adapter.post(
        f"/v1/auth/{mount}/login/{name}", json={"password": word}
    )
    accessor = corner.client.sys.list_auth_methods()["data"][f"{mount}/"]["accessor"]
    return mount, accessor, answer["auth"]["client_token"]


def collected(corner: VaultCorner, connections: Connections) -> Snapshot:
    observations = list(VaultCollector().collect("vault/main", CollectContext(connections, None)))
    nodes = [node for one in observations for node in one.nodes]
    edges = [edge for one in observations for edge in one.edges]
    gaps = [gap for one in observations for gap in one.gaps]
    return Snapshot.of(nodes, edges, gaps)


def test_templates_are_filled_in_for_each_entity_as_the_server_does(corner: VaultCorner) -> None:
    for path in ("ana/db", "bob/db", "team-x/db", "team-y/db", "missing/db"):
        corner.put(path, {"key": "x"})
    mount, accessor, token = login(corner, "ana", ["default"])
    text = "\n".join(
        f'path "{corner.mount}/data/{part}/*" {{ capabilities = ["read"] }}'
        for part in (
            "{{identity.entity.metadata.team}}",
            "{{ identity.entity.aliases.ACCESSOR.name }}".replace("ACCESSOR", accessor),
            "{{identity.entity.metadata.unknown}}",
        )
    )
    policy = corner.policy(f"t-{secrets.token_hex(3)}", text)
    looked_up = corner.client.adapter.post(
        "/v1/identity/lookup/entity",
        json={"alias_name": "ana", "alias_mount_accessor": accessor},
    )
    entity = looked_up["data"]["id"]
    corner.client.adapter.post(
        f"/v1/identity/entity/id/{entity}",
        json={"policies": [policy], "metadata": {"team": "team-x"}},
    )
    snapshot = collected(corner, corner.connections())
    name = looked_up["data"]["name"]
    subjects = {f"vault://main/identity/entity/{name}", f"vault://main/auth/{mount}/users/ana"}
    paths = ["ana/db", "bob/db", "team-x/db", "team-y/db", "missing/db"]
    theirs = asked(corner.client, token, [f"{corner.mount}/data/{path}" for path in paths])
    for path in paths:
        found = readers(snapshot, f"vault://main/{corner.mount}/{path}").readers  # type: ignore[arg-type]
        mine = subjects <= {reader.subject for reader in found}
        assert mine is ("read" in theirs[f"{corner.mount}/data/{path}"]), path
    assert "read" in theirs[f"{corner.mount}/data/team-x/db"]
    own = filled_in([parse_policy(text)], {"identity.entity.metadata.team": "team-x"})
    assert [rule.pattern for rule in own[0]] == [f"{corner.mount}/data/team-x/*"]


def test_groups_lend_their_policies_to_their_members_and_to_members_of_theirs(
    corner: VaultCorner,
) -> None:
    corner.put("payments/db", {"key": "x"})
    reads = corner.rules("MOUNT/data/payments/* read")
    mount, _, token = login(corner, "bob", ["default"])
    entities = corner.client.adapter.list("/v1/identity/entity/id")["data"]["key_info"]
    [entity] = [one for one, info in entities.items() if _has_login(info, mount)]
    make = corner.client.adapter.post
    low = f"low-{secrets.token_hex(3)}"
    inner = make("/v1/identity/group", json={"name": low, "member_entity_ids": [entity]})
    top = f"top-{secrets.token_hex(3)}"
    inner_id = inner["data"]["id"]
    make(
        "/v1/identity/group",
        json={"name": top, "policies": [reads], "member_group_ids": [inner_id]},
    )
    snapshot = collected(corner, corner.connections())
    secret = f"vault://main/{corner.mount}/payments/db"
    found = {reader.subject: reader for reader in readers(snapshot, secret).readers}  # type: ignore[arg-type]
    for subject in (
        f"vault://main/identity/group/{top}",
        f"vault://main/identity/group/{low}",
        f"vault://main/identity/entity/{entities[entity]['name']}",
        f"vault://main/auth/{mount}/users/bob",
    ):
        assert found[subject].direct, subject  # type: ignore[index]
    path = f"{corner.mount}/data/payments/db"
    assert "read" in asked(corner.client, token, [path])[path]


def _has_login(info: dict[str, Any], mount: str) -> bool:
    return any(alias["mount_path"] == f"auth/{mount}/" for alias in info.get("aliases") or ())


def test_a_kubernetes_mount_joins_the_accounts_of_the_cluster_it_trusts(
    corner: VaultCorner, tmp_path: Any
) -> None:
    corner.put("payments/db", {"key": "x"})
    reads = corner.rules("MOUNT/data/payments/* read")
    trusted, other = (f"kubernetes-{secrets.token_hex(3)}" for _ in range(2))
    make = corner.client.adapter.post
    for mount, host in ((trusted, "https://k8s.example:6443"), (other, "https://elsewhere:6443")):
        corner.client.sys.enable_auth_method("kubernetes", path=mount)
        make(
            f"/v1/auth/{mount}/config",
            json={"kubernetes_host": host, "kubernetes_ca_cert": "none"},
        )
        make(
            f"/v1/auth/{mount}/role/api",
            json={
                "bound_service_account_names": ["api", "worker-*"],
                "bound_service_account_namespaces": ["payments"],
                "token_policies": [reads],
            },
        )
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(
        "apiVersion: v1\nkind: Config\ncurrent-context: c\n"
        "clusters: [{name: c, cluster: {server: 'https://k8s.example:6443'}}]\n"
        "users: [{name: u, user: {token: t}}]\n"
        "contexts: [{name: c, context: {cluster: c, user: u}}]\n"
    )
    clusters = {"prod": KubernetesSettings(kubeconfig=str(kubeconfig))}
    vaults = {"main": corner.connections().vault_settings("main")}
    snapshot = collected(corner, Connections(vaults, clusters, {}))
    scope = "k8s://prod/-/Namespace/payments"
    heads = {head for head, _ in snapshot.heads(scope, EdgeKind.OPENS)}  # type: ignore[arg-type]
    assert heads == {f"vault://main/auth/{trusted}/role/api"}
    [gap] = [gap for gap in snapshot.gaps if other in gap.scope]
    assert f"kubernetes_auth: {{{other}: CLUSTER}}" in gap.do_now

    told = {"main": vaults["main"].model_copy(update={"kubernetes_auth": {other: "prod"}})}
    snapshot = collected(corner, Connections(told, clusters, {}))
    heads = {head for head, _ in snapshot.heads(scope, EdgeKind.OPENS)}  # type: ignore[arg-type]
    assert heads == {f"vault://main/auth/{one}/role/api" for one in (trusted, other)}
    assert not [gap for gap in snapshot.gaps if other in gap.scope]
