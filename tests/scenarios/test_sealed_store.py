"""OpenBao is sealed, for real: while sources are read, while a leak is reported, amid a run."""

from collections.abc import Iterator

import pytest

from bot.sandbox.openbao import OpenBaoServer
from bot.sandbox.workspace.messages import Message
from bot.sandbox.world import manifests
from tests.scenarios.scene import Scene, changed, incident_in, says
from tests.servers.store_proxy import StoreProxy

pytestmark = pytest.mark.slow

SEALED = "it is sealed"


def is_stopped(card: Message) -> bool:
    return "step_retry" in card.buttons


def test_while_sources_are_read_what_was_known_stays_with_a_gap(fresh_scene: Scene) -> None:
    scene = fresh_scene
    scene.world.openbao.seal()
    refused = {each.source: each.refused for each in scene.collect() if each.refused}
    assert list(refused) == ["vault/main"]
    says(refused["vault/main"], SEALED)
    answer = scene.ask("/leak uses payments/gateway")
    says(
        answer.all_text, "8 consumers", "Deployment/api", "Not seen", SEALED, "bao operator unseal"
    )

    # A report made now is recognised by what was known, and its card says the same.
    incident = scene.report(scene.world.leaked_token)
    card = scene.card(incident, lambda m: "approval_ask" in m.buttons)
    says(card.all_text, "vault://main/kv/payments/gateway#token", "in what Locksmith sees")
    scene.thread_says(incident, "What Locksmith could not see", SEALED)

    scene.world.openbao.unseal()
    assert not [each for each in scene.collect() if each.refused]
    answer = scene.ask("/leak uses payments/gateway")
    says(answer.all_text, "8 consumers")
    assert SEALED not in answer.all_text


def test_a_token_reported_meanwhile_opens_and_is_recognised_by_the_next_report(
    fresh_scene: Scene,
) -> None:
    scene = fresh_scene
    leaked = scene.world.issue_ci_token()
    scene.world.openbao.seal()
    shown = scene.fill_in({"value": leaked.token, "where": "a build log"}, by="rita")
    says(
        shown.all_text,
        "is open",
        "Whether the leaked token is one of main is unknown.",
        SEALED,
        "Ask its operators to unseal it",
        "report it again",
    )
    incident = incident_in(shown.all_text)
    scene.card(incident, lambda m: "Find out what it opens" in m.all_text)
    scene.thread_says(incident, SEALED)

    scene.world.openbao.unseal()
    again = scene.fill_in({"value": leaked.token, "where": "a build log"}, by="ana")
    says(again.all_text, "joined incident", incident)
    card = scene.card(incident, lambda m: "Token revoked in" in m.all_text)
    says(card.all_text, "payments/db", "shop/stripe")
    assert len(scene.cards(incident)) == 1

    scene.ask_approval(incident)
    scene.approve(incident)
    scene.card(incident, lambda m: "closed" in m.all_text)
    assert not scene.outside.token_works(leaked.token)


class SealingProxy(StoreProxy):
    """A road to OpenBao on which it is sealed right after the next write of a value."""

    def __init__(self, openbao: OpenBaoServer) -> None:
        super().__init__(openbao.address)
        self._openbao = openbao
        self._written = False
        self.armed = False

    def _fault(self, method: str, path: str) -> int:
        if self.armed and self._written:
            self.armed = False
            self._openbao.seal()
        self._written = self._written or (method == "PATCH" and "/kv/data/" in path)
        return super()._fault(method, path)


@pytest.fixture
def road(fresh_scene: Scene) -> Iterator[SealingProxy]:
    with SealingProxy(fresh_scene.world.openbao) as running:
        fresh_scene.config = changed(
            fresh_scene.config, {"vault": {"main": {"address": running.address}}}
        )
        for item in manifests(fresh_scene.objects):
            if item["kind"] == "ClusterSecretStore":  # by the address the bot knows its store
                server = {"spec": {"provider": {"vault": {"server": running.address}}}}
                fresh_scene.objects.patch(item, server)
        fresh_scene.restart()
        yield running


def test_amid_a_run_it_stops_with_a_sentence_and_goes_on_after_the_unsealing(
    fresh_scene: Scene, road: SealingProxy
) -> None:
    scene = fresh_scene
    incident = scene.report(scene.world.leaked_token)
    scene.ask_approval(incident)
    scene.world.openbao.seal()
    scene.approve(incident)

    # Sealed before the first step could do anything.
    stopped = scene.card_now(incident, is_stopped)
    says(
        stopped.all_text,
        "New token from paygate into",
        SEALED,
        "Ask its operators to unseal it",
        "An approver can",
    )
    scene.thread_says(incident, "🛑 *Stopped*", SEALED)
    scene.world.openbao.unseal()
    assert max(scene.outside.versions()) == 1

    # Sealed again as soon as the new version is written.
    road.armed = True
    scene.be("sam").click(stopped, "step_retry")
    stopped = scene.card_now(incident, lambda m: is_stopped(m) and not road.armed)
    says(stopped.all_text, SEALED)
    assert scene.outside.issuer_accepts(scene.world.leaked_token)

    scene.world.openbao.unseal()
    assert max(scene.outside.versions()) == 2
    scene.be("sam").click(stopped, "step_retry")
    scene.card(incident, lambda m: "closed" in m.all_text, timeout=60)
    versions = scene.outside.versions()
    assert max(versions) == 2, "it was rotated twice"
    assert versions[1]["destroyed"]
    assert not scene.outside.issuer_accepts(scene.world.leaked_token)
    assert scene.outside.issuer_accepts(scene.outside.token_in_store())
    assert len(scene.cards(incident)) == 1
