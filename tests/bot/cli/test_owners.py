"""Owners as a person at the shell sees them: who says so, who says otherwise, and how old it is."""

from pathlib import Path

from tests.bot.cli.conftest import Run, Settings
from tests.graph.http_stub import Answer, HttpStub
from tests.servers.processes import write_config

GATEWAY = "vault://main/kv/payments/gateway"
LEDGER = {
    "kind": "Component",
    "metadata": {"name": "gateway", "annotations": {"vault.io/secrets-path": "payments/gateway"}},
    "spec": {"owner": "group:default/ledger"},
}
OWNERLESS = """
apiVersion: apps/v1
kind: Deployment
metadata: { name: lonely, namespace: nobodys }
spec:
  template:
    spec:
      containers:
        - { name: app, envFrom: [{ secretRef: { name: unclaimed } }] }
"""


def test_each_source_is_heard_conflicts_stand_side_by_side_and_nobody_is_a_finding(
    run: Run, settings: Settings, tmp_path: Path
) -> None:
    catalogue = [Answer(200, {"items": [LEDGER]})]
    with HttpStub(lambda asked: catalogue[0]) as backstage:
        settings["owners"] = [{"match": f"{GATEWAY}*", "owner": "team:shop"}]
        settings["catalogs"] = {"main": {"url": backstage.address, "token": "t"}}
        config = str(write_config(settings, tmp_path))
        manifests = tmp_path / "manifests"
        manifests.mkdir()
        (manifests / "lonely.yaml").write_text(OWNERLESS)
        assert run("--config", config, "collect").code == 0
        given = ("--manifests", str(manifests), "--cluster", "git")
        assert run("--config", config, "collect", *given).code == 0
        fresh = run("--config", config, "uses", f"{GATEWAY}#token", "--json").json["owners"]
        catalogue[0] = Answer(503)
        down = run("--config", config, "collect")
        assert "catalogue main" in down.out + down.err

    told = run("--config", config, "blast-radius", f"{GATEWAY}#token", "--json").json
    own = {claim["owner"]: claim for claim in told["owners"] if claim["ref"] == GATEWAY}
    assert list(own) == ["team:shop", "team:payments", "team:ledger"], "in the order of belief"
    assert [own[owner]["said_by"] for owner in own] == ["config", "vault", "backstage"]
    assert "team:payments" in own["team:shop"]["disagrees"]
    assert "team:ledger" in own["team:shop"]["disagrees"]
    assert not any(claim["stale_since"] for claim in fresh)
    before = {claim["owner"]: claim["as_of"] for claim in fresh if claim["ref"] == GATEWAY}
    kept, read = own["team:ledger"], own["team:payments"]
    assert kept["stale_since"], "the catalogue is down: its word is kept, with since when"
    assert kept["as_of"] == before["team:ledger"]
    assert read["as_of"] > before["team:payments"], "what was read again is as new as that"
    assert read["stale_since"] is None
    assert any("backstage/main" in gap["source"] for gap in told["gaps"]), "and a gap says so"
    shown = run("--config", config, "uses", f"{GATEWAY}#token")
    assert " UTC (stale)" in shown.out
    assert "rule 1 of the configuration" in shown.out
    assert "who says otherwise" in shown.out
    assert " UTC" in shown.out, "how old it is"

    nobodys = run("--config", config, "uses", "k8s://git/nobodys/Secret/unclaimed")
    assert "Nobody is named as the owner: team:security is called." in nobodys.out
    findings = run("--config", config, "findings", "--json")
    assert "nobodys/Secret/unclaimed" in findings.out
