"""
The seam to Kubernetes: plain objects over HTTP, and the API server's refusals in our words.

Generated model classes cost an import of seconds and a second copy of each object, and
`str(ApiException)` contains the body; so only the `kubernetes` package's knowledge of kubeconfigs
and credentials is used (its `ApiClient` and connection pool), and bodies are read once by orjson.
Which paths to read is the callers' business.
"""

import re
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

import orjson
import urllib3

from graph.errors import (
    AccessDeniedError,
    BadInputError,
    ConflictError,
    LocksmithError,
    NotFoundError,
    UnavailableError,
)

if TYPE_CHECKING:
    from kubernetes.client import ApiClient

MERGE_PATCH = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"

Json = dict[str, Any]
Body = Json | list[Json]
Query = str | int | bool

_PAGE = 500  # the size that kubectl uses
_TIMEOUT = urllib3.Timeout(connect=5.0, read=60.0)
# No automatic redirects, no sleeping on Retry-After: whether to try again is the caller's decision.
_RETRIES = urllib3.Retry(
    total=2, connect=2, read=0, redirect=0, status=0, other=0, respect_retry_after_header=False
)
_DISCOVERY_LIFE = 60.0  # seconds: a CRD may be installed while the bot runs
_REASON = re.compile(r"[A-Za-z]{1,40}")  # a Status reason is one word; anything else may be a body
_RESOURCE_PATH = re.compile(
    r"/(?:api|apis/(?P<group>[^/]+))/(?P<version>[^/]+)"
    r"(?:/namespaces/(?P<namespace>[^/]+))?(?:/(?P<plural>[^/]+))?"
    r"(?:/(?P<name>[^/]+))?(?:/(?P<subresource>.+))?"
)
_CONFLICTS = {HTTPStatus.CONFLICT, HTTPStatus.GONE, HTTPStatus.PRECONDITION_FAILED}
_VERBS = {"GET": "get", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}


@dataclass(frozen=True, slots=True)
class Resource:
    """One kind of object as the cluster serves it; `version` is the group's preferred one."""

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool
    verbs: tuple[str, ...]


class KubernetesApi:
    """
    A thin, thread-safe client of one cluster.

    Every method raises AccessDeniedError (401, 403), NotFoundError (404), ConflictError (409, 410,
    412), BadInputError (400, 422 and the like) or UnavailableError (429, 5xx, network, timeout).
    """

    def __init__(self, cluster: str, client: "ApiClient") -> None:
        self.cluster = cluster
        self._client = client
        self._pool = client.rest_client.pool_manager
        self._lock = threading.Lock()
        self._served: Mapping[tuple[str, str], Resource] = MappingProxyType({})
        self._served_at = float("-inf")
        self.undiscovered: tuple[str, ...] = ()  # group versions that did not answer discovery

    @property
    def address(self) -> str:
        """Where the API server answers, as the kubeconfig says it."""
        return str(self._client.configuration.host)

    def get(self, path: str, **query: Query) -> Json:
        """Read one object: `get("/api/v1/namespaces/payments/secrets/db")`."""
        return self._call("GET", path, query)

    def list(self, path: str, **query: Query) -> Iterator[Json]:
        """
        Yield the objects of a collection, page by page.

        `kind` and `apiVersion`, which the server leaves out of list items, are filled in. A list
        that expires between two pages raises ConflictError: start again.
        """
        for page in self.pages(path, **query):
            kind = str(page.get("kind", "")).removesuffix("List")
            api_version = page.get("apiVersion", "")
            for item in page.get("items") or ():
                item.setdefault("kind", kind)
                item.setdefault("apiVersion", api_version)
                yield item

    def pages(self, path: str, **query: Query) -> Iterator[Json]:
        """Yield a collection as the List objects that it comes in; see `list`."""
        asked: dict[str, Query] = {"limit": _PAGE, **query}
        while True:
            page = self._call("GET", path, asked, verb="list")
            yield page
            following = (page.get("metadata") or {}).get("continue")
            if not following:
                return
            asked["continue"] = following

    @contextmanager
    def watch(
        self, path: str, *, inactivity_seconds: float, **query: Query
    ) -> Iterator[urllib3.BaseHTTPResponse]:
        """
        Open a watch on a collection; `read_events` reads it, `shutdown()` ends a read from outside.

        Silence for `inactivity_seconds` and a broken connection are UnavailableError, there too.
        """
        timeout = urllib3.Timeout(connect=_TIMEOUT.connect_timeout, read=inactivity_seconds)
        try:
            answer = self._pool.request(
                "GET",
                self._url(path, {"watch": True, **query}),
                headers=self._headers(),
                timeout=timeout,
                retries=_RETRIES,
                preload_content=False,
            )
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise self._unreachable(error, "watch", path) from None
        try:
            if answer.status != HTTPStatus.OK:
                raise self._refusal(answer, "watch", path)
            yield answer
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise self._unreachable(error, "watch", path) from None
        finally:
            answer.close()  # its connection still carries the stream: of no use to others

    def patch(self, path: str, body: Body, content_type: str = MERGE_PATCH, **query: Query) -> Json:
        return self._call("PATCH", path, query, body=body, content_type=content_type)

    def post(self, path: str, body: Json, **query: Query) -> Json:
        return self._call("POST", path, query, body=body)

    def put(self, path: str, body: Json, **query: Query) -> Json:
        return self._call("PUT", path, query, body=body)

    def delete(self, path: str, body: Json | None = None, **query: Query) -> Json:
        return self._call("DELETE", path, query, body=body)

    def close(self) -> None:
        self._pool.clear()

    def served(self) -> Mapping[tuple[str, str], Resource]:
        """Return what the cluster serves, by (group, plural); the core group is ""."""
        with self._lock:
            if time.monotonic() - self._served_at > _DISCOVERY_LIFE:
                self._served = MappingProxyType(self._discover())
                self._served_at = time.monotonic()
            return self._served

    def rediscover(self) -> Mapping[tuple[str, str], Resource]:
        """Ask the cluster anew what it serves."""
        with self._lock:
            self._served_at = float("-inf")
        return self.served()

    def resource(self, name: str, group: str) -> Resource | None:
        """Find a resource by plural or kind ("deployments", "Deployment"); None: not served."""
        served = self.served()
        by_plural = served.get((group, name))
        if by_plural is not None:
            return by_plural
        return next((r for r in served.values() if r.group == group and r.kind == name), None)

    def resource_path(
        self, name: str, group: str, *, namespace: str = "", item: str = ""
    ) -> str | None:
        """
        Build the path of a collection or, with `item`, of one object; None if it is not served.

        Without a namespace a namespaced resource is listed over all namespaces.
        """
        found = self.resource(name, group)
        if found is None:
            return None
        path = f"/apis/{found.group}/{found.version}" if found.group else f"/api/{found.version}"
        if namespace and found.namespaced:
            path += f"/namespaces/{quote(namespace, safe='')}"
        path += f"/{found.plural}"
        return f"{path}/{quote(item, safe='')}" if item else path

    def _discover(self) -> dict[tuple[str, str], Resource]:
        versions = [("", str(version)) for version in self.get("/api").get("versions") or ()]
        for group in self.get("/apis").get("groups") or ():
            preferred = (group.get("preferredVersion") or {}).get("version")
            offered = [entry["version"] for entry in group.get("versions") or ()]
            first = [version for version in offered if version == preferred]
            others = [version for version in offered if version != preferred]
            versions += [(group["name"], version) for version in first + others]
        served: dict[tuple[str, str], Resource] = {}
        silent: list[str] = []
        for group_name, version in versions:
            root = f"/apis/{group_name}/{version}" if group_name else f"/api/{version}"
            try:
                found = self.get(root)
            except (UnavailableError, NotFoundError):
                # An aggregated API whose server is down must not hide the others.
                silent.append(f"{group_name}/{version}" if group_name else version)
                continue
            for entry in found.get("resources") or ():
                if "/" in entry["name"]:
                    continue
                served.setdefault(
                    (group_name, entry["name"]),
                    Resource(
                        group=group_name,
                        version=version,
                        plural=entry["name"],
                        kind=entry["kind"],
                        namespaced=bool(entry.get("namespaced")),
                        verbs=tuple(entry.get("verbs") or ()),
                    ),
                )
        self.undiscovered = tuple(silent)
        return served

    def _call(
        self,
        method: str,
        path: str,
        query: Mapping[str, Query],
        *,
        body: Body | None = None,
        content_type: str = "application/json",
        verb: str = "",
    ) -> Json:
        verb = verb or _VERBS[method]
        headers = self._headers()
        if body is not None:
            headers["Content-Type"] = content_type
        try:
            answer = self._pool.request(
                method,
                self._url(path, query),
                body=None if body is None else orjson.dumps(body),
                headers=headers,
                timeout=_TIMEOUT,
                retries=_RETRIES,
            )
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise self._unreachable(error, verb, path) from None
        if not HTTPStatus.OK <= answer.status < HTTPStatus.MULTIPLE_CHOICES:
            raise self._refusal(answer, verb, path)
        try:
            parsed = orjson.loads(answer.data) if answer.data else {}
        except orjson.JSONDecodeError:
            parsed = None
        if not isinstance(parsed, dict):
            raise UnavailableError(
                f"{self._could_not(verb, path)}the answer is not an object of the Kubernetes API.",
                do_now="Check that the kubeconfig's server is the API server, not a proxy's page.",
            )
        return parsed

    def _url(self, path: str, query: Mapping[str, Query]) -> str:
        url = f"{self._client.configuration.host}{path}"
        if query:
            url += "?" + urlencode({key: _plain(value) for key, value in query.items()})
        return url

    def _headers(self) -> dict[str, str]:
        headers = {"Accept": "application/json", "User-Agent": "locksmith"}
        return headers | {
            setting["key"]: setting["value"]
            for setting in self._client.configuration.auth_settings().values()
        }

    def _could_not(self, verb: str, path: str) -> str:
        return f"Could not {verb} {path} in cluster {self.cluster}: "

    def _unreachable(self, error: Exception, verb: str, path: str) -> LocksmithError:
        cause = getattr(error, "reason", error)
        happened = self._could_not(verb, path)
        if isinstance(cause, urllib3.exceptions.SSLError):
            return UnavailableError(
                f"{happened}its TLS certificate is not trusted.",
                do_now="Set certificate-authority in the kubeconfig to the cluster's authority.",
            )
        if isinstance(cause, urllib3.exceptions.ReadTimeoutError):
            return UnavailableError(f"{happened}it did not answer in time.")
        return UnavailableError(
            f"{happened}no connection to the API server.",
            do_now="Check the kubeconfig's server address and the network.",
        )

    def _refusal(self, answer: urllib3.BaseHTTPResponse, verb: str, path: str) -> LocksmithError:
        status = answer.status
        reason = _reason(answer.data)
        happened = f"{self._could_not(verb, path)}the API server answered {status}"
        happened += f" {reason}." if reason else "."
        if status == HTTPStatus.UNAUTHORIZED:
            return AccessDeniedError(
                happened,
                means="The cluster does not accept the bot's credentials.",
                do_now="Renew the token or client certificate in the kubeconfig.",
            )
        if status == HTTPStatus.FORBIDDEN:
            return AccessDeniedError(
                happened,
                means="The bot's user lacks the permission.",
                do_now=f"Grant it: {what_to_grant(verb, path)}.",
            )
        if status == HTTPStatus.NOT_FOUND:
            return NotFoundError(happened)
        if status in _CONFLICTS:
            return ConflictError(happened, do_now="Read the current state and decide again.")
        if status == HTTPStatus.TOO_MANY_REQUESTS or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            after = answer.headers.get("Retry-After", "")
            return UnavailableError(happened, retry_after=float(after) if after.isdigit() else None)
        return BadInputError(happened)


def what_to_grant(verb: str, path: str) -> str:
    """Describe the RBAC rule that a refused call needs, in words that fit a Role."""
    found = _RESOURCE_PATH.fullmatch(path)
    if found is None or not (found["plural"] or found["namespace"]):
        return f'verb "{verb}" on nonResourceURL "{path}"'
    group = f'of apiGroup "{found["group"] or ""}"'
    if not found["plural"]:  # the namespace is itself what was called
        return f'verb "{verb}" on resource "namespaces" {group}'
    plural = found["plural"] + (f"/{found['subresource']}" if found["subresource"] else "")
    where = f"in namespace {found['namespace']}" if found["namespace"] else "in all namespaces"
    return f'verb "{verb}" on resource "{plural}" {group} {where}'


def _plain(value: Query) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _reason(data: bytes) -> str:
    """Take the one-word reason of a Status; its message may quote the object, so it stays."""
    try:
        status = orjson.loads(data)
    except orjson.JSONDecodeError:
        return ""
    reason = status.get("reason") if isinstance(status, dict) else None
    return reason if isinstance(reason, str) and _REASON.fullmatch(reason) else ""
