"""A cluster that refuses, in part or altogether: a gap that says what to grant, and the rest."""

import json
from collections.abc import Iterator

import pytest

from tests.scenarios.scene import Scene, changed, says
from tests.servers.store_proxy import StoreProxy

MANY = 1000


@pytest.fixture
def proxy(fresh_scene: Scene) -> Iterator[StoreProxy]:
    """A road to the cluster that the bot alone takes."""
    address = json.loads(fresh_scene.world.kubeconfig.read_text())["clusters"][0]["cluster"]
    with StoreProxy(address["server"]) as running:
        use(fresh_scene, running.address)
        yield running


def use(scene: Scene, server: str) -> None:
    """Point the bot's kubeconfig at another server; takes effect with the next start."""
    content = json.loads(scene.world.kubeconfig.read_text())
    content["clusters"][0]["cluster"]["server"] = server
    path = scene.folder / "bot-kubeconfig"
    path.write_text(json.dumps(content))
    scene.config = changed(scene.config, {"kubernetes": {"demo": {"kubeconfig": str(path)}}})


def test_one_kind_refused_is_a_gap_with_the_rule_and_the_rest_is_answered(
    fresh_scene: Scene, proxy: StoreProxy
) -> None:
    scene = fresh_scene
    scene.stop()
    scene.config = changed(
        scene.config, {"database": {"url": f"sqlite:///{scene.folder / 'anew.sqlite'}"}}
    )
    proxy.fail_next("GET", "/cronjobs", status=403, times=MANY)
    scene.start()
    answer = scene.ask("/leak uses payments/gateway")
    says(
        answer.all_text,
        "StatefulSet/ledger",
        "Deployment/api",
        "Not seen",
        "403",
        'Grant it: verb "list" on resource "cronjobs" of apiGroup "batch"',
    )
    assert "CronJob/settlement" not in answer.all_text

    # The incident says so too, and its thread tells what to grant.
    incident = scene.report(scene.world.leaked_token)
    card = scene.card(incident, lambda m: "approval_ask" in m.buttons)
    says(card.all_text, "StatefulSet/ledger", "gap")
    scene.thread_says(incident, "What Locksmith could not see", 'verb "list" on resource')


def test_a_refusal_later_keeps_what_was_known_and_says_since_when(
    fresh_scene: Scene, proxy: StoreProxy
) -> None:
    scene = fresh_scene
    scene.restart()
    proxy.fail_next("GET", "/", status=403, times=MANY)
    refused = [each.source for each in scene.collect() if each.refused]
    assert "kubernetes/demo" in refused
    answer = scene.ask("/leak uses payments/gateway")
    says(answer.all_text, "8 consumers", "Deployment/api", "Not seen", "403")


def test_a_dead_api_server_keeps_the_bot_alive_and_names_the_address_to_check(
    fresh_scene: Scene,
) -> None:
    scene = fresh_scene
    use(scene, "http://127.0.0.1:9")
    scene.restart()
    answer = scene.ask("/leak uses payments/gateway")
    says(
        answer.all_text,
        "Deployment/api",  # known from before
        "Not seen",
        "no connection to the API server",
        "Check the kubeconfig's server address and the network.",
    )
    incident = scene.report(scene.world.leaked_token)
    says(scene.card(incident).all_text, "vault://main/kv/payments/gateway#token")
