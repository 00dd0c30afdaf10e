"""The former value leaks after it was replaced: nothing is rotated, it is only proven dead."""

import hvac

from bot.sandbox.world import LEAKED_FIELD, LEAKED_PATH, MOUNT
from tests.scenarios.scene import Scene, eventually, says


def rotated_by_hand(scene: Scene) -> str:
    """Issue another token and write it, as an operator would; the old one stays valid."""
    _, value = scene.world.issuer.issue()
    client = hvac.Client(url=scene.world.openbao.address, token=scene.world.openbao.root_token)
    fields = scene.world.read_secret(LEAKED_PATH) | {LEAKED_FIELD: value}
    client.secrets.kv.v2.create_or_update_secret(LEAKED_PATH, fields, mount_point=MOUNT)
    stamp = {"metadata": {"annotations": {"force-sync": "now"}}}
    for namespace in ("payments", "shop", "reporting"):
        sync = scene.objects.get(
            "external-secrets.io/v1", "ExternalSecret", "payments-gateway", namespace=namespace
        )
        assert sync is not None
        scene.objects.patch(sync, stamp)
    eventually(
        lambda: all(scene.outside.copy(each) == value for each in ("payments", "shop", "reporting"))
    )
    scene.collect()
    return value


def test_a_leak_of_a_former_version_says_which_and_only_proves_it_dead(fresh_scene: Scene) -> None:
    scene = fresh_scene
    current = rotated_by_hand(scene)
    incident = scene.report(scene.world.leaked_token)
    card = scene.card(incident, lambda m: "approval_ask" in m.buttons)
    says(
        card.all_text,
        "vault://main/kv/payments/gateway#token",
        "version 1",
        "the leaked value was replaced in its store already; it may still be valid",
        "Old token dead at paygate",
    )
    assert "MEDIUM" in card.all_text
    assert "New token from" not in card.all_text
    assert "Restart wave" not in card.all_text

    scene.ask_approval(incident)
    scene.approve(incident)
    scene.card(incident, lambda m: "closed" in m.all_text)
    assert not scene.outside.issuer_accepts(scene.world.leaked_token)
    assert scene.outside.token_in_store() == current
    assert scene.outside.issuer_accepts(current)
    versions = scene.outside.versions()
    assert max(versions) == 2
    assert versions[1]["destroyed"]
    assert not versions[2]["destroyed"]


def test_the_current_one_and_the_former_one_are_two_incidents(fresh_scene: Scene) -> None:
    scene = fresh_scene
    current = rotated_by_hand(scene)
    former = scene.report(scene.world.leaked_token)
    other = scene.report(current)
    assert former != other
    says(scene.card(other, lambda m: "approval_ask" in m.buttons).all_text, "New token from")
