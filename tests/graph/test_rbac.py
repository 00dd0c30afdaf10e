"""The rule test, and what a role gives towards Secrets."""

from typing import Any

import pytest

from graph.kubernetes.detours import DETOURS, MAKE_POD
from graph.kubernetes.rbac import PowerKind, Rule, aggregated, powers, rules_of
from graph.kubernetes.references import CARRIERS
from graph.kubernetes.tools.pods_of_others import PodsOfOthers

SPELLED = "system:serviceaccount:a:bot"


def rule(verbs: str, groups: str = "", resources: str = "secrets", names: str = "") -> Rule:
    return Rule(
        tuple(verbs.split()),
        tuple("" if group == "core" else group for group in (groups or "core").split()),
        tuple(resources.split()),
        tuple(names.split()),
    )


@pytest.mark.parametrize(
    ("own", "resource", "allowed"),
    [
        ("secrets", "secrets", True),
        ("*", "secrets", True),
        ("*", "pods/exec", True),
        ("pods/exec", "pods/exec", True),
        ("*/exec", "pods/exec", True),
        ("pods/*", "pods/exec", False),
        ("*/*", "pods/exec", False),
        ("pods", "pods/exec", False),
        ("secret", "secrets", False),
        ("Secrets", "secrets", False),
    ],
)
def test_resources_match_as_kubernetes_matches_them(own: str, resource: str, allowed: bool) -> None:  # noqa: FBT001
    assert rule("get", resources=own).allows("get", "", resource) is allowed


def test_verb_group_and_name_must_match_inside_one_rule() -> None:
    assert rule("*", "*", "*").allows("get", "apps", "deployments")
    assert not rule("list").allows("get", "", "secrets")
    assert not Rule(("get",), (), ("secrets",)).allows("get", "", "secrets")
    assert rule("get", names="a").allows("get", "", "secrets", "a")
    assert not rule("get", names="a").allows("get", "", "secrets", "b")


def reads(*rules: Rule) -> dict[str, tuple[str, ...]]:
    return {one.verb: one.names for one in powers(rules) if one.kind is PowerKind.READS}


def test_five_verbs_disclose_a_secret_and_the_others_do_not() -> None:
    assert set(reads(rule("*"))) == {"get", "list", "watch", "patch", "deletecollection"}
    assert not reads(rule("create update delete"))


def test_names_limit_all_of_them_but_deletecollection_which_they_disable() -> None:
    verbs = "get list watch patch deletecollection"
    assert reads(rule(verbs, names="db")) == {
        "get": ("db",),
        "list": ("db",),
        "watch": ("db",),
        "patch": ("db",),
    }
    unnamed = Rule(("list", "get", "patch", "deletecollection"), ("",), ("secrets",), ("",))
    assert reads(unnamed) == {"list": (), "deletecollection": ()}


def kinds(*rules: Rule) -> set[tuple[PowerKind, str]]:
    return {(one.kind, one.verb) for one in powers(rules)}


@pytest.mark.parametrize(
    "granted",
    [
        rule("create", resources="pods"),
        rule("patch", "apps", "deployments"),
        rule("update", "batch", "cronjobs"),
        rule("create", resources="pods/exec"),
        rule("get", resources="pods/attach"),
        rule("patch", resources="pods/ephemeralcontainers"),
        rule("create", "external-secrets.io", "secretstores"),
        rule("create", resources="*/exec"),
    ],
)
def test_each_detour_is_a_power(granted: Rule) -> None:
    assert PowerKind.REACHES in {kind for kind, _ in kinds(granted)}


def test_whoever_may_write_a_kind_that_carries_pods_can_make_pods() -> None:
    makers = {(row.group, row.resource) for row in DETOURS if row.kind == MAKE_POD}
    kept = {"PodTemplate", "ControllerRevision", "ScheduledJob"}  # nothing runs these as they are
    for kind, (groups, _) in CARRIERS.items():
        assert kind in kept or makers & {(group, f"{kind.lower()}s") for group in groups}, kind
    assert {(kind.group, kind.plural) for kind in PodsOfOthers.kinds} <= makers


def test_create_limited_by_names_allows_nothing_but_a_named_pod_can_be_entered() -> None:
    assert not kinds(rule("create", resources="pods", names="x"))
    assert kinds(rule("create", resources="pods/exec", names="x"))


def test_who_makes_pods_or_tokens_or_impersonates_becomes_another() -> None:
    becomes = {
        one.verb: one
        for one in powers(
            [
                rule("create", resources="pods"),
                rule("create", resources="serviceaccounts/token", names="ci"),
                rule("impersonate", resources="users"),
            ]
        )
        if one.kind is PowerKind.BECOMES
    }
    assert becomes["create pods"].target == "ServiceAccount"
    assert becomes["create serviceaccounts/token"].names == ("ci",)
    assert becomes["impersonate users"].cluster_only


def test_impersonating_is_of_users_or_of_accounts_and_of_groups_only_with_one_of_these() -> None:
    acts = rule("impersonate", resources="users serviceaccounts groups", names=SPELLED)
    assert [
        (one.verb, one.target, one.names)
        for one in powers([acts])
        if one.kind is not PowerKind.PART
    ] == [("impersonate serviceaccounts", "ServiceAccount", (SPELLED,))]
    assert {kind for kind, _ in kinds(rule("impersonate", resources="groups"))} == {PowerKind.PART}


def test_view_rights_on_other_things_are_no_power() -> None:
    assert not powers([rule("get list watch", "core apps", "pods deployments configmaps")])


def cluster_role(name: str, *, label: str = "", gathers: str = "", rules: Any = ()) -> Any:
    role: dict[str, Any] = {
        "metadata": {"name": name, "labels": {label: "true"}},
        "rules": [*rules],
    }
    if gathers:
        selectors = [{"matchLabels": {gathers: "true"}}]
        role["aggregationRule"] = {"clusterRoleSelectors": selectors}
    return role


def test_aggregated_roles_gather_to_the_fixpoint_even_in_a_circle() -> None:
    secrets = {"verbs": ["get"], "apiGroups": [""], "resources": ["secrets"]}
    roles = {
        role["metadata"]["name"]: role
        for role in (
            cluster_role("extra", label="to-view", rules=[secrets]),
            cluster_role("view", label="to-edit", gathers="to-view"),
            cluster_role("edit", label="to-admin", gathers="to-edit"),
            cluster_role("a", label="to-b", gathers="to-a"),
            cluster_role("b", label="to-a", gathers="to-b"),
        )
    }
    found = aggregated(roles)
    assert found["edit"] == found["view"] == rules_of({"rules": [secrets]})
    assert found["a"] == found["b"] == ()


def test_rules_of_the_wrong_shape_allow_nothing() -> None:
    assert powers(rules_of({"rules": None})) == ()
    assert powers(rules_of({"rules": [None, {"verbs": "get", "resources": {"a": 1}}]})) == ()
