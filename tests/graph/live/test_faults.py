"""A cluster that misbehaves in every way: nothing known is lost, and everything heals by itself."""

import base64
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from graph.connections import KubernetesSettings
from graph.errors import UnavailableError
from graph.fingerprints import Fingerprinter, generate_key
from graph.live.pace import Pace
from graph.repository import GraphRepository
from graph.secret_value import SecretValue
from tests.graph.live.cluster_stub import ClusterStub
from tests.graph.live.parts import (
    QUICK,
    consumers_of,
    deployment,
    eventually,
    gaps_of,
    kubeconfig,
    pod,
    running,
    stale,
)

SECRET = "prod/shop/Secret/db"
API, WORKER, CART = (f"prod/shop/Deployment/{name}" for name in ("api", "worker", "cart"))


@pytest.fixture
def stub() -> Iterator[ClusterStub]:
    with ClusterStub() as stub:
        stub.put("namespaces", {"metadata": {"name": "shop"}})
        stub.put("deployments", deployment("shop", "api", "db"))
        stub.put("pods", pod("shop", "alone", "db"))
        yield stub


@pytest.fixture
def clusters(tmp_path: Path, stub: ClusterStub) -> dict[str, KubernetesSettings]:
    return {"prod": KubernetesSettings(kubeconfig=kubeconfig(tmp_path, "prod", stub.address))}


def listed(stub: ClusterStub, mark: int) -> set[str]:
    """What was listed since `mark` requests had come."""
    return {plural for verb, plural, _ in stub.asked[mark:] if verb == "list"}


def test_changes_come_by_the_watch_and_nothing_is_listed_again(
    repository: GraphRepository, stub: ClusterStub, clusters: dict[str, KubernetesSettings]
) -> None:
    with running(repository, clusters):
        assert consumers_of(repository, SECRET) == {API, "prod/shop/Pod/alone"}
        mark = len(stub.asked)
        stub.put("deployments", deployment("shop", "worker", "db"))
        assert eventually(lambda: WORKER in consumers_of(repository, SECRET)) < 2
        stub.put("deployments", deployment("shop", "worker", "other"))
        assert eventually(lambda: WORKER not in consumers_of(repository, SECRET)) < 2
        stub.delete("deployments", "shop", "api")
        assert eventually(lambda: API not in consumers_of(repository, SECRET)) < 2
        assert repository.snapshot().node("k8s://" + API) is None  # type: ignore[arg-type]
        assert not listed(stub, mark)
        assert not stale(repository)


def test_a_version_that_is_gone_lists_that_collection_again_and_no_other(
    repository: GraphRepository, stub: ClusterStub, clusters: dict[str, KubernetesSettings]
) -> None:
    with running(repository, clusters):
        mark = len(stub.asked)
        stub.faults["deployments"] = "gone"
        stub.delete("deployments", "shop", "api")
        stub.put("deployments", deployment("shop", "worker", "db"))
        stub.forget_history()
        stub.cut()
        eventually(lambda: consumers_of(repository, SECRET) == {WORKER, "prod/shop/Pod/alone"})
        assert listed(stub, mark) == {"deployments"}
        assert not gaps_of(repository, "kubernetes/prod")


def test_a_connection_that_is_cut_goes_on_from_where_it_was(
    repository: GraphRepository, stub: ClusterStub, clusters: dict[str, KubernetesSettings]
) -> None:
    with running(repository, clusters):
        mark = len(stub.asked)
        for name in ("worker", "cart"):
            stub.cut()
            stub.put("deployments", deployment("shop", name, "db"))
        eventually(lambda: {WORKER, CART} <= consumers_of(repository, SECRET))
        assert not listed(stub, mark)


@pytest.mark.parametrize("fault", ["cut", "garbage"])
def test_a_stream_that_cannot_be_read_is_told_and_heals(
    repository: GraphRepository,
    stub: ClusterStub,
    clusters: dict[str, KubernetesSettings],
    fault: str,
) -> None:
    with running(repository, clusters):
        stub.faults["deployments"] = fault
        stub.cut()
        stub.put("deployments", deployment("shop", "worker", "db"))
        eventually(lambda: gaps_of(repository, "kubernetes/prod"))
        (gap,) = gaps_of(repository, "kubernetes/prod")
        assert gap.scope == "deployments"
        assert gap.reason.startswith("Stale since ")
        assert "html" not in gap.reason
        assert stale(repository) == {"kubernetes/prod"}
        assert API in consumers_of(repository, SECRET)
        stub.put("pods", pod("shop", "second", "db"))  # the other collections are as live as ever
        eventually(lambda: "prod/shop/Pod/second" in consumers_of(repository, SECRET))
        del stub.faults["deployments"]
        eventually(lambda: WORKER in consumers_of(repository, SECRET))
        eventually(lambda: not gaps_of(repository, "kubernetes/prod"))
        assert not stale(repository)


def test_a_permission_that_is_taken_away_is_a_gap_and_takes_no_row_along(
    repository: GraphRepository, stub: ClusterStub, clusters: dict[str, KubernetesSettings]
) -> None:
    with running(repository, clusters):
        stub.faults["deployments"] = "forbidden"
        stub.delete("deployments", "shop", "api")
        stub.forget_history()
        stub.cut()
        eventually(lambda: gaps_of(repository, "kubernetes/prod"))
        assert API in consumers_of(repository, SECRET)
        stub.put("pods", pod("shop", "second", "db"))
        eventually(lambda: "prod/shop/Pod/second" in consumers_of(repository, SECRET))
        del stub.faults["deployments"]
        eventually(lambda: API not in consumers_of(repository, SECRET))
        eventually(lambda: not gaps_of(repository, "kubernetes/prod"))


def test_a_kind_that_may_never_be_read_is_a_gap_and_the_rest_is_live(
    repository: GraphRepository, stub: ClusterStub, clusters: dict[str, KubernetesSettings]
) -> None:
    with running(repository, clusters):
        assert API in consumers_of(repository, SECRET)
    stub.faults["pods"] = "forbidden"
    with running(repository, clusters):
        eventually(lambda: gaps_of(repository, "kubernetes/prod"))
        (gap,) = gaps_of(repository, "kubernetes/prod")
        assert gap.scope == "pods"
        assert 'verb "list" on resource "pods"' in gap.do_now
        assert "prod/shop/Pod/alone" in consumers_of(repository, SECRET)  # known from before
        stub.put("deployments", deployment("shop", "worker", "db"))
        eventually(lambda: WORKER in consumers_of(repository, SECRET))
        stub.delete("deployments", "shop", "worker")
        eventually(lambda: WORKER not in consumers_of(repository, SECRET))
        assert "prod/shop/Pod/alone" in consumers_of(repository, SECRET)
        stub.delete("pods", "shop", "alone")
        del stub.faults["pods"]
        eventually(lambda: consumers_of(repository, SECRET) == {API})
        eventually(lambda: not stale(repository))


def test_what_may_be_listed_but_not_watched_is_listed_at_the_interval(
    repository: GraphRepository, stub: ClusterStub, clusters: dict[str, KubernetesSettings]
) -> None:
    stub.faults["deployments"] = "no_watch"
    with running(repository, clusters):
        eventually(lambda: gaps_of(repository, "kubernetes/prod"))
        (gap,) = gaps_of(repository, "kubernetes/prod")
        assert "not watched, so it is up to 0.5 s old" in gap.reason
        assert 'verb "watch"' in gap.do_now
        assert not stale(repository)
        stub.put("deployments", deployment("shop", "worker", "db"))
        eventually(lambda: WORKER in consumers_of(repository, SECRET))


def test_an_answer_that_is_no_list_deletes_nothing(
    repository: GraphRepository, stub: ClusterStub, clusters: dict[str, KubernetesSettings]
) -> None:
    with running(repository, clusters):
        stub.faults["deployments"] = "not_a_list"
        stub.forget_history()
        with stub._changed:
            stub._history.append((10_000, "deployments", "ERROR", {"code": 410}))
            stub._changed.notify_all()
        eventually(lambda: gaps_of(repository, "kubernetes/prod"))
        assert API in consumers_of(repository, SECRET)
        stub.forget_history()
        del stub.faults["deployments"]
        eventually(lambda: not gaps_of(repository, "kubernetes/prod"))


def test_silence_is_not_believed(
    repository: GraphRepository, stub: ClusterStub, clusters: dict[str, KubernetesSettings]
) -> None:
    stub.faults["deployments"] = "silent"
    suspicious = Pace(interval=30, inactivity=0.3, first_wait=0.05, longest_wait=0.4, gather=0.05)
    with running(repository, clusters, pace=suspicious):
        mark = len(stub.asked)
        stub.put("deployments", deployment("shop", "worker", "db"))
        eventually(lambda: ("watch", "deployments") in {one[:2] for one in stub.asked[mark:]})
        del stub.faults["deployments"]
        eventually(lambda: WORKER in consumers_of(repository, SECRET))
        assert not listed(stub, mark)


def test_a_bookmark_moves_the_version_to_go_on_from(
    repository: GraphRepository, stub: ClusterStub, clusters: dict[str, KubernetesSettings]
) -> None:
    with running(repository, clusters):
        version = stub.bookmark("deployments")

        def goes_on_from_it() -> bool:
            stub.cut()
            return any(
                verb == "watch" and plural == "deployments" and query["resourceVersion"] == version
                for verb, plural, query in stub.asked
            )

        eventually(goes_on_from_it)
        assert all(
            query["allowWatchBookmarks"] == "true" and int(query["timeoutSeconds"]) > 0
            for verb, _, query in stub.asked
            if verb == "watch"
        )


def test_a_dead_cluster_leaves_the_others_live_and_heals(
    repository: GraphRepository,
    stub: ClusterStub,
    clusters: dict[str, KubernetesSettings],
    tmp_path: Path,
) -> None:
    with ClusterStub() as other:
        other.put("deployments", deployment("shop", "api", "db"))
        settings = KubernetesSettings(kubeconfig=kubeconfig(tmp_path, "other", other.address))
        with running(repository, {**clusters, "other": settings}):
            stub.stop()
            stub.put("deployments", deployment("shop", "worker", "db"))
            eventually(lambda: "kubernetes/prod" in stale(repository))

            def said() -> list[str]:
                gaps = gaps_of(repository, "kubernetes/prod")
                return [each.reason for each in gaps if each.scope == "kubernetes/prod"]

            eventually(said)
            (reason,) = said()
            assert reason.startswith("Stale since ")
            assert "UTC" in reason
            other.put("deployments", deployment("shop", "cart", "db"))
            eventually(
                lambda: (
                    "other/shop/Deployment/cart" in consumers_of(repository, "other/shop/Secret/db")
                )
            )
            assert API in consumers_of(repository, SECRET)
            assert not {name for name in stale(repository) if name.endswith("/other")}
            stub.start()
            eventually(lambda: WORKER in consumers_of(repository, SECRET))
            eventually(lambda: not stale(repository))
            assert not repository.snapshot().gaps


def test_of_ten_clusters_one_dead_and_one_slow_leave_eight_live(
    repository: GraphRepository, tmp_path: Path
) -> None:
    with ExitStack() as stack:
        stubs = {f"c{number}": stack.enter_context(ClusterStub()) for number in range(10)}
        clusters = {
            name: KubernetesSettings(kubeconfig=kubeconfig(tmp_path, name, stub.address))
            for name, stub in stubs.items()
        }
        stubs["c0"].stop()
        stubs["c1"].faults |= {"deployments": "slow", "pods": "slow"}
        live = [name for name in stubs if name not in {"c0", "c1"}]
        with running(repository, clusters, wait=False):
            eventually(lambda: {f"kubernetes/{name}" for name in live} <= seen(repository))
            assert "kubernetes/c1" not in seen(repository)
            stubs["c1"].faults.clear()
            for name in live:
                stubs[name].put("deployments", deployment("shop", "api", "db"))
            eventually(
                lambda: all(consumers_of(repository, f"{name}/shop/Secret/db") for name in live)
            )
            eventually(lambda: "kubernetes/c0" in stale(repository))
            stubs["c1"].put("deployments", deployment("shop", "api", "db"))
            eventually(lambda: consumers_of(repository, "c1/shop/Secret/db"))


def seen(repository: GraphRepository) -> set[str]:
    return {one.name for one in repository.sources() if one.last_complete is not None}


def test_a_cluster_that_is_dead_from_the_start_holds_nobody_up(
    repository: GraphRepository,
    stub: ClusterStub,
    clusters: dict[str, KubernetesSettings],
    tmp_path: Path,
) -> None:
    dead = ClusterStub()
    dead.start()
    dead.stop()
    settings = KubernetesSettings(kubeconfig=kubeconfig(tmp_path, "dead", dead.address))
    broken = KubernetesSettings(kubeconfig=str(tmp_path / "missing"))
    with running(repository, {**clusters, "dead": settings, "broken": broken}):
        assert API in consumers_of(repository, SECRET)
        assert {"kubernetes/dead", "rbac/dead", "kubernetes/broken"} <= stale(repository)
        dead.put("deployments", deployment("shop", "api", "db"))
        dead.start()
        eventually(lambda: consumers_of(repository, "dead/shop/Secret/db"))
        eventually(lambda: not {name for name in stale(repository) if name.endswith("/dead")})
        dead.stop()


def test_a_slow_collection_is_waited_for_only_so_long(
    repository: GraphRepository, stub: ClusterStub, clusters: dict[str, KubernetesSettings]
) -> None:
    stub.faults["pods"] = "slow"
    hasty = Pace(interval=30, patience=0.3, first_wait=0.05, gather=0.05)
    with running(repository, clusters, pace=hasty):
        eventually(lambda: consumers_of(repository, SECRET) == {API})
        assert any("not finished" in gap.reason for gap in gaps_of(repository, "kubernetes/prod"))
        stub.faults.clear()
        eventually(lambda: "prod/shop/Pod/alone" in consumers_of(repository, SECRET))
        eventually(lambda: not gaps_of(repository, "kubernetes/prod"))


def test_a_kind_that_appears_is_followed_and_one_that_goes_takes_its_rows_along(
    repository: GraphRepository, stub: ClusterStub, clusters: dict[str, KubernetesSettings]
) -> None:
    rollout = deployment("shop", "canary", "db")
    with running(repository, clusters):
        stub.put("rollouts", rollout)
        stub.kinds.add("rollouts")
        eventually(lambda: "prod/shop/Rollout/canary" in consumers_of(repository, SECRET))
        stub.put("rollouts", deployment("shop", "second", "db"))
        eventually(lambda: "prod/shop/Rollout/second" in consumers_of(repository, SECRET))
        stub.kinds.remove("rollouts")
        eventually(lambda: "prod/shop/Rollout/second" not in consumers_of(repository, SECRET))
        assert API in consumers_of(repository, SECRET)
        eventually(lambda: not stale(repository))


def test_values_become_fingerprints_at_once_and_follow_the_secret(
    repository: GraphRepository, stub: ClusterStub, clusters: dict[str, KubernetesSettings]
) -> None:
    fingerprinter = Fingerprinter(SecretValue(generate_key()))
    first, second = "4fK9vQ2xLbV7rTzHn31", "Zp81mmQw0sXeR5tYc77u"
    stub.kinds.add("secrets")
    clusters["prod"] = clusters["prod"].model_copy(update={"mode": "fingerprint"})

    def put(value: str) -> None:
        data = {"password": base64.b64encode(value.encode()).decode()}
        metadata = {"namespace": "shop", "name": "db"}
        stub.put("secrets", {"metadata": metadata, "data": data, "type": "Opaque"})

    def found(value: str) -> list[str]:
        asked = fingerprinter.of_leaked(SecretValue(value))
        return [f"{match.secret}#{match.key}" for match in repository.find(asked)]

    put(first)
    with running(repository, clusters, fingerprinter=fingerprinter) as live:
        assert found(first) == ["k8s://prod/shop/Secret/db#password"]
        put(second)
        eventually(lambda: found(second) == ["k8s://prod/shop/Secret/db#password"])
        assert found(first) == []
        (endpoint,) = live._endpoints.values()
        cache = endpoint.part._cache  # type: ignore[union-attr]
        remembered = b"".join(
            text
            for collection in cache._collections.values()
            for objects in collection.by_scope.values()
            for text in objects.values()
        )
        assert b"fingerprints" in remembered
        for value in (first, second):
            assert value.encode() not in remembered
            assert base64.b64encode(value.encode()) not in remembered


def test_the_pace_of_tries_grows_and_differs() -> None:
    waits = {QUICK.wait_after(UnavailableError("x"), 3) for _ in range(20)}
    assert len(waits) > 1
    assert all(0.2 <= wait <= 0.4 for wait in waits)
    assert QUICK.wait_after(UnavailableError("x", retry_after=0.1), 0) >= 0.1
