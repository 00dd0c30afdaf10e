from graph import refs
from graph.model import Edge, EdgeKind, PicksUp
from graph.queries.consumers import consumers
from graph.queries.copies import origins, spread
from graph.refs import Ref
from graph.snapshot import Snapshot
from tests.graph.demo_graph import (
    BOT_GAP,
    CONSUMERS_OF_GATEWAY,
    GATEWAY,
    demo_graph,
    secret,
    sync,
    workload,
)

A, B, C = (Ref(f"vault://s/kv/{name}") for name in "abc")
WORKLOAD = Ref("k8s://c/n/Deployment/w")


def _copy(tail: Ref, head: Ref, from_key: str = "", key: str = "") -> Edge:
    return Edge(tail, head, EdgeKind.COPIES, {"from_key": from_key, "key": key, "sync": "sync"})


def _consumes(head: Ref, key: str, *, picks_up: str = "restart") -> Edge:
    said = {"how": "env", "key": key, "picks_up": picks_up, "reason": f"{picks_up}!"}
    return Edge(WORKLOAD, head, EdgeKind.CONSUMES, said)


def test_consumers_are_found_through_every_sync_and_copy() -> None:
    found = consumers(demo_graph(), GATEWAY)
    assert tuple(consumer.workload for consumer in found.consumers) == CONSUMERS_OF_GATEWAY
    assert found.gaps == (BOT_GAP,)
    assert found.origins == ()
    api = found.consumers[CONSUMERS_OF_GATEWAY.index(workload("payments", "Deployment", "api"))]
    (use,) = api.via  # payments-db is another secret
    assert (use.how, use.container, use.key) == ("env", "main", "token")
    assert use.secret == secret("payments", "payments-gateway")
    assert use.syncs == (sync("payments"),)
    assert (api.picks_up, api.reason, api.replicas) == (PicksUp.RESTART, "because of env", 3)
    assert api.owner == "team:payments"


def test_a_key_narrows_the_answer_through_its_new_name_in_the_copy() -> None:
    found = consumers(demo_graph(), refs.with_key(GATEWAY, "webhook_secret"))
    assert [consumer.workload.rpartition("/")[2] for consumer in found.consumers] == [
        "webhook",
        "worker",  # envFrom: all keys
        "debug-shell",  # the whole volume
        "ledger",
    ]
    webhook = found.consumers[0]
    assert [use.key for use in webhook.via] == ["webhook-secret"]


def test_a_copy_answers_for_itself_and_knows_its_origin() -> None:
    found = consumers(demo_graph(), secret("shop", "payments-gateway"))
    assert [consumer.workload for consumer in found.consumers] == [
        workload("shop", "Deployment", "checkout"),
        workload("shop", "Deployment", "refunds"),
    ]
    assert found.origins == (GATEWAY,)


def test_a_secret_without_consumers_has_an_empty_answer() -> None:
    assert consumers(demo_graph(), secret("reporting", "payments-gateway")).consumers == ()
    assert consumers(Snapshot.of([], []), A).consumers == ()


def test_the_worst_use_decides_how_a_workload_picks_up() -> None:
    uses = [
        _consumes(A, key, picks_up=how)
        for key, how in zip("abcde", ("sync", "poll", "next_run", "restart", "never"), strict=True)
    ]
    for worst in range(1, len(uses) + 1):
        (consumer,) = consumers(Snapshot.of([], uses[:worst]), A).consumers
        assert consumer.picks_up == uses[worst - 1].attributes["picks_up"]
        assert consumer.reason == uses[worst - 1].attributes["reason"]


def test_a_chain_of_copies_is_followed_key_by_key_and_circles_end() -> None:
    edges = [
        _copy(A, B, "x", "y"),
        _copy(B, C, "y", "z"),
        _copy(C, A, "z", "x"),
        _consumes(C, "z"),
        _consumes(C, "other"),
    ]
    (consumer,) = consumers(Snapshot.of([], edges), refs.with_key(A, "x")).consumers
    assert [(use.key, use.syncs) for use in consumer.via] == [("z", (Ref("sync"), Ref("sync")))]
    assert consumers(Snapshot.of([], edges), refs.with_key(A, "w")).consumers == ()


def test_a_copy_of_all_keys_keeps_the_key() -> None:
    snapshot = Snapshot.of([], [_copy(A, B), _consumes(B, "x"), _consumes(B, "y")])
    (consumer,) = consumers(snapshot, refs.with_key(A, "x")).consumers
    assert [use.key for use in consumer.via] == ["x"]


def test_a_key_that_holds_the_whole_secret_carries_every_key() -> None:
    snapshot = Snapshot.of([], [_copy(A, B, "", "config.json"), _consumes(B, "config.json")])
    assert len(consumers(snapshot, refs.with_key(A, "password")).consumers) == 1


def test_origins_follow_the_keys_backwards() -> None:
    snapshot = Snapshot.of([], [_copy(A, C, "x", "y"), _copy(B, C, "p", "q")])
    assert origins(snapshot, [(C, "q")]) == ((B, "p"),)
    assert origins(snapshot, [(C, "")]) == ((A, "x"), (B, "p"))
    assert origins(snapshot, [(C, "made here")]) == ((C, "made here"),)
    circle = Snapshot.of([], [_copy(A, B), _copy(B, A)])
    assert origins(circle, [(B, "k")]) == ((B, "k"),)


def test_a_spread_names_each_place_once_nearest_first() -> None:
    snapshot = Snapshot.of([], [_copy(A, B, "x", "y"), _copy(A, C), _copy(B, C, "y", "x")])
    assert [(at.secret, at.key) for at in spread(snapshot, [(A, "x")])] == [
        (A, "x"),
        (B, "y"),
        (C, "x"),
    ]


def test_a_copy_through_a_template_goes_on_with_all_keys_in_both_directions() -> None:
    said = {"from_key": "x", "key": "", "widen": True}
    edges = [Edge(A, B, EdgeKind.COPIES, said), _consumes(B, "config.yaml")]
    snapshot = Snapshot.of([], edges)
    assert len(consumers(snapshot, refs.with_key(A, "x")).consumers) == 1
    assert consumers(snapshot, refs.with_key(A, "other")).consumers == ()
    assert origins(snapshot, [(B, "config.yaml")]) == ((A, "x"),)
