"""Questions from the shell: the documented shapes, exit codes, near misses, no echo of a value."""

from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as ET

import orjson
import pytest

from bot.sandbox.world import NAMESPACES, World
from tests.bot.cli.conftest import Run

GATEWAY = "vault://main/kv/payments/gateway"
CONSUMERS = {
    "k8s://demo/payments/Deployment/api",
    "k8s://demo/payments/Deployment/worker",
    "k8s://demo/payments/Deployment/webhook",
    "k8s://demo/payments/StatefulSet/ledger",
    "k8s://demo/payments/CronJob/settlement",
    "k8s://demo/payments/Pod/debug-shell",
    "k8s://demo/shop/Deployment/checkout",
    "k8s://demo/shop/Deployment/refunds",
}
VERBS = {"get", "list", "watch", "patch", "deletecollection"}


def test_collect_prints_counts_and_gaps_per_source(run: Run, config: str) -> None:
    ended = run("--config", config, "collect")
    assert ended.code == 0, ended.err
    for source in ("kubernetes/demo", "external_secrets/demo", "rbac/demo", "vault/main"):
        assert f"{source}: " in ended.out
    again = run("--config", config, "collect", "--once", "--json").json
    assert {one["source"] for one in again["sources"]} >= {"kubernetes/demo", "vault/main"}
    assert not any(one["changes"] for one in again["sources"])


def test_collect_says_so_where_nothing_is_configured(run: Run, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(f"data_folder: {tmp_path}\n")
    ended = run("--config", str(tmp_path / "config.yaml"), "collect")
    assert ended.code == 0
    assert "Nothing is configured" in ended.out


def test_collect_from_manifests(run: Run, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(f"data_folder: {tmp_path}\n")
    manifests = tmp_path / "manifests"
    manifests.mkdir()
    (manifests / "api.yaml").write_text(
        """
apiVersion: apps/v1
kind: Deployment
metadata: {name: api, namespace: shop}
spec:
  selector: {matchLabels: {app: api}}
  template:
    metadata: {labels: {app: api}}
    spec:
      containers:
        - {name: api, image: api, envFrom: [{secretRef: {name: keys}}]}
"""
    )
    config = ("--config", str(tmp_path / "config.yaml"))
    refused = run(*config, "collect", "--manifests", str(manifests))
    assert refused.code == 2
    assert "--cluster" in refused.err
    ended = run(*config, "collect", "--manifests", str(manifests), "--cluster", "prod", "--json")
    assert ended.code == 0, ended.err
    answer = run(*config, "uses", "shop/keys", "--json").json
    assert [one["workload"] for one in answer["consumers"]] == ["k8s://prod/shop/Deployment/api"]
    assert run(*config, "collect", "--manifests", "/nowhere", "--cluster", "x").code == 3


def test_uses_has_the_documented_shape(company: Run) -> None:
    answer = company("uses", "payments/gateway", "--json").json
    assert answer["secret"] == GATEWAY
    assert {one["workload"] for one in answer["consumers"]} == CONSUMERS
    for consumer in answer["consumers"]:
        assert consumer["picks_up"] in {"restart", "sync", "poll", "never", "next_run", "unknown"}
        for use in consumer["via"]:
            assert {"how", "container", "key", "field"} <= use.keys()
    assert isinstance(answer["gaps"], list)


def test_uses_for_people_says_how_and_who(company: Run) -> None:
    ended = company("uses", "payments/gateway#token")
    assert ended.code == 0
    assert "is used by 8 workloads" in ended.out
    assert "team:payments" in ended.out


def test_readers_has_the_documented_shape(company: Run) -> None:
    answer = company("readers", "payments/gateway", "--json").json
    assert answer["secret"] == GATEWAY
    by = {one["subject"]: one for one in answer["readers"] if one["direct"] and one["path"]}
    ana = by["k8s://demo/-/User/ana@example.com"]
    assert set(ana["verbs"]) <= VERBS
    assert any("RoleBinding/secret-readers" in ref for ref in ana["path"])
    assert all(isinstance(one["direct"], bool) for one in answer["readers"])
    shown = company("readers", "payments/gateway")
    assert "ana@example.com" in shown.out


def test_the_rule_that_would_cut_the_most_readers_is_named(company: Run) -> None:
    secret = "k8s://demo/payments/Secret/payments-gateway"
    answer = company("readers", secret, "--cuts", "--json").json
    assert set(answer) == {"secret", "readers", "cuts", "gaps"}
    assert answer["cuts"]
    numbers = [len(cut["readers"]) for cut in answer["cuts"]]
    assert numbers == sorted(numbers, reverse=True)
    assert answer["readers"] >= numbers[0] > 0
    shown = company("readers", answer["secret"], "--cuts")
    assert answer["cuts"][0]["rule"] in " ".join(shown.out.split())


def test_the_rule_that_would_cut_the_most_of_the_whole_graph_is_named(company: Run) -> None:
    answer = company("readers", "--cuts", "--json").json
    assert set(answer) == {"secrets", "ways", "cuts", "gaps", "left_out"}
    assert answer["left_out"] == 0
    numbers = [cut["ways"] for cut in answer["cuts"]]
    assert numbers == sorted(numbers, reverse=True)
    assert answer["ways"] >= numbers[0] > 0
    shown = company("readers", "--cuts")
    assert answer["cuts"][0]["rule"] in " ".join(shown.out.split())


def test_reach_explains_how_far_a_subject_gets(company: Run) -> None:
    answer = company("reach", "ServiceAccount/backup", "--json").json
    assert set(answer) == {"start", "opens", "gaps"}
    for one in answer["opens"]:
        assert one["path"][0] == answer["start"]
        assert one["path"][-1] == one["ref"]
        assert len(one["path"]) == one["depth"] + 1
    secrets = {one["ref"] for one in answer["opens"] if "/Secret/" in one["ref"]}
    assert secrets
    cut = company("reach", "ServiceAccount/backup", "--depth", "1", "--json").json
    assert any("1 step" in gap["reason"] for gap in cut["gaps"])
    assert company("reach", "ServiceAccount/backup").code == 0


def test_readers_can_be_turned_around(company: Run) -> None:
    answer = company("readers", "--subject", "ServiceAccount/backup", "--json").json
    assert answer["subject"] == "k8s://demo/platform/ServiceAccount/backup"
    reached = {one["secret"] for one in answer["secrets"]}
    for namespace in NAMESPACES:
        assert any(ref.startswith(f"k8s://demo/{namespace}/Secret/") for ref in reached)


@pytest.mark.parametrize("arguments", [(), ("payments/gateway", "--subject", "User/rob")])
def test_readers_wants_one_of_two(company: Run, arguments: tuple[str, ...]) -> None:
    assert company("readers", *arguments).code == 2


def test_blast_radius_of_a_ref_and_of_a_value_agree(company: Run, world: World) -> None:
    of_ref = company("blast-radius", f"{GATEWAY}#token", "--json")
    of_value = company("blast-radius", "--value-stdin", "--json", given=world.leaked_token)
    assert of_ref.code == of_value.code == 0
    assert world.leaked_token not in of_value.out + of_value.err
    for answer in (of_ref.json, of_value.json):
        assert {one["workload"] for one in answer["consumers"]} == CONSUMERS
        assert {one["secret"] for one in answer["copies"]} == {
            f"k8s://demo/{namespace}/Secret/payments-gateway"
            for namespace in ("payments", "shop", "reporting")
        }
        assert [one["owner"] for one in answer["owners"]] == ["team:payments", "team:shop"]
    shown = company("blast-radius", "payments/gateway").out
    for title in ("Copies: ", "Consumers: ", "Readers: ", "Owners: "):
        assert title in shown


def test_blast_radius_of_a_value_that_matches_nothing_says_so(
    company: Run, plant: Callable[[], str]
) -> None:
    value = plant()
    ended = company("blast-radius", "--value-stdin", given=value)
    assert ended.code == 0
    assert "matches nothing" in ended.out
    assert value not in ended.out + ended.err


@pytest.mark.parametrize("arguments", [(), ("payments/gateway", "--value-stdin")])
def test_blast_radius_wants_one_of_two(company: Run, arguments: tuple[str, ...]) -> None:
    assert company("blast-radius", *arguments, given="x").code == 2


def test_nothing_on_standard_input_is_wrong_usage(company: Run) -> None:
    ended = company("blast-radius", "--value-stdin", given=" \n")
    assert ended.code == 2
    assert "No value came in" in ended.err


def test_export_as_json_lines(company: Run) -> None:
    lines = [orjson.loads(line) for line in company("graph", "export").out.splitlines()]
    assert GATEWAY in {line.get("node") for line in lines}
    assert "consumes" in {line.get("edge") for line in lines}


def test_export_as_graphml(company: Run) -> None:
    found = ET.fromstring(company("graph", "export", "--format", "graphml").out)  # noqa: S314 - our own
    assert found.tag.endswith("graphml")
    assert len(list(found.iter("{http://graphml.graphdrawing.org/xmlns}edge"))) > 40


def test_a_format_that_there_is_not(company: Run) -> None:
    ended = company("graph", "export", "--format", "dot")
    assert ended.code == 2
    assert "jsonl or graphml" in ended.err


def test_an_unknown_ref_exits_3_with_near_misses(company: Run) -> None:
    ended = company("uses", "payments/gatewya")
    assert ended.code == 3
    assert GATEWAY in ended.err


def test_an_ambiguous_ref_exits_3_with_every_candidate(company: Run) -> None:
    ended = company("uses", "db")
    assert ended.code == 3
    for candidate in ("vault://main/kv/payments/db", "vault://main/kv/reporting/db"):
        assert candidate in ended.err
