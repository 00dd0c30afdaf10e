"""How each use follows a new value, with the reason."""

from typing import Any

import pytest

from graph.kubernetes.references import Reference
from graph.kubernetes.reload import held_back, named_by, pick_up, reloaders_of
from graph.model import PicksUp

AUTO = {"reloader.stakater.com/auto": "true"}
WAVE = {"wave.pusher.com/update-on-config-change": "true"}


def use(how: str, name: str = "db") -> Reference:
    return Reference(name, how, "spec.x")


@pytest.mark.parametrize(
    ("how", "kind", "expected", "by_itself", "word"),
    [
        ("env", "Deployment", PicksUp.RESTART, False, "start"),
        ("envFrom", "StatefulSet", PicksUp.RESTART, False, "start"),
        ("subPath", "DaemonSet", PicksUp.RESTART, False, "never changes"),
        ("volume", "Deployment", PicksUp.SYNC, True, "kubelet"),
        ("projected", "Deployment", PicksUp.SYNC, True, "kubelet"),
        ("csi", "Deployment", PicksUp.POLL, False, "CSI"),
        ("imagePull", "Deployment", PicksUp.POLL, True, "image pull"),
        ("ingressTls", "Ingress", PicksUp.POLL, True, "watches"),
        ("env", "CronJob", PicksUp.NEXT_RUN, True, "run"),
        ("subPath", "CronJob", PicksUp.NEXT_RUN, True, "run"),
        ("env", "Job", PicksUp.NEVER, False, "Job"),
        ("env", "Pod", PicksUp.RESTART, False, "Nobody recreates"),
        ("something new", "Deployment", PicksUp.UNKNOWN, False, "Nothing is known"),
    ],
)
def test_each_use_says_how_it_follows_and_why(
    how: str,
    kind: str,
    expected: PicksUp,
    by_itself: bool,  # noqa: FBT001
    word: str,
) -> None:
    found = pick_up(use(how), kind)
    assert (found.picks_up, found.by_itself) == (expected, by_itself)
    assert word in found.reason


def test_nothing_follows_an_immutable_secret() -> None:
    for how in ("env", "volume", "imagePull"):
        found = pick_up(use(how), "Deployment", immutable=True)
        assert found.picks_up is PicksUp.NEVER
        assert "another name" in found.reason


def test_a_finished_workload_needs_nobody() -> None:
    found = pick_up(use("env"), "Job", finished=True)
    assert (found.picks_up, found.by_itself) == (PicksUp.NEVER, True)


@pytest.mark.parametrize(
    ("annotations", "tool"),
    [
        (AUTO, "Stakater Reloader"),
        ({"secret.reloader.stakater.com/auto": "true"}, "Stakater Reloader"),
        ({"secret.reloader.stakater.com/reload": "other, db"}, "Stakater Reloader"),
        ({"secret.reloader.stakater.com/reload": "d.*"}, "Stakater Reloader"),
        (WAVE, "Wave"),
    ],
)
def test_a_reloader_restarts_by_itself(annotations: dict[str, str], tool: str) -> None:
    reloaders = reloaders_of("Deployment", annotations)
    found = pick_up(use("env"), "Deployment", reloaders=reloaders)
    assert (found.picks_up, found.by_itself) == (PicksUp.RESTART, True)
    assert tool in found.reason


@pytest.mark.parametrize(
    ("annotations", "kind", "how", "on_secret"),
    [
        ({"secret.reloader.stakater.com/reload": "other"}, "Deployment", "env", {}),
        ({"secret.reloader.stakater.com/reload": "["}, "Deployment", "env", {}),
        ({"reloader.stakater.com/auto": "false"}, "Deployment", "env", {}),
        (AUTO, "Deployment", "env", {"reloader.stakater.com/ignore": "true"}),
        ({"reloader.stakater.com/search": "true"}, "Deployment", "env", {}),
        (
            {**AUTO, "secrets.exclude.reloader.stakater.com/reload": "x, db"},
            "Deployment",
            "env",
            {},
        ),
        (AUTO, "Knative", "env", {}),
        (WAVE, "Rollout", "env", {}),
    ],
)
def test_a_reloader_that_does_not_cover_the_secret_restarts_nothing(
    annotations: dict[str, str], kind: str, how: str, on_secret: dict[str, str]
) -> None:
    reloaders = reloaders_of(kind, annotations)
    found = pick_up(use(how), kind, reloaders=reloaders, secret_annotations=on_secret)
    assert not found.by_itself


def test_search_covers_the_secrets_that_carry_the_match_annotation() -> None:
    reloaders = reloaders_of("Deployment", {"reloader.stakater.com/search": "true"})
    on_secret = {"reloader.stakater.com/match": "true"}
    assert pick_up(
        use("env"), "Deployment", reloaders=reloaders, secret_annotations=on_secret
    ).by_itself


def test_a_reloader_does_not_look_at_pull_secrets() -> None:
    found = pick_up(use("imagePull"), "Deployment", reloaders=reloaders_of("Deployment", AUTO))
    assert found.picks_up is PicksUp.POLL


def test_what_only_an_annotation_names_is_a_use_that_its_reloader_follows() -> None:
    listed = {"secret.reloader.stakater.com/reload": "db, other.*"}
    (found,) = named_by("Deployment", listed)
    assert (found.name, found.how, found.namespace) == ("db", "reloader", "")
    assert pick_up(found, "Deployment", reloaders=reloaders_of("Deployment", listed)).by_itself
    (found,) = named_by("Deployment", {**WAVE, "wave.pusher.com/extra-secrets": "ops/db"})
    assert (found.name, found.namespace) == ("db", "ops")
    assert not list(named_by("CronJob", {**WAVE, "wave.pusher.com/extra-secrets": "ops/db"}))


@pytest.mark.parametrize(
    ("kind", "spec", "word"),
    [
        ("StatefulSet", {"updateStrategy": {"type": "OnDelete"}}, "OnDelete"),
        ("DaemonSet", {"updateStrategy": {"type": "OnDelete"}}, "OnDelete"),
        ("Deployment", {"paused": True}, "paused"),
    ],
)
def test_no_reloader_restarts_what_is_held_back(kind: str, spec: dict[str, Any], word: str) -> None:
    held = held_back({"kind": kind, "spec": spec})
    for how, expected in (("env", PicksUp.RESTART), ("volume", PicksUp.SYNC)):
        found = pick_up(use(how), kind, reloaders=reloaders_of(kind, AUTO), held=held)
        assert found.picks_up is expected
        assert (word in found.reason) is (how == "env")
        assert found.by_itself is (how == "volume")
    assert held_back({"kind": kind, "spec": {"paused": False}}) == ""
