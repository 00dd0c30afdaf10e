"""
Lists kinds of objects of a live cluster for its collectors: a refusal is a gap, not an absence.

A kind that the cluster does not serve is nothing to report: Argo Rollouts are not everywhere. API
versions come from discovery, so CronJob is read in whatever version the cluster has.
"""

from collections.abc import Iterator

from graph.connections import Connections
from graph.errors import (
    AccessDeniedError,
    ConflictError,
    LocksmithError,
    NotFoundError,
    UnavailableError,
)
from graph.fields import Object
from graph.gathered import Gathered
from graph.kubernetes.remotes import KnownVault
from graph.kubernetes_api import KubernetesApi


class Listing:
    """Reads one cluster kind by kind and remembers whether anything could be read at all."""

    def __init__(self, api: KubernetesApi, gathered: Gathered) -> None:
        self._api = api
        self._gathered = gathered
        self._first_refusal: LocksmithError | None = None
        self._answered = False

    def objects(self, plural: str, *groups: str, namespace: str = "") -> Iterator[Object]:
        """
        Yield all objects of a kind, from the first of `groups` that the cluster serves.

        An object may come twice where a list expired between two pages and was begun again.
        """
        found = (self._api.resource_path(plural, group, namespace=namespace) for group in groups)
        path = next((one for one in found if one is not None), None)
        if path is None:
            return
        scope = f"{plural} of {namespace}" if namespace else plural
        try:
            yield from self._twice(path)
            self._answered = True
        except NotFoundError:  # a CRD that went away since discovery
            self._answered = True
        except (AccessDeniedError, ConflictError, UnavailableError) as error:
            self._first_refusal = self._first_refusal or error
            reason = f"{error.happened} {error.means}".strip()
            self._gathered.miss(scope, reason, do_now=error.do_now, complete=False)

    def finish(self) -> None:
        """
        Report what discovery could not see.

        Raises:
            AccessDeniedError, ConflictError, UnavailableError: every kind was refused.
        """
        if self._first_refusal is not None and not self._answered:
            raise self._first_refusal
        for version in self._api.undiscovered:
            reason = "Its API server did not answer discovery, so its kinds are not known."
            self._gathered.miss(f"API {version}", reason, complete=False)

    def _twice(self, path: str) -> Iterator[Object]:
        try:
            yield from self._api.list(path)
        except ConflictError:
            yield from self._api.list(path)


def known_vaults(connections: Connections) -> dict[str, KnownVault]:
    """Return the configured vaults by name, for telling which one an object means."""
    return {
        name: KnownVault((settings.address, *settings.aliases), settings.namespace)
        for name in connections.vault_names
        for settings in (connections.vault_settings(name),)
    }
