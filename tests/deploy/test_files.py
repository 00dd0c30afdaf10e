"""The Dockerfile and the Kubernetes manifests: sane to read, and no more rights than documented."""

import re
from typing import Any

import pytest
import yaml

from bot.config import load
from graph.collector import Collector
from graph.plugins import discover
from tests.servers.processes import ROOT

DEPLOY = ROOT / "deploy"
MANIFESTS = sorted((DEPLOY / "kubernetes").glob("*.yaml"))
CHANGES = {"create", "update", "patch", "delete", "deletecollection", "*"}


def objects() -> list[dict[str, Any]]:
    return [item for path in MANIFESTS for item in yaml.safe_load_all(path.read_text())]


def rules(name: str) -> list[dict[str, Any]]:
    (role,) = [
        item
        for item in objects()
        if item["kind"] in {"Role", "ClusterRole"} and item["metadata"]["name"] == name
    ]
    return list(role["rules"])


def pairs(name: str, verb: str) -> set[tuple[str, str]]:
    return {
        (group, resource)
        for rule in rules(name)
        if verb in rule["verbs"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.name)
def test_each_manifest_is_of_objects_with_a_kind_and_a_name(path: Any) -> None:
    for item in yaml.safe_load_all(path.read_text()):
        assert item["apiVersion"]
        assert item["kind"]
        assert item["metadata"]["name"]


def declared(setting: str) -> dict[str, set[tuple[str, str]]]:
    """Give what collectors say that they need, by verb; "" is what no setting asks for."""
    found: dict[str, set[tuple[str, str]]] = {}
    for collector in discover(Collector, "graph.collectors").values():  # type: ignore[type-abstract]
        for permission in collector.permissions:
            rule, _, only = permission.rule.partition(" (")
            if permission.where != "kubernetes" or only.rstrip(")") != setting:
                continue
            said = re.findall(r"\[([^\]]*)\]", rule)
            groups, resources, verbs = ([w.strip(" \"'") for w in one.split(",")] for one in said)
            for verb in verbs:
                found.setdefault(verb, set()).update((groups[0], one) for one in resources)
    return found


@pytest.mark.parametrize(
    ("role", "setting"),
    [
        ("locksmith-references", ""),
        ("locksmith-fingerprint", "fingerprint mode"),
        ("locksmith-config-maps", "config_maps"),
    ],
)
def test_each_mode_grants_what_collectors_declare_and_nothing_else(role: str, setting: str) -> None:
    needed = declared(setting)
    assert needed
    for verb, resources in needed.items():
        assert pairs(role, verb) == resources
    # Steps read single objects with the same roles.
    assert {verb for rule in rules(role) for verb in rule["verbs"]} == {*needed, "get"}


def test_references_mode_cannot_change_anything() -> None:
    assert all(
        set(rule["verbs"]) == {"get", "list", "watch"} for rule in rules("locksmith-references")
    )


def test_references_mode_has_no_verb_on_secrets() -> None:
    for rule in rules("locksmith-references") + rules("locksmith-act"):
        assert not {"secrets", "*"} & set(rule["resources"])


def test_acting_is_patch_in_one_namespace() -> None:
    assert pairs("locksmith-act", "patch") == {
        ("apps", "deployments"), ("apps", "statefulsets"), ("apps", "daemonsets"),
        ("external-secrets.io", "externalsecrets"),
    }  # fmt: skip
    for item in objects():
        if item["kind"] == "ClusterRole" and item["metadata"]["name"] != "locksmith-reviews":
            assert not any(CHANGES & set(rule["verbs"]) for rule in item["rules"])
        if item["metadata"]["name"] in {"locksmith-act", "locksmith-fingerprint"}:
            assert item["kind"] in {"Role", "RoleBinding"}


def test_replacing_is_in_one_namespace_and_a_review_only_asks() -> None:
    assert pairs("locksmith-replace", "delete") == {("", "secrets")}
    assert not pairs("locksmith-replace", "list") & {("", "secrets")}
    (reviews,) = rules("locksmith-reviews")
    assert (reviews["resources"], reviews["verbs"]) == (["tokenreviews"], ["create"])
    kinds = {i["kind"] for i in objects() if i["metadata"]["name"] == "locksmith-replace"}
    assert kinds == {"Role", "RoleBinding"}
    said = (ROOT / "docs" / "permissions.md").read_text()
    assert "| replace, per namespace | get, create, patch, delete |" in said


def test_fingerprint_mode_reads_and_nothing_else() -> None:
    assert [set(rule["verbs"]) for rule in rules("locksmith-fingerprint")] == [
        {"get", "list", "watch"}
    ]
    assert pairs("locksmith-fingerprint", "list") == {("", "secrets")}


def test_the_pod_is_restricted() -> None:
    (deployment,) = [item for item in objects() if item["kind"] == "Deployment"]
    pod = deployment["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert container["securityContext"]["allowPrivilegeEscalation"] is False
    assert pod["enableServiceLinks"] is False
    assert deployment["spec"]["strategy"]["type"] == "Recreate"
    assert deployment["spec"]["replicas"] == 1


def test_the_variables_of_the_pod_are_settings(tmp_path: Any) -> None:
    (deployment,) = [item for item in objects() if item["kind"] == "Deployment"]
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    given = tmp_path / "given"
    given.mkdir()
    environ = {}
    for variable in container["env"]:
        file = given / variable["name"]
        file.write_text("0" * 64)
        environ[variable["name"]] = str(file)
    config = load(environ=environ)
    assert config.slack.bot_token is not None
    assert config.fingerprint.key is not None


def test_the_image_is_not_root_and_is_built_from_the_lock() -> None:
    lines = (DEPLOY / "Dockerfile").read_text().splitlines()
    final = lines[max(n for n, line in enumerate(lines) if line.startswith("FROM ")) :]
    users = [line.split()[1] for line in final if line.startswith("USER ")]
    assert users
    assert users[-1].isdigit()
    assert int(users[-1]) >= 10_000
    text = "\n".join(lines)
    assert "--require-hashes -r requirements.lock" in text
    assert not re.search(r"(?i)^(ARG|ENV) .*(token|secret|password|key)", text, re.MULTILINE)
    assert "COPY . " not in text
    assert "ADD " not in text
    for source in re.findall(r"^COPY ([^-].*) \S+$", text, re.MULTILINE):
        for name in source.split():
            assert (ROOT / name).exists(), name
