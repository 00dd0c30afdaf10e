"""Bindings joined with roles: who can read, where, by which path."""

from typing import Any

from graph.gathered import Gathered
from graph.kubernetes.grants import Grants
from graph.model import Attributes, EdgeKind, Observation

GROUP = "rbac.authorization.k8s.io"
RBAC = f"{GROUP}/v1"
CLUSTER = "k8s://c/-/Cluster/c"


def rule(verbs: str, resources: str = "secrets", names: str = "", group: str = "") -> Any:
    found: dict[str, Any] = {
        "verbs": verbs.split(),
        "apiGroups": [group],
        "resources": resources.split(),
    }
    return {**found, "resourceNames": names.split()} if names else found


def role(name: str, *rules: Any, namespace: str = "pay") -> dict[str, Any]:
    kind = "Role" if namespace else "ClusterRole"
    metadata = {"name": name, "namespace": namespace} if namespace else {"name": name}
    return {"apiVersion": RBAC, "kind": kind, "metadata": metadata, "rules": list(rules)}


def user(name: str) -> dict[str, str]:
    return {"kind": "User", "name": name}


def account(name: str, namespace: str = "") -> dict[str, str]:
    where = {"namespace": namespace} if namespace else {}
    return {"kind": "ServiceAccount", "name": name, **where}


def bind(to: str, *subjects: Any, namespace: str = "pay", kind: str = "Role") -> dict[str, Any]:
    binding = "RoleBinding" if namespace else "ClusterRoleBinding"
    metadata = {"name": f"to-{to}", "namespace": namespace} if namespace else {"name": f"to-{to}"}
    return {
        "apiVersion": RBAC,
        "kind": binding,
        "metadata": metadata,
        "roleRef": {"kind": kind, "name": to},
        "subjects": list(subjects),
    }


def observed(*objects: dict[str, Any], live: bool = True) -> Observation:
    gathered = Gathered("rbac/c", "c")
    grants = Grants(gathered, live=live)
    for obj in objects:
        assert grants.add(obj)
    grants.finish()
    return gathered.observation()


def readers(found: Observation) -> dict[tuple[str, str, str], Attributes]:
    """Return the edges without those of groups that are always allowed."""
    return {
        (edge.tail.removeprefix("k8s://c/"), edge.head, str(edge.attributes["verb"])): (
            edge.attributes
        )
        for edge in found.edges
        if edge.kind is EdgeKind.CAN_READ and "Group/system:" not in edge.tail
    }


def test_a_role_reads_the_namespace_of_its_binding_and_the_path_says_why() -> None:
    found = readers(observed(role("r", rule("list")), bind("r", user("ana"))))
    (attributes,) = found.values()
    assert list(found) == [("-/User/ana", "k8s://c/-/Namespace/pay", "list")]
    assert attributes["direct"] is True
    assert attributes["path"] == ("k8s://c/pay/RoleBinding/to-r", "k8s://c/pay/Role/r")


def test_a_cluster_role_reads_where_it_is_bound() -> None:
    objects = role("r", rule("get"), namespace="")
    near = observed(objects, bind("r", user("ana"), kind="ClusterRole"))
    far = observed(objects, bind("r", user("ana"), kind="ClusterRole", namespace=""))
    assert list(readers(near)) == [("-/User/ana", "k8s://c/-/Namespace/pay", "get")]
    assert list(readers(far)) == [("-/User/ana", CLUSTER, "get")]


def test_names_lead_to_the_secret_or_stay_on_the_edge_to_the_cluster() -> None:
    near = observed(role("r", rule("get", names="db")), bind("r", user("ana")))
    assert list(readers(near)) == [("-/User/ana", "k8s://c/pay/Secret/db", "get")]
    far = readers(
        observed(
            role("r", rule("get", names="db"), namespace=""),
            bind("r", user("ana"), kind="ClusterRole", namespace=""),
        )
    )
    assert far["-/User/ana", CLUSTER, "get"]["names"] == ("db",)


def test_subjects_are_named_as_kubernetes_understands_them() -> None:
    subjects = [
        {"kind": "Group", "name": "dev"},
        account("ci"),
        user("system:serviceaccount:other:robot"),
        {"kind": "Robot", "name": "x"},
        {"kind": "User"},
    ]
    found = readers(observed(role("r", rule("get")), bind("r", *subjects)))
    assert {tail for tail, _, _ in found} == {
        "-/Group/dev",
        "pay/ServiceAccount/ci",
        "other/ServiceAccount/robot",
    }


def test_an_account_without_namespace_in_a_cluster_role_binding_never_applies() -> None:
    found = observed(
        role("r", rule("get"), namespace=""),
        bind("r", account("ci"), kind="ClusterRole", namespace=""),
    )
    assert not readers(found)


def test_a_binding_to_a_missing_role_gives_nothing_and_says_so() -> None:
    found = observed(bind("gone", user("ana")))
    assert not readers(found)
    (binding,) = [node for node in found.nodes if node.kind == "binding"]
    assert binding.attributes == {"role_missing": True}
    [gap] = found.gaps
    assert "do not exist" in gap.reason or "does not exist" in gap.reason
    assert "to-gone" in gap.reason


def test_a_role_of_another_namespace_is_another_role() -> None:
    assert not readers(observed(role("r", rule("get"), namespace="x"), bind("r", user("ana"))))


def test_a_detour_is_marked_as_indirect_with_a_note() -> None:
    found = readers(observed(role("r", rule("create", "pods")), bind("r", user("ana"))))
    attributes = found["-/User/ana", "k8s://c/-/Namespace/pay", "create pods"]
    assert attributes["direct"] is False
    assert "mount any Secret" in str(attributes["note"])


def opens(found: Observation) -> dict[tuple[str, str], Attributes]:
    return {
        (edge.tail.removeprefix("k8s://c/"), edge.head.removeprefix("k8s://c/")): edge.attributes
        for edge in found.edges
        if edge.kind is EdgeKind.OPENS and "Group/system:" not in edge.tail
    }


def test_who_can_take_over_others_gets_an_edge_to_them_or_to_their_place() -> None:
    mint = rule("create", "serviceaccounts/token")
    named = rule("create", "serviceaccounts/token", names="ci")
    acts = rule("impersonate", "users groups", names="ops system:serviceaccount:x:robot")
    found = opens(
        observed(
            role("any", mint),
            role("one", named),
            role("acts", acts, namespace=""),
            bind("any", user("ana")),
            bind("one", user("bob")),
            bind("acts", user("eve"), kind="ClusterRole", namespace=""),
        )
    )
    assert set(found) == {
        ("-/User/ana", "-/Namespace/pay"),
        ("-/User/bob", "pay/ServiceAccount/ci"),
        ("-/User/eve", "-/User/ops"),
        ("-/User/eve", "-/Group/ops"),
        ("-/User/eve", "-/Group/system:serviceaccount:x:robot"),
    }
    ana = found["-/User/ana", "-/Namespace/pay"]
    assert (ana["target"], ana["kind"], ana["direct"]) == ("ServiceAccount", "mint-token", False)
    assert ana["path"] == ("k8s://c/pay/RoleBinding/to-any", "k8s://c/pay/Role/any")


def test_a_group_is_impersonated_only_by_who_can_be_somebody_too() -> None:
    groups = rule("impersonate", "groups")
    alone = observed(
        role("g", groups, namespace=""), bind("g", user("ana"), kind="ClusterRole", namespace="")
    )
    assert not readers(alone)
    assert not opens(alone)
    found = observed(
        role("g", groups, namespace=""),
        bind("g", user("ana"), user("bob"), kind="ClusterRole", namespace=""),
        role("one", rule("impersonate", "serviceaccounts", names="ci")),
        bind("one", user("ana")),
    )
    assert list(readers(found)) == [("-/User/ana", CLUSTER, "impersonate groups")]
    masters = readers(found)["-/User/ana", CLUSTER, "impersonate groups"]
    assert masters["kind"] == "impersonate"
    assert "k8s://c/pay/RoleBinding/to-one" in masters["path"]
    # To be given both by a role that may be bound is as good as to have both.
    both = rule("impersonate", "groups users")
    bound = observed(
        role("both", both, namespace=""),
        role(
            "binds",
            rule("bind", "clusterroles", names="both", group=GROUP),
            rule("create", "clusterrolebindings", group=GROUP),
            namespace="",
        ),
        bind("binds", user("ana"), kind="ClusterRole", namespace=""),
    )
    assert readers(bound)["-/User/ana", CLUSTER, "impersonate groups"]["kind"] == "bind"


def test_bind_and_escalate_need_their_second_half() -> None:
    group = "rbac.authorization.k8s.io"
    bind_any = rule("bind", "clusterroles", group=group)
    write = rule("create", "rolebindings", group=group)
    assert not readers(observed(role("r", bind_any), bind("r", user("ana"))))
    assert not readers(observed(role("r", write), bind("r", user("ana"))))
    both = readers(observed(role("r", bind_any, write), bind("r", user("ana"))))
    assert list(both) == [("-/User/ana", "k8s://c/-/Namespace/pay", "bind clusterroles")]
    escalate = rule("escalate update", "roles", group=group)
    found = readers(observed(role("r", escalate), bind("r", user("ana"))))
    assert list(found) == [("-/User/ana", "k8s://c/-/Namespace/pay", "escalate roles")]


def test_binding_only_a_harmless_role_is_harmless() -> None:
    group = "rbac.authorization.k8s.io"
    rules = [
        rule("bind", "clusterroles", names="view", group=group),
        rule("create", "rolebindings", group=group),
    ]
    found = observed(
        role("view", rule("get", "pods"), namespace=""),
        role("r", *rules),
        bind("r", user("ana")),
    )
    assert not readers(found)


def test_what_needs_the_whole_cluster_is_not_given_by_a_role_binding() -> None:
    nodes = role("n", rule("get", "nodes/proxy"), namespace="")
    near = observed(nodes, bind("n", user("ana"), kind="ClusterRole"))
    assert not readers(near)
    far = observed(nodes, bind("n", user("ana"), kind="ClusterRole", namespace=""))
    assert ("-/User/ana", CLUSTER, "get nodes/proxy") in readers(far)


def test_aggregation_is_computed_for_manifests_and_read_from_a_live_cluster() -> None:
    parent = {
        **role("view", namespace=""),
        "aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {"x": "y"}}]},
    }
    child = role("child", rule("get"), namespace="")
    child["metadata"]["labels"] = {"x": "y"}
    objects = (parent, child, bind("view", user("ana"), kind="ClusterRole"))
    assert readers(observed(*objects, live=False))
    assert not readers(observed(*objects, live=True))


def test_masters_are_always_allowed_on_a_live_cluster() -> None:
    tails = {edge.tail for edge in observed().edges}
    assert tails == {"k8s://c/-/Group/system:masters", "k8s://c/-/Group/system:nodes"}
    assert not observed(live=False).edges


def test_what_is_odd_is_said_and_does_no_harm() -> None:
    circle = [
        {
            **role(name, namespace=""),
            "aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {other: "true"}}]},
            "metadata": {"name": name, "labels": {name: "true"}},
        }
        for name, other in (("one", "two"), ("two", "one"))
    ]
    twins = [user("\u0430na"), account("bot")]
    for live in (True, False):
        found = observed(
            *circle,
            role("r", rule("get"), namespace=""),
            bind("r", *twins, kind="ClusterRole", namespace=""),
            live=live,
        )
        said = " ".join(gap.reason for gap in found.gaps)
        assert "one and two" in said
        assert "without a namespace" in said
        assert "\u0430na" in said
        assert ("-/User/%D0%B0na", CLUSTER, "get") in readers(found)


def test_a_detour_of_a_rule_that_reads_anyway_is_not_told_twice() -> None:
    everything = rule("*", "*", group="*")
    found = readers(observed(role("r", everything), bind("r", user("ana"))))
    assert {verb for _, _, verb in found} == {"get", "list", "watch", "patch", "deletecollection"}


def test_a_role_that_may_be_bound_lends_no_more_than_it_has() -> None:
    group = "rbac.authorization.k8s.io"
    rules = [
        rule("bind", "clusterroles", names="one-secret", group=group),
        rule("create", "rolebindings", group=group),
    ]
    found = readers(
        observed(
            role("one-secret", rule("get", names="db"), namespace=""),
            role("r", *rules),
            bind("r", user("ana")),
        )
    )
    assert list(found) == [("-/User/ana", "k8s://c/pay/Secret/db", "get")]
    (attributes,) = found.values()
    assert (attributes["direct"], attributes["kind"]) == (False, "bind")


def test_creating_bindings_or_labels_without_more_hands_on_only_what_is_held() -> None:
    group = "rbac.authorization.k8s.io"
    rules = [
        rule("*", "rolebindings clusterrolebindings", group=group),
        rule("create patch", "clusterroles roles", group=group),
    ]
    found = observed(
        role("r", *rules, namespace=""),
        bind("r", user("ana"), kind="ClusterRole", namespace=""),
    )
    # `*` on bindings is no `bind`: that verb is asked on roles.
    assert not readers(found)


def test_escalating_by_a_label_needs_an_aggregated_role_that_is_held() -> None:
    group = "rbac.authorization.k8s.io"
    rules = [
        rule("escalate", "clusterroles", group=group),
        rule("create", "clusterroles", group=group),
    ]
    gathers = {**role("view", namespace=""), "aggregationRule": {"clusterRoleSelectors": []}}
    objects = [
        role("r", *rules, namespace=""),
        bind("r", user("ana"), kind="ClusterRole", namespace=""),
        gathers,
    ]
    assert not readers(observed(*objects))
    found = readers(observed(*objects, bind("view", user("ana"), kind="ClusterRole")))
    assert [(head, said["kind"]) for (_, head, _), said in found.items()] == [
        ("k8s://c/-/Namespace/pay", "aggregate-label")
    ]


def test_a_token_secret_takes_creating_and_reading() -> None:
    makes, reads = rule("create"), rule("get", names="mine")
    assert not opens(observed(role("r", makes), bind("r", user("ana"))))
    found = opens(observed(role("r", makes, reads), bind("r", user("ana"))))
    assert found["-/User/ana", "-/Namespace/pay"]["kind"] == "token-secret"
