"""
Credentials that live in Kubernetes alone, replaced on a real control plane.

Nothing stands in for anybody here: the API server reviews the tokens, the token controller makes
them, Deployments roll by their controller.
"""

import base64
import json
from typing import Any

import pytest

from graph.errors import RefusedError
from responders.step import VerdictKind
from responders.steps.account_token import (
    EndBound,
    EndBoundSettings,
    Issue,
    IssueSettings,
    Revoke,
    RevokeSettings,
)
from responders.steps.image_pull_secret import Write, WriteSettings
from responders.steps.kubernetes_secret import Remove, RemoveSettings, Rotate, RotateSettings
from responders.steps.kubernetes_successor import Create, CreateSettings, Switch, SwitchSettings
from tests.responders.steps.homes import TOKEN, Home, decoded, encoded
from tests.responders.steps.parts import Store, context

pytestmark = pytest.mark.cluster


def test_a_value_is_rotated_in_its_secret_and_never_over_somebody_elses(home: Home) -> None:
    applied = {"kubectl.kubernetes.io/last-applied-configuration": "{…leaked…}"}
    data = {"key": encoded("leaked-signing-key"), "other": encoded("stays")}
    home.make("v1", "Secret", "session", data=data, metadata={"annotations": applied})
    asked = RotateSettings(secret=home.ref("Secret", "session"), field="key")
    verdict = home.run("rotate", Rotate(), asked)
    assert verdict.kind is VerdictKind.CONFIRMED, verdict
    after = home.get("Secret", "session")
    assert decoded(after, "key") != "leaked-signing-key"
    assert decoded(after, "other") == "stays"
    assert after is not None
    assert "leaked" not in str(after["metadata"].get("annotations"))
    home.objects.patch(after, {"data": {"key": encoded("leaked-signing-key")}})
    given = context(home.connections, f"{home.namespace}:plan:rotate")
    again = Rotate().verify(asked, home.receipts["rotate"], given)
    assert again.kind is VerdictKind.REFUTED


@pytest.mark.parametrize(
    ("metadata", "said"),
    [
        ({"labels": {"app.kubernetes.io/managed-by": "Helm"}}, "Helm"),
        ({"labels": {"reconcile.external-secrets.io/managed": "true"}}, "External Secrets"),
        ({"annotations": {"argocd.argoproj.io/tracking-id": "shop:/Secret:x/y"}}, "Argo CD"),
        ({"labels": {"kustomize.toolkit.fluxcd.io/name": "shop"}}, "Flux"),
    ],
)
def test_what_others_would_put_back_is_refused_before_anything_is_changed(
    home: Home, metadata: dict[str, Any], said: str
) -> None:
    home.make("v1", "Secret", "kept", data={"key": encoded("leaked")}, metadata=metadata)
    asked = RotateSettings(secret=home.ref("Secret", "kept"), field="key")
    with pytest.raises(RefusedError, match=said):
        Rotate().apply(asked, context(home.connections))
    assert decoded(home.get("Secret", "kept"), "key") == "leaked"


def test_an_immutable_secret_gets_a_successor_and_ends_when_nobody_names_it(home: Home) -> None:
    home.make("v1", "Secret", "signing", data={"key": encoded("leaked")}, immutable=True)
    source = {"secretKeyRef": {"name": "signing", "key": "key"}}
    containers = [{"name": "c", "image": "simulated", "env": [{"name": "K", "valueFrom": source}]}]
    volumes = [{"name": "v", "secret": {"secretName": "signing"}}]
    home.deployment("api", containers=containers, volumes=volumes)
    secret, workload = home.ref("Secret", "signing"), home.ref("Deployment", "api")
    made = home.run("successor", Create(), CreateSettings(secret=secret, field="key"))
    assert made.kind is VerdictKind.CONFIRMED, made
    with pytest.raises(RefusedError, match="still named by 2 pods"):
        Remove().apply(
            RemoveSettings(secret=secret), context(home.connections, receipts=home.receipts)
        )
    switched = home.run("switch", Switch(), SwitchSettings(secret=secret, workloads=(workload,)))
    assert switched.kind is VerdictKind.CONFIRMED, switched
    home.until(lambda: len(home.ready("api")) == 2)
    removed = home.run("remove", Remove(), RemoveSettings(secret=secret))
    assert removed.kind is VerdictKind.CONFIRMED, removed
    assert home.get("Secret", "signing") is None


def test_a_switch_can_be_undone_while_the_former_still_works(home: Home) -> None:
    home.make("v1", "Secret", "pull", data={"key": encoded("leaked")}, immutable=True)
    home.deployment("api", volumes=[{"name": "v", "secret": {"secretName": "pull"}}])
    secret = home.ref("Secret", "pull")
    home.run("successor", Create(), CreateSettings(secret=secret, field="key"))
    asked = SwitchSettings(secret=secret, workloads=(home.ref("Deployment", "api"),))
    home.run("switch", Switch(), asked)
    Switch().undo(asked, home.receipts["switch"], context(home.connections))
    found = home.get("Deployment", "api", "apps/v1")
    assert found is not None
    volume = found["spec"]["template"]["spec"]["volumes"][0]
    assert volume["secret"]["secretName"] == "pull"


def test_a_kept_token_made_again_under_its_name_is_the_same_so_it_gets_another_name(
    home: Home,
) -> None:
    home.make("v1", "ServiceAccount", "deployer")
    annotations = {"kubernetes.io/service-account.name": "deployer"}

    def make() -> str:
        home.make("v1", "Secret", "kept", type=TOKEN, metadata={"annotations": annotations})
        home.until(lambda: "token" in ((home.get("Secret", "kept") or {}).get("data") or {}))
        return decoded(home.get("Secret", "kept"), "token")

    leaked = make()
    found = home.get("Secret", "kept")
    assert found is not None
    home.objects.delete({"apiVersion": "v1", "kind": "Secret", **found})
    assert make() == leaked  # why `issue` chooses another name
    secret = home.ref("Secret", "kept")
    issued = home.run("issue", Issue(), IssueSettings(secret=secret))
    assert issued.kind is VerdictKind.CONFIRMED, issued
    assert home.reviewed(leaked)
    revoked = home.run("revoke", Revoke(), RevokeSettings(secret=secret))
    assert revoked.kind is VerdictKind.CONFIRMED, revoked
    assert revoked.facts["old_value_refused"] is True
    assert not home.reviewed(leaked)


def test_a_bound_token_ends_with_what_it_is_bound_to(home: Home) -> None:
    home.make("v1", "ServiceAccount", "runner")
    pod = {"serviceAccountName": "runner", "containers": [{"name": "c", "image": "simulated"}]}
    home.until(lambda: bool((home.get("ServiceAccount", "runner") or {}).get("secrets")))
    uid = home.make("v1", "Pod", "runner-1", spec=pod)["metadata"]["uid"]
    account = home.ref("ServiceAccount", "runner")
    path = f"/api/v1/namespaces/{home.namespace}/serviceaccounts/runner/token"
    bound = {"apiVersion": "v1", "kind": "Pod", "name": "runner-1", "uid": uid}
    api = home.connections.kubernetes("real")
    leaked = api.post(path, {"spec": {"boundObjectRef": bound}})["status"]["token"]
    assert home.reviewed(leaked)
    asked = EndBoundSettings(bound_to=home.ref("Pod", "runner-1"), uid=uid, account=account)
    verdict = home.run("end", EndBound(), asked)
    assert verdict.kind is VerdictKind.CONFIRMED, verdict
    home.until(lambda: not home.reviewed(leaked), seconds=20)
    stranger = EndBoundSettings(bound_to=account, uid="not-this-one", account=account)
    assert home.run("other", EndBound(), stranger).kind is VerdictKind.UNKNOWN
    assert home.get("ServiceAccount", "runner") is not None


def test_the_login_of_one_registry_is_replaced_and_the_others_stay(
    home: Home, store: Store
) -> None:
    auths = {
        "registry.example.com": {"auth": encoded("ci:leaked")},
        "other.example.com": {"auth": encoded("ci:stays")},
    }
    home.make(
        "v1",
        "Secret",
        "registry",
        type="kubernetes.io/dockerconfigjson",
        data={".dockerconfigjson": encoded(json.dumps({"auths": auths}))},
    )
    store.put("shop/registry", username="ci", password="the-new-password")
    asked = WriteSettings(
        target=home.ref("Secret", "registry"),
        registry="registry.example.com",
        secret=store.ref("shop/registry"),
    )
    verdict = home.run("write", Write(), asked)
    assert verdict.kind is VerdictKind.CONFIRMED, verdict
    held = json.loads(decoded(home.get("Secret", "registry"), ".dockerconfigjson"))["auths"]
    new = held["registry.example.com"]["auth"]
    assert base64.b64decode(new).decode() == "ci:the-new-password"
    assert held["other.example.com"] == auths["other.example.com"]
