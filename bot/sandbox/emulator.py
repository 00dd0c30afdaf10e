"""
What kmock's Kubernetes emulator needs to be a cluster for this demo, added at its own seams.

kmock stores, lists, watches, patches and deletes objects over HTTP. Real clients also count on
metadata that the server writes (uid, generation, resourceVersion, creationTimestamp), on status as
a subresource, on PUT, on selectors, on `stringData`, and on namespaces as objects, for which kmock
0.8 has no path. Here each request is rewritten to what kmock understands; kmock does the rest.

Not here, and not anywhere in the embedded cluster: see the list in `cluster.py`.
"""

import asyncio
import base64
import copy
import itertools
import uuid
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, cast

import aiohttp.web
import attrs
import kmock

from bot.sandbox.resources import RESOURCES, Resource

Manifest = dict[str, Any]

_NAMESPACES = "/api/v1/namespaces"
_WRITTEN_BY_SERVER = ("uid", "creationTimestamp", "generation", "resourceVersion", "namespace")
_CONFLICT = "Conflict"
_REASONS = {400: "BadRequest", 404: "NotFound", 405: "MethodNotAllowed", 409: "AlreadyExists"}
_BY_RESOURCE = {kmock.resource(resource.path): resource for resource in RESOURCES}


@attrs.define(kw_only=True)
class ClusterEmulator(kmock.KubernetesEmulator):
    """`on_change` is called with the newest resourceVersion after each change."""

    on_change: Callable[[int], None]
    _revisions: Iterator[int] = attrs.field(factory=lambda: itertools.count(1), init=False)
    _latest: int = attrs.field(default=0, init=False)

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        # kmock's own watch names no content type, and kubectl insists on one.
        _ = self[kmock.action.WATCH] << {"Content-Type": "application/json"} << self._serve_watch
        for resource in RESOURCES:
            self.resources[resource.path] = kmock.ResourceInfo(
                kind=resource.kind,
                singular=resource.kind.lower(),
                namespaced=resource.namespaced,
                verbs=("create",) if resource.review else _VERBS,
                shortnames=(resource.short,) if resource.short else (),
                subresources=("status",) if resource.status and not resource.review else (),
            )

    async def serve(self, request: aiohttp.web.BaseRequest) -> aiohttp.web.StreamResponse:
        """Answer a request: the entry point for the web server."""
        path = request.path.rstrip("/")  # clients ask for /version/ as well
        _, _, name = path.removeprefix(_NAMESPACES).partition("/")
        if path.startswith(_NAMESPACES) and "/" not in name.removesuffix("/status"):
            # kmock reads namespaces as a prefix only; in this form it finds the objects as well.
            path = path.replace(_NAMESPACES, f"{_NAMESPACES}/-/namespaces", 1)
        moved = request.rel_url.with_path(path or "/", keep_query=True)
        return await self(request.clone(rel_url=moved))

    async def _handle(self, request: kmock.Request) -> aiohttp.web.StreamResponse:
        self._forget(request)
        resource = _BY_RESOURCE.get(request.resource) if request.resource else None
        if resource is None:
            return await self._do(request)
        if resource.review:
            return aiohttp.web.json_response(_allowed(resource, request.data), status=201)
        request = self._understood(request, resource)
        if "dryRun" in request.params and request.action in _WRITES:
            return aiohttp.web.json_response(_result(request))
        response = await self._do(request)
        if request.action == kmock.action.DELETE and self.objects[_key(request)].deleted:
            del self.objects[_key(request)]  # kmock keeps a deleted object's history
        if request.action in _WRITES:
            self.on_change(self._latest)
        return response

    def _understood(self, request: kmock.Request, resource: Resource) -> kmock.Request:
        """Say what is asked so that kmock does it: action, scope, and the complete object."""
        action = _action(request)
        namespace = request.namespace if resource.namespaced else None
        request = attrs.evolve(request, action=action, namespace=namespace)
        if action is None:
            raise kmock.KubernetesError(status=405, message="not served by this emulator")
        if action == kmock.action.CREATE:
            return attrs.evolve(request, data=self._created(request, resource))
        if action == kmock.action.UPDATE:
            return self._updated(request, resource)
        return request

    async def _do(self, request: kmock.Request) -> aiohttp.web.StreamResponse:
        self._requests.append(request)  # reactions are found for remembered requests only
        try:
            return await super()._handle(request)
        finally:
            self._forget(request)

    def _forget(self, request: kmock.Request) -> None:
        """Keep no request: kmock remembers all for assertions, and walks them for each new one."""
        self._requests.remove(request)
        for reaction in self._payloads:
            reaction._requests.clear()  # noqa: SLF001 - there is no public way to forget
        self.errors.clear()

    def _next_revision(self) -> str:
        self._latest = next(self._revisions)
        return str(self._latest)

    def _created(self, request: kmock.Request, resource: Resource) -> Manifest:
        """Complete a new object as the API server would; metadata that only it may write is new."""
        if not isinstance(request.data, Mapping) or "metadata" not in request.data:
            raise kmock.KubernetesError(status=400, message="the body is not an object")
        new = _normal(copy.deepcopy(dict(request.data)), resource)
        metadata = new["metadata"]
        if not metadata.get("name"):
            metadata["name"] = metadata.get("generateName", "") + uuid.uuid4().hex[:5]
        if request.namespace:
            metadata["namespace"] = request.namespace
        if resource.status:
            new.pop("status", None)
        if resource.kind == "Namespace":
            new["status"] = {"phase": "Active"}
        metadata["uid"] = str(uuid.uuid4())
        metadata["creationTimestamp"] = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        if "spec" in new:
            metadata["generation"] = 1
        metadata["resourceVersion"] = self._next_revision()
        return new

    def _updated(self, request: kmock.Request, resource: Resource) -> kmock.Request:
        """Turn PUT, merge, strategic and JSON patches into one: replace the whole object."""
        key = _key(request)
        if key not in self.objects or self.objects[key].deleted:
            raise kmock.KubernetesObjectNotFoundError
        stored = self.objects[key]
        old = stored.raw
        if request.method == kmock.method.PUT:
            new = copy.deepcopy(dict(request.data))
        else:
            scratch = kmock.Object(copy.deepcopy(old))
            scratch.patch(request.data)
            new = scratch.raw
        new = _normal(new, resource)
        _refuse_stale(new, old)
        if resource.status and request.subresource == "status":
            new = {**old, "status": new.get("status")}
        elif resource.status:
            new = {**new, "status": old.get("status")}
            if "status" not in old:
                del new["status"]
        for field in _WRITTEN_BY_SERVER:
            if field in old["metadata"]:
                new["metadata"] = {**new["metadata"], field: old["metadata"][field]}
        if new == old:  # a change that changes nothing makes no new version and no event
            return attrs.evolve(request, action=kmock.action.FETCH, subresource=None)
        if new.get("spec") != old.get("spec"):
            generation = old["metadata"].get("generation", 1) + 1
            new["metadata"] = {**new["metadata"], "generation": generation}
        new["metadata"] = {**new["metadata"], "resourceVersion": self._next_revision()}
        stored.history[:-1] = []  # one version is enough, and a secret's old values are not kept
        return attrs.evolve(request, data=[{"op": "replace", "path": "", "value": new}])

    async def _serve_list(self, request: kmock.Request) -> kmock.Payload:
        found = cast("Manifest", await super()._serve_list(request))
        resource = _BY_RESOURCE[cast("kmock.resource", request.resource)]
        return {
            "kind": f"{resource.kind}List",
            "apiVersion": resource.group_version,
            "metadata": {"resourceVersion": str(self._latest)},
            "items": [item for item in found["items"] if _selected(item, request.params)],
        }

    async def _serve_watch(self, request: kmock.Request) -> AsyncIterator[kmock.Payload]:
        """Skip what the client has seen (its resourceVersion), and end at `timeoutSeconds`."""
        seen = int(request.params.get("resourceVersion") or 0)
        limit = request.params.get("timeoutSeconds")
        stream = super()._serve_watch(request)
        deadline = asyncio.get_running_loop().time() + float(limit) if limit else None
        while True:
            try:
                async with asyncio.timeout_at(deadline):
                    event = await anext(stream)
            except (TimeoutError, StopAsyncIteration):
                return
            if not isinstance(event, dict):
                yield event
                continue
            version = int(event["object"]["metadata"]["resourceVersion"])
            old = event["type"] == "ADDED" and version <= seen
            if not old and _selected(event["object"], request.params):
                yield event

    async def _serve_delete(self, request: kmock.Request) -> kmock.Payload:
        self._next_revision()
        details = {"name": request.name, "kind": request.resource and request.resource.plural}
        return {"kind": "Status", "apiVersion": "v1", "status": "Success", "details": details}

    async def _serve_version(self, request: kmock.Request) -> kmock.Payload:
        found = cast("Manifest", await super()._serve_version(request))
        for item in found["resources"]:
            if "/" in item["name"]:
                item["shortNames"] = []  # a subresource has none of its own
        return {**found, "groupVersion": str(found["groupVersion"]).lstrip("/")}

    async def _serve_server_version(self, request: kmock.Request) -> kmock.Payload:
        found = cast("Manifest", await super()._serve_server_version(request))
        return {**found, "gitVersion": "v1.26.4+kmock", "platform": "emulated"}

    async def _render_error(self, exc: Exception) -> aiohttp.web.StreamResponse:
        """Answer as the API server does; no traceback, which could show an object."""
        known = exc if isinstance(exc, kmock.KubernetesError) else None
        status = known.status if known else 500
        reason = _REASONS.get(status, "InternalError")
        body = {
            "apiVersion": "v1",
            "kind": "Status",
            "metadata": {},
            "status": "Failure",
            "code": status,
            "reason": _CONFLICT if known and known.reason == _CONFLICT else reason,
            "message": known.message if known else type(exc).__name__,
        }
        return aiohttp.web.json_response(body, status=status)


_DEFAULTS: Mapping[str, Manifest] = {  # what clients read and manifests leave out
    "Deployment": {"replicas": 1, "strategy": {"type": "RollingUpdate"}},
    "ReplicaSet": {"replicas": 1},
    "StatefulSet": {"replicas": 1, "updateStrategy": {"type": "RollingUpdate"}},
    "DaemonSet": {"updateStrategy": {"type": "RollingUpdate"}},
}
_VERBS = ("create", "delete", "get", "list", "patch", "update", "watch")
_WRITES = (kmock.action.CREATE, kmock.action.UPDATE, kmock.action.DELETE)


def _key(request: kmock.Request) -> tuple[kmock.resource, str | None, str]:
    if request.resource is None or request.name is None:
        raise kmock.KubernetesError(status=405, message="the request names no object")
    return request.resource, request.namespace, request.name


def _action(request: kmock.Request) -> kmock.action | None:
    """Name what kmock does not recognise: PUT, and a watch asked for as clients spell it."""
    if request.method == kmock.method.GET and request.params.get("watch") in {"1", "true", "True"}:
        return kmock.action.WATCH
    if request.subresource not in {None, "status"}:
        return None
    if request.method == kmock.method.PUT and request.name:
        return kmock.action.UPDATE
    return request.action


def _normal(new: Manifest, resource: Resource) -> Manifest:
    """Write an object as the API server stores it: kind and version set, `stringData` folded in."""
    new["apiVersion"], new["kind"] = resource.group_version, resource.kind
    new["metadata"] = {
        key: value for key, value in new["metadata"].items() if value not in (None, {}, [])
    }
    if resource.kind == "Secret":
        plain = new.pop("stringData", None) or {}
        encoded = {key: base64.b64encode(str(v).encode()).decode() for key, v in plain.items()}
        new["data"] = {**(new.get("data") or {}), **encoded}
        new.setdefault("type", "Opaque")
    if resource.kind in _DEFAULTS:
        new["spec"] = {**copy.deepcopy(_DEFAULTS[resource.kind]), **new["spec"]}
    return new


def _refuse_stale(new: Manifest, old: Manifest) -> None:
    asked = new["metadata"].get("resourceVersion")
    if asked and asked != old["metadata"]["resourceVersion"]:
        raise kmock.KubernetesError(
            status=409, reason=_CONFLICT, message="the object has been modified"
        )


def _result(request: kmock.Request) -> Manifest:
    """Answer a dry run: the object as it would be."""
    match request.data:
        case [{"value": value}]:
            return cast("Manifest", value)
        case Mapping() as new:
            return dict(new)
        case _:
            return {"kind": "Status", "apiVersion": "v1", "status": "Success"}


def _selected(item: Manifest, params: Mapping[str, str]) -> bool:
    """Apply `labelSelector` (=, ==, !=, exists) and `fieldSelector` (=, ==, !=)."""
    labels = item["metadata"].get("labels") or {}
    terms = [term for term in params.get("labelSelector", "").split(",") if term]
    fields = [term for term in params.get("fieldSelector", "").split(",") if term]
    return all(_matches(term, labels.get) for term in terms) and all(
        _matches(term, lambda path: _field(item, path)) for term in fields
    )


def _matches(term: str, value_of: Callable[[str], object]) -> bool:
    for operator, wanted in (("!=", False), ("==", True), ("=", True)):
        name, found, value = term.partition(operator)
        if found:
            return (value_of(name.strip()) == value.strip()) is wanted
    if term.startswith("!"):
        return value_of(term[1:].strip()) is None
    return value_of(term.strip()) is not None


def _field(item: Any, path: str) -> object:
    for part in path.split("."):
        item = item.get(part) if isinstance(item, Mapping) else None
    return cast("object", item)


def _allowed(resource: Resource, asked: Any) -> Manifest:
    """There is no authorization here: every review says so."""
    reason = "the embedded cluster allows everything"
    if resource.kind == "SelfSubjectAccessReview":
        status: Manifest = {"allowed": True, "reason": reason}
    else:
        rule = {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}
        status = {"resourceRules": [rule], "nonResourceRules": [], "incomplete": False}
    return {
        "apiVersion": resource.group_version,
        "kind": resource.kind,
        "metadata": {},
        "spec": (asked or {}).get("spec", {}),
        "status": status,
    }
