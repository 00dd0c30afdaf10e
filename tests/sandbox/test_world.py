"""The world is what its description says, on the embedded cluster and on a real one."""

import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import hvac
import hvac.exceptions
import pytest

from bot.sandbox.cluster import EmbeddedCluster
from bot.sandbox.objects import ClusterObjects, Manifest
from bot.sandbox.people import APPROVERS, CHANNELS, PEOPLE, TEAMS
from bot.sandbox.world import NAMESPACES, World, build_world, manifests
from graph.errors import RefusedError


@pytest.fixture(params=["embedded", pytest.param("real", marks=pytest.mark.cluster)])
def built(request: pytest.FixtureRequest) -> World:
    name = "world" if request.param == "embedded" else "real_world"
    found: World = request.getfixturevalue(name)
    return found


@pytest.fixture(params=["embedded", pytest.param("real", marks=pytest.mark.cluster)])
def changeable(request: pytest.FixtureRequest) -> World:
    name = "fresh_world" if request.param == "embedded" else "real_world"
    found: World = request.getfixturevalue(name)
    return found


@pytest.fixture
def objects(request: pytest.FixtureRequest) -> Iterator[Callable[[World], ClusterObjects]]:
    opened: list[ClusterObjects] = []

    def of(world: World) -> ClusterObjects:
        opened.append(ClusterObjects(world.kubeconfig))
        return opened[-1]

    yield of
    for item in opened:
        item.close()


def _eventually(condition: Callable[[], bool], *, seconds: float = 30) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def _data(secret: Manifest | None) -> dict[str, str]:
    return dict((secret or {}).get("data") or {})


def test_the_leaked_token_is_alive_in_the_store_and_in_three_copies(
    built: World, objects: Callable[[World], ClusterObjects]
) -> None:
    assert built.issuer.accepts(built.leaked_token)
    assert built.read_secret("payments/gateway")["token"] == built.leaked_token
    cluster = objects(built)
    copies = [
        _data(cluster.get("v1", "Secret", "payments-gateway", namespace=namespace))
        for namespace in ("payments", "shop", "reporting")
    ]
    assert all(set(copy) == {"token", "webhook-secret"} for copy in copies)
    assert len({json.dumps(copy) for copy in copies}) == 1


def test_the_issuer_takes_the_leaked_token(built: World) -> None:
    answer = httpx.get(
        f"{built.issuer.address}/v1/account",
        headers={"Authorization": f"Bearer {built.leaked_token}"},
        trust_env=False,
    )
    assert answer.json()["token_id"] == built.leaked_token_id


def test_workloads_run_with_the_replicas_that_they_ask_for(
    built: World, objects: Callable[[World], ClusterObjects]
) -> None:
    pods = [
        pod
        for pod in objects(built).list("v1", "Pod")
        if pod["metadata"]["namespace"] in NAMESPACES
    ]
    count = {
        f"{pod['metadata']['namespace']}/{pod['metadata']['labels']['app.kubernetes.io/name']}": 0
        for pod in pods
    }
    for pod in pods:
        labels = pod["metadata"]["labels"]
        count[f"{pod['metadata']['namespace']}/{labels['app.kubernetes.io/name']}"] += 1
    assert count == {
        "payments/api": 3,
        "payments/worker": 2,
        "payments/ledger": 2,
        "payments/webhook": 2,
        "payments/debug-shell": 1,
        "shop/checkout": 2,
        "shop/storefront": 2,
        "shop/sessions": 1,
        "reporting/reports": 1,
        "platform/log-shipper": 1,
        "platform/ci-runner": 1,
    }


def test_a_forced_sync_copies_the_new_value(
    changeable: World, objects: Callable[[World], ClusterObjects]
) -> None:
    cluster = objects(changeable)
    custom = next(i["apiVersion"] for i in manifests(cluster) if i["kind"] == "ExternalSecret")
    target = {
        "apiVersion": custom,
        "kind": "ExternalSecret",
        "metadata": {"name": "payments-gateway", "namespace": "shop"},
    }

    def copied() -> str:
        found = cluster.get("v1", "Secret", "payments-gateway", namespace="shop")
        return _data(found)["token"]

    before = copied()
    client = hvac.Client(url=changeable.openbao.address, token=changeable.openbao.root_token)
    fields = changeable.read_secret("payments/gateway")
    _, fields["token"] = changeable.issuer.issue()
    client.secrets.kv.v2.create_or_update_secret(
        "payments/gateway", fields, mount_point="kv", cas=1
    )
    stamp = datetime.now(UTC).isoformat()
    cluster.patch(target, {"metadata": {"annotations": {"force-sync": stamp}}})
    assert _eventually(lambda: copied() != before)
    found = cluster.get(custom, "ExternalSecret", "payments-gateway", namespace="shop") or {}
    assert found["status"]["conditions"][0]["reason"] == "SecretSynced"


def test_an_edited_copy_is_repaired(
    changeable: World, objects: Callable[[World], ClusterObjects]
) -> None:
    cluster = objects(changeable)
    secret = cluster.get("v1", "Secret", "payments-gateway", namespace="shop") or {}
    cluster.patch(secret, {"data": {"token": "ZWRpdGVk"}})
    assert _eventually(
        lambda: (
            _data(cluster.get("v1", "Secret", "payments-gateway", namespace="shop"))
            == secret["data"]
        )
    )


@pytest.mark.parametrize(
    ("kind", "name", "count"), [("Deployment", "api", 3), ("StatefulSet", "ledger", 2)]
)
def test_a_restart_replaces_every_pod(
    changeable: World,
    objects: Callable[[World], ClusterObjects],
    kind: str,
    name: str,
    count: int,
) -> None:
    cluster = objects(changeable)

    def pods() -> set[str]:
        found = cluster.list("v1", "Pod", "payments", labels=f"app.kubernetes.io/name={name}")
        return {
            pod["metadata"]["uid"] for pod in found if "deletionTimestamp" not in pod["metadata"]
        }

    before = pods()
    workload = cluster.get("apps/v1", kind, name, namespace="payments") or {}
    stamp = {"kubectl.kubernetes.io/restartedAt": datetime.now(UTC).isoformat()}
    cluster.patch(workload, {"spec": {"template": {"metadata": {"annotations": stamp}}}})
    assert _eventually(lambda: not before & pods() and len(pods()) == count)
    changeable.wait_until_settled()


def test_building_again_changes_nothing(
    changeable: World, objects: Callable[[World], ClusterObjects]
) -> None:
    cluster = objects(changeable)

    def uids() -> dict[str, str]:
        return {
            f"{kind}/{item['metadata']['namespace']}/{item['metadata']['name']}": item["metadata"][
                "uid"
            ]
            for version, kind in (
                ("apps/v1", "Deployment"),
                ("v1", "Pod"),
                ("v1", "ServiceAccount"),
            )
            for item in cluster.list(version, kind)
            if item["metadata"]["namespace"] in NAMESPACES
        }

    before = uids()
    again = build_world(changeable.openbao, changeable.kubeconfig, changeable.issuer)
    again.wait_until_settled()
    assert uids() == before
    assert again.leaked_token == changeable.leaked_token


def test_removing_leaves_nothing_behind(
    changeable: World, objects: Callable[[World], ClusterObjects]
) -> None:
    changeable.remove()
    cluster = objects(changeable)
    kinds = [("v1", "Namespace"), ("rbac.authorization.k8s.io/v1", "ClusterRole")]
    names = [item["metadata"]["name"] for kind in kinds for item in cluster.list(*kind)]
    assert not {*NAMESPACES, "backup-operator"} & set(names)
    left = [item for kind in ("Secret", "ServiceAccount") for item in cluster.list("v1", kind)]
    assert not [item for item in left if item["metadata"]["namespace"] in NAMESPACES]


def test_a_cluster_with_a_namespace_of_somebody_else_is_refused(
    world: World, tmp_path: Path
) -> None:
    with EmbeddedCluster(tmp_path) as foreign:
        cluster = ClusterObjects(foreign.kubeconfig)
        theirs = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}
        cluster.apply(theirs)
        with pytest.raises(RefusedError, match="Namespace shop"):
            build_world(world.openbao, foreign.kubeconfig, world.issuer)
        assert [item["metadata"]["name"] for item in cluster.list("v1", "Namespace")] == ["shop"]
        cluster.close()


def test_a_leaked_ci_token_reads_payments_and_shop_until_its_accessor_is_revoked(
    world: World,
) -> None:
    leaked = world.issue_ci_token()
    thief = hvac.Client(url=world.openbao.address, token=leaked.token)
    for path in ("payments/gateway", "shop/stripe"):
        thief.secrets.kv.v2.read_secret_version(
            path, mount_point="kv", raise_on_deleted_version=True
        )
    with pytest.raises(hvac.exceptions.Forbidden):
        thief.secrets.kv.v2.read_secret_version(
            "platform/backup", mount_point="kv", raise_on_deleted_version=True
        )
    bot = hvac.Client(url=world.openbao.address, token=world.bot_token)
    found = bot.auth.token.lookup_accessor(leaked.accessor)["data"]
    assert (found["display_name"], "ci" in found["policies"]) == ("token-ci", True)
    bot.auth.token.revoke_accessor(leaked.accessor)
    with pytest.raises(hvac.exceptions.Forbidden):
        thief.auth.token.lookup_self()


def test_the_bot_can_do_what_its_steps_need_and_no_more(world: World) -> None:
    bot = hvac.Client(url=world.openbao.address)
    bot.auth.approle.login(world.bot_role_id, world.bot_secret_id)
    kv = bot.secrets.kv.v2
    assert set(kv.list_secrets("", mount_point="kv")["data"]["keys"]) == {
        f"{namespace}/" for namespace in NAMESPACES
    }
    assert kv.read_secret_metadata("payments/gateway", mount_point="kv")["data"][
        "custom_metadata"
    ] == {"owner": "team:payments", "issuer": "paygate"}
    assert "kv/" in bot.sys.list_mounted_secrets_engines()["data"]
    assert "approle/" in bot.sys.list_auth_methods()["data"]
    assert "ci" in bot.sys.list_acl_policies()["data"]["keys"]
    assert "kv/data/payments/+" in bot.sys.read_acl_policy("ci")["data"]["policy"]
    assert "ci" in bot.auth.approle.list_roles()["data"]["keys"]
    assert bot.auth.approle.read_role("ci")["data"]["token_policies"] == ["ci"]
    assert bot.auth.token.list_accessors()["data"]["keys"]
    for refused in (
        bot.sys.list_enabled_audit_devices,
        lambda: kv.create_or_update_secret("payments/db", {"password": "x"}, mount_point="kv"),
        lambda: bot.sys.create_or_update_acl_policy("ci", 'path "*" {}'),
        lambda: bot.auth.approle.read_role_id("ci"),
        lambda: kv.delete_metadata_and_all_versions("payments/db", mount_point="kv"),
        lambda: bot.auth.token.create(policies=["ops"]),
    ):
        with pytest.raises(hvac.exceptions.Forbidden):
            refused()


def test_people_teams_and_channels_know_each_other() -> None:
    names = {person.name for person in PEOPLE}
    assert {owner for team in TEAMS for owner in team.owners} <= names
    assert {member for channel in CHANNELS for member in channel.members} <= names
    assert set(APPROVERS) <= names
    assert {namespace for team in TEAMS for namespace in team.namespaces} == set(NAMESPACES)
