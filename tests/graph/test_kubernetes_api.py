"""The client of clusters: against a stub for odd answers, the embedded cluster, and a real one."""

import base64
import json
import logging
import os
import secrets
import traceback
from pathlib import Path
from typing import Any

import pytest
import yaml

from bot.sandbox.cluster import EmbeddedCluster
from bot.sandbox.loopback import free_port
from graph.connections import Connections, KubernetesApi, KubernetesSettings
from graph.errors import (
    AccessDeniedError,
    BadInputError,
    ConflictError,
    LocksmithError,
    NotFoundError,
    UnavailableError,
)
from graph.kubernetes_api import JSON_PATCH, MERGE_PATCH, what_to_grant
from tests.graph.http_stub import Answer, Asked, HttpStub

CANARY = "pgw_live_CANARYfQ2xLbV7rTz"
PODS = "/api/v1/namespaces/default/pods"


def api(settings: KubernetesSettings) -> KubernetesApi:
    return Connections({}, {"prod": settings}, {}).kubernetes("prod")


def kubeconfig(folder: Path, server: str, *, cluster: Any = None, user: Any = None) -> str:
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "one",
        "contexts": [{"name": "one", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": server, **(cluster or {})}}],
        "users": [{"name": "u", "user": user or {}}],
    }
    file = folder / "kubeconfig"
    file.write_text(yaml.safe_dump(document))
    return str(file)


def stubbed(folder: Path, stub: HttpStub, **given: Any) -> KubernetesApi:
    return api(KubernetesSettings(kubeconfig=kubeconfig(folder, stub.address, **given)))


def test_a_list_is_read_page_by_page_and_its_items_say_what_they_are(tmp_path):
    def answer(asked: Asked) -> Answer:
        second = "continue=next" in asked.path
        items = [{"metadata": {"name": "b"}}] if second else [{"metadata": {"name": "a"}}, {}]
        metadata = {} if second else {"continue": "next"}
        body = {"kind": "PodList", "apiVersion": "v1", "metadata": metadata, "items": items}
        return Answer(body=body)

    with HttpStub(answer) as stub:
        found = list(stubbed(tmp_path, stub).list(PODS, labelSelector="app=x,y in (z)"))
    assert [item["metadata"]["name"] for item in found if "metadata" in item] == ["a", "b"]
    assert {(item["kind"], item["apiVersion"]) for item in found} == {("Pod", "v1")}
    assert len(stub.asked) == 2
    assert all("limit=500" in asked.path for asked in stub.asked)
    assert "labelSelector=app%3Dx%2Cy+in+%28z%29" in stub.asked[1].path


def test_a_list_that_expires_between_pages_is_a_conflict(tmp_path):
    def answer(asked: Asked) -> Answer:
        if "continue" in asked.path:
            return Answer(410, {"kind": "Status", "reason": "Expired"})
        return Answer(body={"kind": "PodList", "metadata": {"continue": "x"}, "items": [{}]})

    with HttpStub(answer) as stub, pytest.raises(ConflictError, match="Expired"):
        list(stubbed(tmp_path, stub).list(PODS))


@pytest.mark.parametrize("body", [b'{"items": null}', b'{"metadata": null}', b"{}", b""])
def test_an_empty_list_may_be_written_in_any_way(tmp_path, body):
    with HttpStub(lambda _: Answer(body=body)) as stub:
        assert list(stubbed(tmp_path, stub).list(PODS)) == []


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (301, BadInputError),
        (400, BadInputError),
        (401, AccessDeniedError),
        (403, AccessDeniedError),
        (404, NotFoundError),
        (409, ConflictError),
        (410, ConflictError),
        (422, BadInputError),
        (429, UnavailableError),
        (500, UnavailableError),
        (503, UnavailableError),
        (504, UnavailableError),
    ],
)
@pytest.mark.parametrize(
    "body",
    [
        {"kind": "Status", "message": f"object {CANARY}", "reason": "Forbidden"},
        {"kind": "Status", "reason": CANARY + " is not a reason"},
        CANARY.encode(),
        [CANARY],
    ],
)
def test_no_answer_of_the_cluster_is_ever_repeated(tmp_path, status, kind, body, caplog):
    caplog.set_level(logging.DEBUG)
    said = body if isinstance(body, bytes) else json.dumps(body).encode()
    with HttpStub(lambda _: Answer(status, said, {"Retry-After": "7"})) as stub:
        client = stubbed(tmp_path, stub, user={"token": CANARY[::-1]})
        with pytest.raises(kind) as caught:
            client.patch("/api/v1/namespaces/default/secrets/x", {"stringData": {"a": CANARY}})
    error: LocksmithError = caught.value
    shown = "".join(traceback.format_exception(error)) + repr(error) + caplog.text
    assert CANARY not in shown
    assert CANARY[::-1] not in shown
    assert str(status) in error.happened
    if isinstance(error, UnavailableError):
        assert error.retry_after == 7
        assert len(stub.asked) == 1


@pytest.mark.parametrize("body", [b"<html>", b"[1]", b'"x"', b"{"])
def test_an_answer_that_is_no_object_is_not_believed(tmp_path, body):
    with HttpStub(lambda _: Answer(body=body)) as stub, pytest.raises(UnavailableError):
        stubbed(tmp_path, stub).get(PODS)


def test_a_refusal_names_the_rule_to_grant():
    grant = what_to_grant("list", "/apis/apps/v1/namespaces/payments/deployments")
    assert grant == 'verb "list" on resource "deployments" of apiGroup "apps" in namespace payments'
    grant = what_to_grant("list", "/api/v1/secrets")
    assert grant == 'verb "list" on resource "secrets" of apiGroup "" in all namespaces'
    grant = what_to_grant("create", "/api/v1/namespaces/a/serviceaccounts/b/token")
    assert 'resource "serviceaccounts/token"' in grant
    assert "in namespace a" in grant
    assert what_to_grant("get", "/version") == 'verb "get" on nonResourceURL "/version"'
    assert "nonResourceURL" in what_to_grant("get", "/apis/apps/v1")
    assert 'resource "namespaces"' in what_to_grant("list", "/api/v1/namespaces")
    assert 'resource "namespaces"' in what_to_grant("get", "/api/v1/namespaces/payments")


def test_tls_is_verified_against_the_authority_of_the_kubeconfig(tmp_path):
    with HttpStub(lambda _: Answer(body={"kind": "Pod"}), tmp_path) as stub:
        trusted = {"certificate-authority": stub.certificate}
        assert stubbed(tmp_path, stub, cluster=trusted).get(PODS)["kind"] == "Pod"
        data = base64.b64encode(Path(stub.certificate).read_bytes()).decode()
        inline = {"certificate-authority-data": data}
        assert stubbed(tmp_path, stub, cluster=inline).get(PODS)["kind"] == "Pod"
        with pytest.raises(UnavailableError) as caught:
            stubbed(tmp_path, stub).get(PODS)
        assert "not trusted" in caught.value.happened
        skipping = {"insecure-skip-tls-verify": True}
        assert stubbed(tmp_path, stub, cluster=skipping).get(PODS)["kind"] == "Pod"


def test_the_credentials_of_the_kubeconfig_are_sent(tmp_path):
    file = tmp_path / "token"
    file.write_text("from-file")
    credential = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "kind": "ExecCredential",
        "status": {"token": "from-exec"},
    }
    program = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": "echo",
        "args": [json.dumps(credential)],
        "interactiveMode": "Never",
    }
    users = [
        ({"token": "plain"}, "Bearer plain"),
        ({"tokenFile": str(file)}, "Bearer from-file"),
        ({"exec": program}, "Bearer from-exec"),
        ({"username": "a", "password": "b"}, "Basic YTpi"),
    ]
    with HttpStub(lambda _: Answer()) as stub:
        for user, expected in users:
            stubbed(tmp_path, stub, user=user).get(PODS)
            assert stub.asked[-1].headers["authorization"] == expected


@pytest.mark.parametrize(
    "settings",
    [
        KubernetesSettings(kubeconfig="/nowhere/kubeconfig"),
        KubernetesSettings(in_cluster=True),
    ],
)
def test_a_cluster_that_cannot_be_used_is_bad_input(settings):
    with pytest.raises(BadInputError, match="Cluster prod cannot be used"):
        api(settings)


@pytest.mark.parametrize("content", ["", "[]", "{", "a: [", "clusters: 7", "just text"])
def test_a_broken_kubeconfig_is_bad_input(tmp_path, content):
    file = tmp_path / "kubeconfig"
    file.write_text(content)
    with pytest.raises(BadInputError, match="cannot be used"):
        api(KubernetesSettings(kubeconfig=str(file)))


def test_an_unknown_context_is_bad_input(tmp_path):
    file = kubeconfig(tmp_path, "http://127.0.0.1:1")
    with pytest.raises(BadInputError, match="“other”"):
        api(KubernetesSettings(kubeconfig=file, context="other"))


def test_a_server_that_does_not_answer_is_unavailable(tmp_path):
    file = kubeconfig(tmp_path, f"http://127.0.0.1:{free_port()}")
    with pytest.raises(UnavailableError, match="no connection"):
        api(KubernetesSettings(kubeconfig=file)).get("/version")


def test_an_aggregated_api_that_is_down_does_not_hide_the_others(tmp_path):
    groups = {"metrics.k8s.io": ["v1"], "batch": ["v1beta1", "v1"]}
    cron = {"name": "cronjobs", "kind": "CronJob", "namespaced": True, "verbs": ["list"]}
    job = {"name": "jobs", "kind": "Job", "namespaced": True, "verbs": ["list"]}
    answers: dict[str, Answer] = {
        "/api": Answer(body={"versions": ["v1"]}),
        "/apis": Answer(
            body={
                "groups": [
                    {
                        "name": name,
                        "versions": [{"version": version} for version in versions],
                        "preferredVersion": {"version": versions[-1]},
                    }
                    for name, versions in groups.items()
                ]
            }
        ),
        "/api/v1": Answer(body={"resources": [{"name": "pods/log", "kind": "Pod"}]}),
        "/apis/metrics.k8s.io/v1": Answer(503),
        "/apis/batch/v1": Answer(body={"resources": [job, {**job, "name": "jobs/status"}]}),
        "/apis/batch/v1beta1": Answer(body={"resources": [cron, job]}),
    }
    with HttpStub(lambda asked: answers.get(asked.path, Answer(404))) as stub:
        client = stubbed(tmp_path, stub)
        assert client.resource_path("jobs", "batch") == "/apis/batch/v1/jobs"
        assert client.resource_path("CronJob", "batch") == "/apis/batch/v1beta1/cronjobs"
        assert client.resource_path("pods", "") is None
        assert client.undiscovered == ("metrics.k8s.io/v1",)
        assert len(stub.asked) == 6


@pytest.fixture(params=["embedded", pytest.param("real", marks=pytest.mark.cluster)])
def cluster(request: pytest.FixtureRequest) -> KubernetesApi:
    if request.param == "embedded":
        embedded: EmbeddedCluster = request.getfixturevalue("embedded_cluster")
        return api(KubernetesSettings(kubeconfig=str(embedded.kubeconfig)))
    return api(KubernetesSettings(kubeconfig=str(request.getfixturevalue("real_cluster"))))


@pytest.fixture
def namespace(cluster: KubernetesApi) -> Any:
    name = f"api-{secrets.token_hex(4)}"
    cluster.post("/api/v1/namespaces", {"metadata": {"name": name}})
    yield name
    cluster.delete(f"/api/v1/namespaces/{name}")


def test_objects_are_made_listed_patched_and_removed(cluster, namespace):
    path = cluster.resource_path("ConfigMap", "", namespace=namespace)
    assert path == f"/api/v1/namespaces/{namespace}/configmaps"
    for name in ("a", "b"):
        cluster.post(path, {"metadata": {"name": name}, "data": {"x": "1"}})
    found = {
        item["metadata"]["name"]: item
        for item in cluster.list(path)
        if len(item["metadata"]["name"]) == 1
    }
    assert set(found) == {"a", "b"}
    assert found["a"]["kind"] == "ConfigMap"
    one = cluster.resource_path("configmaps", "", namespace=namespace, item="a")
    cluster.patch(one, {"data": {"x": "2"}})
    assert cluster.get(one)["data"] == {"x": "2"}
    cluster.delete(one)
    with pytest.raises(NotFoundError):
        cluster.get(one)
    assert cluster.resource_path("deployments", "apps") == "/apis/apps/v1/deployments"
    assert cluster.resource_path("cronjobs", "batch") is not None
    assert cluster.resource_path("widgets", "example.com") is None


@pytest.mark.cluster
def test_a_real_cluster_pages_patches_and_refuses(real_cluster, tmp_path):
    client = api(KubernetesSettings(kubeconfig=str(real_cluster)))
    name = f"api-{secrets.token_hex(4)}"
    client.post("/api/v1/namespaces", {"metadata": {"name": name}})
    try:
        path = f"/api/v1/namespaces/{name}/configmaps"
        for number in range(5):
            client.post(path, {"metadata": {"name": f"n{number}"}, "data": {"x": "1"}})
        assert len([item for item in client.list(path, limit=2) if item["data"].get("x")]) == 5
        client.patch(f"{path}/n0", {"data": {"y": "2"}}, MERGE_PATCH)
        client.patch(f"{path}/n0", [{"op": "remove", "path": "/data/x"}], JSON_PATCH)
        assert client.get(f"{path}/n0")["data"] == {"y": "2"}
        with pytest.raises(ConflictError, match="AlreadyExists"):
            client.post(path, {"metadata": {"name": "n0"}})
        with pytest.raises(BadInputError):
            client.post(path, {"metadata": {"name": "Not A Name"}})
        refused = _as_service_account(client, real_cluster, name, tmp_path)
        with pytest.raises(AccessDeniedError) as caught:
            list(refused.list(f"/api/v1/namespaces/{name}/secrets"))
        assert 'verb "list" on resource "secrets"' in caught.value.do_now
        wrong = _with_token(real_cluster, "nobody", tmp_path)
        with pytest.raises(AccessDeniedError, match="401"):
            wrong.get(path)
    finally:
        client.delete(f"/api/v1/namespaces/{name}")


def _as_service_account(
    client: KubernetesApi, file: Path, namespace: str, folder: Path
) -> KubernetesApi:
    accounts = f"/api/v1/namespaces/{namespace}/serviceaccounts"
    client.post(accounts, {"metadata": {"name": "nothing"}})
    made = client.post(f"{accounts}/nothing/token", {"spec": {"audiences": None}})
    return _with_token(file, made["status"]["token"], folder)


def _with_token(file: Path, token: str, folder: Path) -> KubernetesApi:
    document = yaml.safe_load(file.read_text())
    for user in document["users"]:
        user["user"] = {"token": token}
    changed = folder / f"kubeconfig-{secrets.token_hex(3)}"
    changed.write_text(yaml.safe_dump(document))
    return api(KubernetesSettings(kubeconfig=str(changed)))


@pytest.mark.cluster
def test_the_kubeconfig_of_the_environment_is_the_default(real_cluster):
    assert os.environ["KUBECONFIG"]
    assert api(KubernetesSettings()).get("/version")["major"]
