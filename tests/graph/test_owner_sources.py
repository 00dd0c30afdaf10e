"""Every source of ownership: what it says, in which words, and who is believed first."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import yaml

from graph.collector import CollectContext
from graph.collectors.backstage import BackstageCollector
from graph.collectors.manifests import collect_manifests
from graph.collectors.owner_rules import OwnerRulesCollector
from graph.connections import Connections
from graph.endpoints import CatalogSettings
from graph.errors import AccessDeniedError, UnavailableError
from graph.model import Gap, Observation
from graph.queries.owners import OwnerClaim, claims, nearest, owners
from graph.refs import Ref
from graph.snapshot import Snapshot

API = Ref("k8s://prod/payments/Deployment/api")
TOKEN = "b4ckst4ge-t0ken"


def deployment(name: str = "api", **labels: str) -> dict[str, Any]:
    container = {"name": "app", "envFrom": [{"secretRef": {"name": "db"}}]}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "payments"},
        "spec": {
            "template": {
                "metadata": {"labels": {"app": name, **labels}},
                "spec": {"containers": [container]},
            }
        },
    }


def service(owner: str, **selector: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": "front",
            "namespace": "payments",
            "annotations": {"a8r.io/owner": owner},
        },
        "spec": {"selector": selector},
    }


def component(name: str, owner: str, **annotations: str) -> dict[str, Any]:
    return {
        "apiVersion": "backstage.io/v1alpha1",
        "kind": "Component",
        "metadata": {"name": name, "annotations": annotations},
        "spec": {"owner": owner},
    }


ANA = {
    "kind": "User",
    "metadata": {"name": "ana"},
    "spec": {"profile": {"email": "Ana@example.com"}},
}


def written(folder: Path, *objects: dict[str, Any], file: str = "apps/api.yaml") -> Path:
    path = folder / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump_all(objects))
    return folder


def context(**more: Any) -> CollectContext:
    return CollectContext(Connections({}, {}, {}), None, **more)


def graph(*seen: Observation, gaps: tuple[Gap, ...] = ()) -> Snapshot:
    nodes = [node for each in seen for node in each.nodes]
    edges = [edge for each in seen for edge in each.edges]
    return Snapshot.of(nodes, edges, gaps)


def rules(*pairs: tuple[str, str]) -> Observation:
    (seen,) = OwnerRulesCollector().collect("owner_rules/config", context(owner_rules=pairs))
    return seen


def backstage(**settings: Any) -> Observation:
    catalogs = {"main": CatalogSettings.model_validate(settings)}
    (seen,) = BackstageCollector().collect("backstage/main", context(catalogs=catalogs))
    return seen


def said(found: tuple[OwnerClaim, ...]) -> list[tuple[str, str]]:
    return [(claim.owner, claim.source) for claim in found]


def test_who_names_two_owners_for_one_thing_is_heard_twice(tmp_path: Path) -> None:
    torn = deployment()
    torn["metadata"] |= {
        "annotations": {"a8r.io/owner": "payments"},
        "labels": {"team": "ana-team", "owner": "payments"},
    }
    snapshot = graph(
        collect_manifests([written(tmp_path, torn, service("team:a", app="api"))], cluster="prod")
    )
    found = claims(snapshot, API)
    assert said(found) == [
        ("team:payments", "annotation a8r.io/owner"),
        ("team:ana-team", "label team"),
        ("team:a", "annotation a8r.io/owner of Service front"),
    ], "what stands on the thing itself comes first"
    assert "label team says team:ana-team" in found[0].disagrees
    assert "of Service front says team:a" in found[0].disagrees


def test_a_service_speaks_for_the_workloads_that_it_sends_to(tmp_path: Path) -> None:
    objects = (deployment(), deployment("other"), service("payments@example.com", app="api"))
    snapshot = graph(collect_manifests([written(tmp_path, *objects)], cluster="prod"))
    assert said(claims(snapshot, API)) == [
        ("person:payments@example.com", "annotation a8r.io/owner of Service front")
    ]
    assert claims(snapshot, Ref("k8s://prod/payments/Deployment/other")) == ()


def test_codeowners_of_the_repository_speaks_for_the_objects_of_a_file(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / ".github").mkdir()
    (tmp_path / ".github" / "CODEOWNERS").write_text("* @org/platform\n/apps/ @org/pay @org/sre\n")
    written(tmp_path, deployment())
    written(tmp_path, deployment("tool"), file="tools/tool.yaml")
    snapshot = graph(collect_manifests([tmp_path], cluster="prod"))
    both = claims(snapshot, API)
    assert said(both) == [
        ("team:pay", "CODEOWNERS line 2 (/apps/)"),
        ("team:sre", "CODEOWNERS line 2 (/apps/)"),
    ]
    assert [claim.disagrees for claim in both] == ["", ""]  # one line, one voice
    other = claims(snapshot, Ref("k8s://prod/payments/Deployment/tool"))
    assert said(other) == [("team:platform", "CODEOWNERS line 1 (*)")]


def test_a_rule_of_the_configuration_is_believed_first_and_the_first_that_fits(
    tmp_path: Path,
) -> None:
    seen = collect_manifests(
        [written(tmp_path, deployment(), service("team:web", app="api"))], cluster="prod"
    )
    table = rules(
        ("k8s://*/payments/Deployment/a*", "team:payments"), ("k8s://prod/*", "team:everything")
    )
    first, second = claims(graph(seen, table), API)
    assert said((first, second)) == [
        ("team:payments", "rule 1 of the configuration"),
        ("team:web", "annotation a8r.io/owner of Service front"),
    ]
    assert first.disagrees == "annotation a8r.io/owner of Service front says team:web"
    assert second.disagrees == "rule 1 of the configuration says team:payments"


def test_sources_that_agree_make_one_claim(tmp_path: Path) -> None:
    seen = collect_manifests(
        [written(tmp_path, deployment(), service("team:web", app="api"))], cluster="prod"
    )
    (claim,) = claims(graph(seen, rules((str(API), "team:web"))), API)
    assert (claim.said_by, claim.disagrees) == ("config", "")


def test_rules_that_are_taken_out_are_gone() -> None:
    assert rules().nodes == ()


@pytest.fixture
def catalog() -> Iterator[Callable[..., str]]:
    servers = []

    def serve(
        *entities: dict[str, Any],
        status: int = 200,
        pages: int = 1,
        round_and_round: bool = False,
    ) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                allowed = self.headers.get("Authorization") == f"Bearer {TOKEN}"
                page = int(self.path.partition("cursor=")[2] or 0)
                size = -(-len(entities) // pages)
                found: dict[str, Any] = {"items": entities[page * size : (page + 1) * size]}
                if page + 1 < pages or round_and_round:
                    found["pageInfo"] = {"nextCursor": str((page + 1) % (pages + 1))}
                body = json.dumps(found).encode() if status == 200 else b"<html>"
                self.send_response(status if allowed else 401)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                """Stay silent."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        servers.append(server)
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return f"http://127.0.0.1:{server.server_address[1]}"

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


def test_backstage_names_owners_of_workloads_namespaces_and_paths(
    catalog: Callable[..., str], tmp_path: Path
) -> None:
    url = catalog(
        component("payments-api", "group:default/payments"),
        component("shop", "user:ana", **{"backstage.io/kubernetes-namespace": "shop"}),
        component(
            "ledger",
            "ledger-team",
            **{"vault.io/secrets-path": "ledger", "backstage.io/kubernetes-id": "led"},
        ),
        {"kind": "Group", "metadata": {"name": "payments"}, "spec": {"owner": "nobody"}},
        ANA,
        pages=3,
    )
    seen = backstage(url=url, token=TOKEN)
    labelled = deployment(**{"backstage.io/kubernetes-id": "payments-api"})
    snapshot = graph(seen, collect_manifests([written(tmp_path, labelled)], cluster="prod"))
    assert said(claims(snapshot, API)) == [("team:payments", "Backstage component payments-api")]
    (shop,) = claims(snapshot, Ref("k8s://any/-/Namespace/shop"))
    assert shop.owner.startswith("person:ana")
    assert shop.seen_in == "backstage/main"
    assert said(claims(snapshot, Ref("vault://main/kv/ledger/db"))) == [
        ("team:ledger-team", "Backstage component ledger")
    ]
    assert claims(snapshot, Ref("vault://main/kv/ledgers/db")) == ()
    nobody = nearest(snapshot, Ref("k8s://any/shop/Deployment/x"))
    assert nobody is not None
    assert nobody.source == "Backstage component shop of its namespace"


def test_catalogue_files_say_the_same_and_a_broken_one_is_a_gap(tmp_path: Path) -> None:
    entity = component("api", "payments", **{"backstage.io/kubernetes-namespace": "payments"})
    written(tmp_path, entity, file="one/catalog-info.yaml")
    (tmp_path / "two").mkdir()
    (tmp_path / "two" / "catalog-info.yaml").write_text("a: [")
    seen = backstage(files=[f"{tmp_path}/*/catalog-info.yaml"])
    assert said(claims(graph(seen), Ref("k8s://prod/-/Namespace/payments"))) == [
        ("team:payments", "Backstage component api")
    ]
    assert [gap.scope for gap in seen.gaps] == [str(tmp_path / "two" / "catalog-info.yaml")]
    assert not seen.complete
    assert backstage(files=[f"{tmp_path}/none.yaml"]).gaps[0].reason == "No file fits."


def test_a_catalogue_that_refuses_or_fails_says_so(catalog: Callable[..., str]) -> None:
    with pytest.raises(AccessDeniedError, match="refuses"):
        backstage(url=catalog(), token="wrong")
    with pytest.raises(UnavailableError, match="nothing usable"):
        backstage(url=catalog(status=502), token=TOKEN)
    with pytest.raises(UnavailableError, match="does not answer"):
        backstage(url="http://127.0.0.1:9")
    with pytest.raises(UnavailableError, match="page that it gave before"):
        backstage(url=catalog(ANA, round_and_round=True), token=TOKEN)
    assert TOKEN not in repr(CatalogSettings.model_validate({"url": "https://x", "token": TOKEN}))


def test_what_a_silent_source_said_is_kept_with_its_age(tmp_path: Path) -> None:
    since = datetime(2026, 3, 1, tzinfo=UTC)
    gap = Gap("manifests/prod", "manifests/prod", "It does not answer.", since=since)
    objects = (deployment(), service("team:web", app="api"))
    seen = collect_manifests([written(tmp_path, *objects)], cluster="prod")
    (claim,) = claims(graph(seen, gaps=(gap,)), API)
    assert claim.stale_since == since
    secret = Ref("k8s://prod/payments/Secret/db")
    (found,) = owners(graph(seen, gaps=(gap,)), secret)
    assert found.source == "annotation a8r.io/owner of Service front of a consumer"
