import pytest

from graph.errors import AmbiguousError, NotFoundError
from graph.model import Edge, EdgeKind, Node, NodeKind
from graph.queries.search import resolve, resolve_words
from graph.refs import Ref
from graph.snapshot import Snapshot
from tests.graph.demo_graph import GATEWAY, demo_graph, secret, workload

SECRETS = {NodeKind.SECRET}


def _graph(*names: str) -> Snapshot:
    return Snapshot.of([Node(Ref(name), NodeKind.SECRET) for name in names], [])


def test_a_path_finds_the_vault_secret_although_copies_have_a_similar_name() -> None:
    assert resolve(demo_graph(), "payments/gateway") == GATEWAY
    assert resolve(demo_graph(), "payments/gateway", kinds=SECRETS) == GATEWAY


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (GATEWAY, GATEWAY),
        (f"  {GATEWAY}#token ", f"{GATEWAY}#token"),
        ("kv/payments/gateway", GATEWAY),
        ("gateway#token", f"{GATEWAY}#token"),
        ("PAYMENTS/Gateway", GATEWAY),
        ("shop/Secret/stripe", secret("shop", "stripe")),
        ("shop/payments-gateway", secret("shop", "payments-gateway")),
        ("stripe", "?"),
        ("Deployment/api", workload("payments", "Deployment", "api")),
        ("checkout", workload("shop", "Deployment", "checkout")),
        ("debug-sh", workload("payments", "Pod", "debug-shell")),
    ],
)
def test_any_unique_part_of_a_ref_serves(text: str, found: str) -> None:
    if found == "?":
        with pytest.raises(AmbiguousError):
            resolve(demo_graph(), text)
    else:
        kinds = None if "Deployment" in found or "Pod" in found else SECRETS
        assert resolve(demo_graph(), text, kinds=kinds) == found


def test_the_kind_of_thing_that_is_asked_for_narrows() -> None:
    snapshot = Snapshot.of(
        [
            Node(Ref("k8s://c/n/Secret/db"), NodeKind.SECRET),
            Node(Ref("k8s://c/n/Deployment/db"), NodeKind.WORKLOAD),
        ],
        [],
    )
    assert resolve(snapshot, "n/db", kinds=SECRETS) == "k8s://c/n/Secret/db"
    assert resolve(snapshot, "db", kinds={NodeKind.WORKLOAD}) == "k8s://c/n/Deployment/db"
    with pytest.raises(AmbiguousError):
        resolve(snapshot, "n/db")


def test_an_origin_is_meant_rather_than_its_own_copies() -> None:
    origin, copy = Ref("vault://main/kv/shop/db"), Ref("k8s://c/shop/Secret/db")
    nodes = [Node(ref, NodeKind.SECRET) for ref in (origin, copy)]
    snapshot = Snapshot.of(nodes, [Edge(origin, copy, EdgeKind.COPIES)])
    assert resolve(snapshot, "db") == origin
    with pytest.raises(AmbiguousError):
        resolve(Snapshot.of(nodes, []), "db")


def test_an_ambiguous_part_names_its_candidates() -> None:
    with pytest.raises(AmbiguousError) as refusal:
        resolve(_graph("vault://a/kv/x/db", "vault://b/kv/x/db"), "x/db")
    assert refusal.value.candidates == ("vault://a/kv/x/db", "vault://b/kv/x/db")
    assert "vault://a/kv/x/db" in refusal.value.happened


def test_whole_parts_come_before_beginnings_and_beginnings_before_any_letters() -> None:
    assert resolve(_graph("vault://m/kv/a/db", "vault://m/kv/a/my-db"), "db") == "vault://m/kv/a/db"
    beginning = _graph("vault://m/kv/a/db-1", "vault://m/kv/a/my-db-2")
    assert resolve(beginning, "db") == "vault://m/kv/a/db-1"
    assert resolve(_graph("vault://m/kv/a/my-db-2"), "db") == "vault://m/kv/a/my-db-2"
    assert resolve(_graph("vault://m/kv/team/db"), "kv/team") == "vault://m/kv/team/db"


def test_a_misspelled_name_is_answered_with_what_is_near() -> None:
    with pytest.raises(NotFoundError) as refusal:
        resolve(demo_graph(), "payments/gatewya", kinds=SECRETS)
    assert GATEWAY in refusal.value.do_now
    assert not isinstance(refusal.value, AmbiguousError)


@pytest.mark.parametrize("text", ["", "   ", "/", "#token", "nothing-like-this-at-all"])
def test_what_fits_nothing_is_not_found(text: str) -> None:
    with pytest.raises(NotFoundError):
        resolve(demo_graph(), text)


def test_encoded_names_are_found_by_what_people_read() -> None:
    assert resolve(_graph("vault://m/kv/a/my%20key"), "a/my key") == "vault://m/kv/a/my%20key"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("the payments gateway token, I think", f"{GATEWAY}#token"),
        ("payments/gateway", GATEWAY),
        ("gateway of payments", GATEWAY),
    ],
)
def test_words_of_ones_own_find_what_is_meant(text: str, found: str) -> None:
    assert resolve_words(demo_graph(), text, kinds=SECRETS) == found


def test_words_that_fit_several_things_or_none_are_said_to() -> None:
    with pytest.raises(AmbiguousError) as several:
        resolve_words(demo_graph(), "something of payments", kinds=SECRETS)
    assert len(several.value.candidates) > 1
    with pytest.raises(NotFoundError):
        resolve_words(demo_graph(), "the zebra thing", kinds=SECRETS)
