"""
Roles and bindings of public projects on a real API server: who reads Secrets by them, for both.

Names get a prefix, so that nothing of the cluster's own is touched; labels are left out, because
roles that the cluster gathers by them would change under others.
"""

import random
import secrets
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import product
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from graph import refs
from graph.connections import Connections, KubernetesSettings
from graph.errors import BadInputError, ConflictError
from graph.fields import entries, group_of, mapping, name_of, namespace_of, text
from graph.kubernetes.manifest_stream import objects_from
from graph.kubernetes.rbac import READ_VERBS
from graph.model import NodeKind
from graph.queries.readers import readers
from tests.graph.collectors.rights_on_a_cluster import GROUP, RBAC, Tally, World
from tests.graph.collectors.test_readers_against_the_api_server import observed
from tests.graph.reference_corpora import CORPORA

pytestmark = [pytest.mark.cluster, pytest.mark.slow]
PLURALS = {
    "ClusterRole": "clusterroles",
    "Role": "roles",
    "ClusterRoleBinding": "clusterrolebindings",
    "RoleBinding": "rolebindings",
}
QUESTIONS = 3_000


def rights() -> Iterator[dict[str, Any]]:
    """Yield every role and binding in the corpora, roles first."""
    found: list[dict[str, Any]] = []
    for path in sorted(CORPORA.rglob("*.y*ml")):
        with path.open("rb") as stream, suppress(UnicodeDecodeError):
            for obj in objects_from(stream):
                known = isinstance(obj, dict) and group_of(obj) == GROUP and name_of(obj)
                if known and text(obj, "kind") in PLURALS:
                    found.append(obj)  # type: ignore[arg-type]
    yield from sorted(found, key=lambda obj: list(PLURALS).index(obj["kind"]))


class Corpora(World):
    """The rights of the corpora under names of their own; `spaces` and `subjects` are theirs."""

    def put(self) -> None:
        self.spaces: set[str] = set()
        known = set()
        everything = list(rights())
        roles = {name_of(obj) for obj in everything if obj["kind"] == "ClusterRole"}
        for obj in everything:
            near = not obj["kind"].startswith("Cluster")
            space = self._within(namespace_of(obj)) if near else ""
            body = self._body(obj, roles)
            if (obj["kind"], space, body["metadata"]["name"]) in known:
                continue
            known.add((obj["kind"], space, body["metadata"]["name"]))
            where = f"{RBAC}/namespaces/{space}" if near else RBAC
            with suppress(BadInputError, ConflictError):  # a template's remains, as the server says
                self.make(f"{where}/{PLURALS[obj['kind']]}", body)

    def _within(self, namespace: str) -> str:
        short = namespace or "default"
        if short not in self.spaces:
            self.spaces.add(short)
            self.make("/api/v1/namespaces", {"metadata": {"name": self.space(short)}})
        return self.space(short)

    def _body(self, obj: Mapping[str, Any], roles: set[str]) -> dict[str, Any]:
        body: dict[str, Any] = {"metadata": {"name": f"{self.prefix}-{name_of(obj)}"}}
        if obj["kind"].endswith("Role"):
            return {**body, "rules": obj.get("rules")}
        role = dict(mapping(obj, "roleRef"))
        if role.get("kind") == "Role" or role.get("name") in roles:
            role["name"] = f"{self.prefix}-{role.get('name')}"
        subjects = [self._renamed(subject) for subject in entries(obj, "subjects")]
        return {**body, "roleRef": role, "subjects": subjects}

    def _renamed(self, subject: Mapping[str, Any]) -> dict[str, Any]:
        if text(subject, "kind") != "ServiceAccount":
            return {**subject, "name": f"{self.prefix}-{text(subject, 'name')}"}
        space = text(subject, "namespace")
        return {**subject, "namespace": self.space(space)} if space else dict(subject)


def asker(ref: str) -> tuple[str, list[str], list[str]]:
    """Give user name and groups of a subject of the graph, and the refs that these are known by."""
    _, _, _, home, kind, name = ref.split("/")
    home, name = unquote(home), unquote(name)
    if kind == "Group":
        return "nobody", [name], [ref]
    groups = ["system:authenticated"]
    if kind == "ServiceAccount":
        groups += ["system:serviceaccounts", f"system:serviceaccounts:{home}"]
        name = f"system:serviceaccount:{home}:{name}"
    return name, groups, [ref, *(refs.k8s("c", "", "Group", group) for group in groups)]


@pytest.mark.skipif(not CORPORA.is_dir(), reason="the corpora are not next to this checkout")
def test_rights_of_others_are_read_as_the_api_server_reads_them(real_cluster: Path) -> None:
    settings = KubernetesSettings(kubeconfig=str(real_cluster))
    facade = Connections(vaults={}, clusters={"c": settings}, issuers={})
    tally = Tally()
    with ThreadPoolExecutor(6) as pool:
        world = Corpora(facade.kubernetes("c"), pool, prefix=f"others-{secrets.token_hex(3)}")
        try:
            world.put()
            world.wait_until_known(sorted(world.spaces))
            snapshot = observed(facade)
            mine = [
                node.ref for node in snapshot.nodes(NodeKind.SUBJECT) if world.prefix in node.ref
            ]
            asked = list(
                product(mine, map(world.space, sorted(world.spaces)), ("db", "other"), READ_VERBS)
            )
            random.Random(1).shuffle(asked)  # noqa: S311 - the same every time

            def one(question: tuple[str, str, str, str]) -> tuple[str, bool, bool]:
                ref, space, name, verb = question
                user, groups, known = asker(ref)
                names = {"deletecollection": ("",), "list": ("", name), "watch": ("", name)}
                found = readers(snapshot, refs.k8s("c", space, "Secret", name)).readers
                ours = any(
                    way.direct and way.subject in known and {verb, "*"} & {*way.verbs}
                    for way in found
                )
                theirs = any(
                    world.allowed(
                        user, groups, namespace=space, verb=verb, resource="secrets", name=said
                    )
                    for said in names.get(verb, (name,))
                )
                return f"{ref} {verb} {space}/{name}", ours, theirs

            for said, ours, theirs in pool.map(one, asked[:QUESTIONS]):
                tally.compare(said, ours=ours, theirs=theirs)
        finally:
            world.remove()
            facade.close()
    print(f"\n{tally.questions} questions about rights of others, {tally.allowed} allowed")
    assert tally.differences == []
    assert tally.allowed > 100
