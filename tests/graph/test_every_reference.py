"""Every reference of docs/references.md is found, live and in manifests, by the same functions."""

import random
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graph.collectors.manifests import collect_manifests
from graph.gathered import Gathered
from graph.kubernetes.grants import Grants
from graph.kubernetes.inventory import Inventory
from graph.kubernetes.references import CARRIERS
from graph.kubernetes.reload import _OWN
from graph.kubernetes.syncs import Syncs
from graph.kubernetes.tool import Here, Kind, Named, references
from graph.kubernetes.toolbox import Declared, Toolbox, found_tools, listed_kinds
from graph.model import Edge, EdgeKind, Observation
from graph.refs import parse
from tests.graph.reference_core import core_rows
from tests.graph.reference_examples import of_named
from tests.graph.reference_parts import MARKER, Obj, thing, version_of
from tests.graph.reference_rows import Row, all_rows, page

ROWS = all_rows()
NAMED = [
    (row, kind)
    for tool in found_tools().values()
    for row in tool.named
    for kind in tool.kinds
    if kind.kind == row.kind and row.group in {"", kind.group}
]
KINDS = [kind for tool in found_tools().values() for kind in tool.kinds]
PAGE = Path(__file__).parents[2] / "docs" / "references.md"


def observed(*objects: Obj, declared: tuple[Declared, ...] = (), infer: bool = True) -> Observation:
    gathered = Gathered("kubernetes/c", "c")
    tools = Toolbox(Here(gathered, "pay"), declared=declared, infer=infer)
    inventory = Inventory(gathered, namespace="pay", readers=tools.pod_readers())
    syncs = Syncs(gathered, vaults={}, namespace="pay")
    grants = Grants(gathered, namespace="pay", live=False)
    for obj in objects:
        tools.add(obj)
        _ = syncs.add(obj) or grants.add(obj) or inventory.add(obj)
    tools.finish()
    inventory.finish()
    syncs.finish()
    grants.finish()
    return gathered.observation()


def of_marker(found: Observation) -> list[Edge]:
    kinds = {EdgeKind.CONSUMES, EdgeKind.COPIES, EdgeKind.OPENS}
    return [
        edge
        for edge in found.edges
        if edge.kind in kinds and MARKER in f"{edge.head} {edge.tail} {edge.attributes.get('key')}"
    ]


@pytest.mark.parametrize("row", ROWS, ids=[row.title for row in ROWS])
def test_a_marker_in_each_place_is_found_with_its_word(row: Row) -> None:
    found = of_marker(observed(*row.objects))
    words = {edge.attributes.get("how") or str(edge.kind) for edge in found}
    assert row.how in words
    for edge in found:
        if edge.kind is EdgeKind.CONSUMES:
            assert edge.attributes["reason"]
            assert edge.attributes["picks_up"]
            assert edge.attributes["field"]


def test_the_same_is_found_in_manifests(tmp_path: Path) -> None:
    for row in ROWS:
        text = "\n---\n".join(orjson.dumps(obj).decode() for obj in row.objects)
        (tmp_path / "all.yaml").write_text(text)
        found = collect_manifests([tmp_path], cluster="c", namespace="pay")
        assert {(edge.tail, edge.head) for edge in of_marker(found)} == {
            (edge.tail, edge.head) for edge in of_marker(observed(*row.objects))
        }, row.title


def test_the_page_of_references_is_complete() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "python -m tests.graph.reference_rows"


def test_every_word_and_every_carrier_of_core_kubernetes_has_a_row() -> None:
    rows = list(core_rows())
    assert {*_OWN} - {"storeAuth", "template"} <= {how for _, _, how, _ in rows}
    assert {*CARRIERS} - {"Pod"} <= {kind for kind, *_ in rows}


def test_tools_are_named_like_their_modules_and_describe_their_kinds() -> None:
    for name, tool in found_tools().items():
        assert tool.__module__ == f"graph.kubernetes.tools.{name}"
        assert tool.__doc__
        kinds = {kind.kind for kind in tool.kinds} | {"any pod"}
        assert {row.kind for row in (*tool.named, *tool.coded)} <= kinds
        described = {row.kind for row in (*tool.named, *tool.coded)}
        assert {kind.kind for kind in tool.kinds} - described <= {"GitRepository"}, name


def test_no_kind_is_listed_for_two_reasons_under_two_names() -> None:
    assert all(kind.plural == plural for (_, plural), kind in listed_kinds().items())
    assert not any(group == "" for group, _ in listed_kinds())


# -- the property: a marker in any field that names a Secret is found, whatever lies around it ----

names = st.text("abcdefghijklmnopqrstuvwxyz0123456789-.", min_size=1, max_size=12)
noise = st.none() | st.booleans() | st.integers() | names | st.lists(names, max_size=2)
trash = st.recursive(noise, lambda x: st.lists(x) | st.dictionaries(names, x), max_leaves=15)


@settings(max_examples=120, deadline=None)
@given(
    st.sampled_from(NAMED),
    st.integers(0, 3),
    st.integers(0, 3),
    st.dictionaries(names, trash, max_size=4),
)
def test_a_marker_planted_in_any_declared_field_is_found(
    case: tuple[Named, Kind], below: int, before: int, around: dict[str, Any]
) -> None:
    row, kind = case
    obj = of_named(row, kind, below=below, before=before)
    for place in ("spec", "parameters"):
        if isinstance(obj.get(place), dict):
            obj[place] = {**around, **obj[place]}
    assert MARKER in {use.name for use in references(obj, row)}
    assert of_marker(observed(obj, infer=False))


@settings(max_examples=120, deadline=None)
@given(st.sampled_from(KINDS), st.dictionaries(names, trash, max_size=3), trash, trash)
def test_no_shape_of_a_custom_resource_crashes(
    kind: Kind, spec: dict[str, Any], other: Any, metadata: Any
) -> None:
    obj = {
        "apiVersion": version_of(kind),
        "kind": kind.kind,
        "metadata": {"name": "x", "annotations": metadata, "labels": other},
        "spec": spec,
        "data": other,
        "parameters": spec,
        "status": other,
    }
    observed(obj)
    observed({**obj, "spec": other})


@pytest.mark.parametrize("seed", range(10))
def test_wrong_types_in_the_way_of_a_reference_do_not_crash(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - the same every time
    for row in chance.sample(ROWS, 150):
        for obj in row.objects:
            found = observed(_spoiled(obj, chance))
            told = [*found.nodes, *found.edges]
            orjson.dumps([dict(one.attributes) for one in told])  # as a database holds them
            assert all(parse(node.ref) for node in found.nodes)


ODD = [None, 7, "text", "http://[::1", "([", [], {}, [None], {"name": 3}]
ODD += [10**400, -1, float("nan"), True, "a//b", "/", "a\0b", "é" * 300, "system:serviceaccount::x"]


def _spoiled(value: Any, chance: random.Random) -> Any:
    if chance.random() < 0.05:
        return chance.choice(ODD)
    if isinstance(value, dict):
        return {key: _spoiled(inner, chance) for key, inner in value.items()}
    if isinstance(value, list):
        return [_spoiled(inner, chance) for inner in value]
    return value


# -- what is declared, what is guessed ------------------------------------------------------------


def database(**spec: Any) -> Obj:
    return thing("Database", "example.com/v1", spec=spec)


def test_a_declared_reference_needs_no_code() -> None:
    declared = Declared(
        kind="Database",
        group="example.com",
        name="spec.users[*].password.secret",
        key="spec.users[*].password.field",
        namespace="spec.users[*].namespace",
    )
    users = [
        {"password": {"secret": "a", "field": "k"}, "namespace": "ops"},
        {"password": {"secret": "b"}},
    ]
    found = observed(database(users=users), declared=(declared,))
    uses = {
        (edge.head, edge.attributes["key"], edge.attributes["how"], edge.attributes["field"])
        for edge in found.edges
        if edge.kind is EdgeKind.CONSUMES
    }
    assert uses == {
        ("k8s://c/ops/Secret/a", "k", "declared", "spec.users[0].password.secret"),
        ("k8s://c/pay/Secret/b", "", "declared", "spec.users[1].password.secret"),
    }
    assert "inferred" not in found.edges[0].attributes


@pytest.mark.parametrize("path", ["", "spec[", "spec[?(@.x)]", "spec..", "a b", "spec[1:2]"])
def test_a_path_outside_of_the_subset_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match=r"name|path"):
        Declared(kind="Database", group="example.com", name=path)


def test_a_guess_is_marked_and_a_known_kind_is_never_guessed() -> None:
    found = observed(
        database(
            adminSecretRef={"name": "admin", "namespace": "ops"},
            configRef={"name": "not-a-secret"},
            tokenSecretRef={"kind": "ConfigMap", "name": "not-one-either"},
            tls={"secretName": "web"},
            template={"secretName": "Not A Name"},
        ),
        thing("HelmRelease", "helm.toolkit.fluxcd.io/v2", spec={"x": {"secretName": "other"}}),
    )
    guessed = {edge.head: edge.attributes for edge in found.edges if edge.kind is EdgeKind.CONSUMES}
    assert set(guessed) == {"k8s://c/ops/Secret/admin", "k8s://c/pay/Secret/web"}
    assert all(one["inferred"] is True for one in guessed.values())
    assert {one["picks_up"] for one in guessed.values()} == {"unknown"}
    assert not observed(database(tls={"secretName": "web"}), infer=False).edges


def test_neither_an_object_without_a_kind_nor_a_namespace_alone_names_anything() -> None:
    assert not observed({"metadata": {"name": "x"}, "spec": {"secretName": "web"}}).nodes
    annotations = {"nginx.ingress.kubernetes.io/auth-secret": "ops/"}
    ingress = thing("Ingress", "networking.k8s.io/v1", metadata={"annotations": annotations})
    assert not observed(ingress).edges


def test_optional_references_stay_optional() -> None:
    values = [{"kind": "Secret", "name": "a", "optional": True}, {"kind": "ConfigMap", "name": "b"}]
    release = thing("HelmRelease", "helm.toolkit.fluxcd.io/v2", spec={"valuesFrom": values})
    (edge,) = [one for one in observed(release).edges if one.kind is EdgeKind.CONSUMES]
    assert (edge.head, edge.attributes["optional"]) == ("k8s://c/pay/Secret/a", True)
