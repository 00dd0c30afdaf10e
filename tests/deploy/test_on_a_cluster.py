"""
The Kubernetes manifests on a real API server: they apply, and grant what each mode needs.

The bot's service account logs in with a token of its own; what it may do is asked of the API server
and shown by collecting with it. The same account logs in to OpenBao through its Kubernetes auth.
"""

import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import hvac
import pytest
import yaml
from kubernetes import client, config

from bot.checks.finding import Outcome
from bot.checks.kubernetes import check_kubernetes
from bot.config import load
from bot.graph_parts import graph_parts
from bot.sandbox.company import workspace_shape
from bot.sandbox.objects import ClusterObjects
from bot.sandbox.page_receiver import PageReceiver
from bot.sandbox.workspace.server import Workspace
from bot.sandbox.world import CLUSTER, STORE, World
from graph.collect import collect
from tests.servers.processes import (
    ROOT,
    ServeProcess,
    locksmith,
    settings_of,
    wait_until_collected,
    write_config,
)

pytestmark = [pytest.mark.cluster, pytest.mark.slow]

FOLDER = ROOT / "deploy" / "kubernetes"
NAMESPACE = "locksmith"
# Applied in this order: the first makes the namespace that the others use.
ORDER = ("deployment.yaml", "rbac-references.yaml", "rbac-act.yaml", "rbac-fingerprint.yaml")


def manifests(*names: str) -> list[dict[str, Any]]:
    return [item for name in names for item in yaml.safe_load_all((FOLDER / name).read_text())]


@pytest.fixture
def deployed(real_world: World) -> Iterator[ClusterObjects]:
    """Everything of deploy/kubernetes except the role for values, in the world's cluster."""
    objects = ClusterObjects(real_world.kubeconfig)
    items = manifests(*(name for name in ORDER if name != "rbac-fingerprint.yaml"))
    for item in items:
        objects.apply(item)
    yield objects
    for item in [*manifests("rbac-fingerprint.yaml"), *reversed(items)]:
        objects.delete(item)
    for item in items:
        if item["kind"] == "Namespace":
            objects.wait_until_gone(item, seconds=60)
    objects.close()


def token_of(kubeconfig: Path, *, account: str = "locksmith") -> str:
    """Ask the API server for a token of a service account, as a pod would get it."""
    with config.new_client_from_config(str(kubeconfig)) as api:
        made = client.CoreV1Api(api).create_namespaced_service_account_token(
            account, NAMESPACE, client.AuthenticationV1TokenRequest(spec={"audiences": []})
        )
    return str(made.status.token)


@pytest.fixture
def as_bot(deployed: ClusterObjects, real_world: World, tmp_path: Path) -> Path:
    """A kubeconfig of the bot's service account."""
    (tmp_path / "given").mkdir()
    path = tmp_path / "given" / "kubeconfig"
    content = yaml.safe_load(real_world.kubeconfig.read_text())
    current = content["current-context"]
    (context,) = [one for one in content["contexts"] if one["name"] == current]
    context["context"]["user"] = "bot"
    content["users"] = [{"name": "bot", "user": {"token": token_of(real_world.kubeconfig)}}]
    path.write_text(yaml.safe_dump(content))
    return path


def allowed(kubeconfig: Path, verb: str, group: str, resource: str, namespace: str = "") -> bool:
    asked = {"verb": verb, "group": group, "resource": resource, "namespace": namespace}
    with config.new_client_from_config(str(kubeconfig)) as api:
        answer = client.AuthorizationV1Api(api).create_self_subject_access_review(
            {"spec": {"resourceAttributes": asked}}
        )
    return bool(answer.status.allowed)


def test_the_bot_may_do_what_each_mode_needs_and_no_more(
    as_bot: Path, deployed: ClusterObjects
) -> None:
    for group, resource in (("", "pods"), ("apps", "deployments"), ("batch", "cronjobs")):
        assert allowed(as_bot, "list", group, resource)
        assert not allowed(as_bot, "delete", group, resource)
    for verb in ("get", "list", "watch", "create", "patch"):
        assert not allowed(as_bot, verb, "", "secrets", "payments")
    for group, resource in (
        ("apps", "deployments"), ("apps", "statefulsets"), ("apps", "daemonsets"),
        ("external-secrets.io", "externalsecrets"),
    ):  # fmt: skip
        assert allowed(as_bot, "patch", group, resource, "payments")
        assert not allowed(as_bot, "patch", group, resource, "shop")
        assert not allowed(as_bot, "patch", group, resource)
    for item in manifests("rbac-fingerprint.yaml"):
        deployed.apply(item)
    assert allowed(as_bot, "list", "", "secrets", "payments")
    assert not allowed(as_bot, "list", "", "secrets", "shop")
    assert not allowed(as_bot, "patch", "", "secrets", "payments")


def test_the_references_role_is_enough_to_collect_without_a_gap(
    as_bot: Path,
    real_world: World,
    page_receiver: PageReceiver,
    tmp_path: Path,
) -> None:
    with Workspace(workspace_shape()) as workspace:
        settings = settings_of(real_world, workspace, page_receiver, folder=tmp_path)
    settings["kubernetes"][CLUSTER] = {"kubeconfig": str(as_bot), "mode": "references"}
    parts = graph_parts(load(str(write_config(settings, tmp_path)), environ={}))
    try:
        done = {
            one.source: one
            for one in collect(parts.repository, parts.collect_context, now=parts.now())
        }
        checks = list(check_kubernetes(CLUSTER, parts.connections))
    finally:
        parts.close()
    for name in ("kubernetes", "external_secrets", "rbac"):
        assert [gap.reason for gap in done[f"{name}/{CLUSTER}"].gaps] == []
        assert done[f"{name}/{CLUSTER}"].nodes
    assert [one.what for one in checks if one.outcome is Outcome.MISSING] == []


def certificate_of(kubeconfig: Path) -> tuple[str, str]:
    """Give the API server's address and its own certificate, which it signed itself."""
    content = yaml.safe_load(kubeconfig.read_text())
    server = content["clusters"][0]["cluster"]["server"]
    place = urlsplit(server)
    return server, ssl.get_server_certificate((str(place.hostname), place.port or 443))


def test_serve_logs_in_to_openbao_by_its_service_account(
    as_bot: Path,
    deployed: ClusterObjects,
    real_world: World,
    page_receiver: PageReceiver,
    tmp_path: Path,
) -> None:
    reviewer = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "locksmith-test-reviewer"},
        "roleRef": {
            "apiGroup": "rbac.authorization.k8s.io",
            "kind": "ClusterRole",
            "name": "system:auth-delegator",
        },
        "subjects": [{"kind": "ServiceAccount", "name": "locksmith", "namespace": NAMESPACE}],
    }
    deployed.apply(reviewer)
    server, certificate = certificate_of(real_world.kubeconfig)
    bao = hvac.Client(url=real_world.openbao.address, token=real_world.openbao.root_token)
    bao.sys.enable_auth_method("kubernetes")
    jwt = token_of(real_world.kubeconfig)
    bao.auth.kubernetes.configure(
        kubernetes_host=server,
        kubernetes_ca_cert=certificate,
        token_reviewer_jwt=jwt,
        disable_local_ca_jwt=True,
    )
    bao.auth.kubernetes.create_role(
        "locksmith",
        bound_service_account_names=["locksmith"],
        bound_service_account_namespaces=[NAMESPACE],
        policies=["locksmith"],
        ttl="1h",
    )
    (tmp_path / "given" / "jwt").write_text(jwt)
    with Workspace(workspace_shape()) as workspace:
        settings = settings_of(real_world, workspace, page_receiver, folder=tmp_path)
        settings["kubernetes"][CLUSTER] = {"kubeconfig": str(as_bot)}
        settings["vault"][STORE] = {
            "address": real_world.openbao.address,
            "auth": "kubernetes",
            "role": "locksmith",
            "jwt_file": str(tmp_path / "given" / "jwt"),
            "mounts": ["kv"],
        }
        path = write_config(settings, tmp_path)
        checked = locksmith("--config", str(path), "check")
        assert checked.returncode == 0, checked.stdout
        with ServeProcess(path, tmp_path / "serve.log") as serve:
            workspace.wait_for_app()
            wait_until_collected(serve.config)
            ben = workspace.as_user("ben")
            assert ben.command("#general", "/leak uses payments/gateway")
            answer = ben.wait_for_message(
                "#general", lambda m: m.ephemeral_to == ben.id and "checkout" in m.all_text
            )
            assert "Deployment/api" in answer.all_text
            assert serve.stop() == 0
    deployed.delete(reviewer)
