"""
A cluster's API as its cache remembers it, so that every collector is live without knowing.

A collector lists collections and makes rows of what it reads. Given this view it does the same with
remembered objects, and what it asked for is what has to be followed on its behalf. With a `scope`
the view shows one namespace only (and its Namespace), for collectors whose rows of a namespace
depend on nothing outside of it.
"""

from collections.abc import Iterator, Mapping
from typing import cast
from urllib.parse import urlencode

from graph.errors import UnavailableError
from graph.fields import Object
from graph.kubernetes_api import Json, KubernetesApi, Query, Resource
from graph.live.cluster_cache import WHOLE, ClusterCache

Served = Mapping[tuple[str, str], Resource]


class CachedApi(KubernetesApi):
    """
    Lists from the cache; everything else goes to the cluster itself.

    `asked` are the collections that were listed; `unread` those of them that nobody has tried to
    read so far.
    """

    def __init__(
        self,
        api: KubernetesApi,
        cache: ClusterCache,
        *,
        served: Served,
        scope: str = WHOLE,
    ) -> None:
        super().__init__(api.cluster, api._client)  # noqa: SLF001 - the same client, of the same class
        self.undiscovered = api.undiscovered
        self._cache = cache
        self._known = served
        self._scope = scope
        self.asked: set[str] = set()
        self.unread: set[str] = set()

    def served(self) -> Served:
        return self._known

    def list(self, path: str, **query: Query) -> Iterator[Json]:
        """
        Yield the remembered objects.

        Raises:
            LocksmithError: what reading the collection met, where it was never read.
        """
        key = f"{path}?{urlencode(sorted(query.items()))}" if query else path
        self.asked.add(key)
        state = self._cache.state(key)
        if not state.settled:
            self.unread.add(key)
            raise UnavailableError(
                f"The first look at {path} in cluster {self.cluster} is not finished."
            )
        if state.good_at is None and state.error is not None:
            raise state.error
        objects: Iterator[Object] = self._cache.objects(key, self._scope)
        yield from (cast("Json", obj) for obj in objects)
