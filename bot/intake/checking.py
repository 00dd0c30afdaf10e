"""
Whether a reported credential is alive: asked on request only, where the configuration allows it.

First those who are configured as issuers of the secrets that it matches, by their harmless call;
then Kingfisher's calls. What comes out is one of four words, with who was asked and when.
"""

from collections.abc import Callable, Sequence
from datetime import datetime

from graph.connections import Connections
from graph.endpoints import LiveChecks
from graph.errors import LocksmithError, RefusedError
from graph.model import Match
from graph.secret_value import SecretValue
from graph.snapshot import Snapshot
from graph.validity import Checked, Validity, check
from responders.issuers import HttpIssuer


class Checking:
    """Asks issuers, for one report."""

    def __init__(
        self,
        settings: LiveChecks,
        connections: Connections,
        snapshot: Callable[[], Snapshot],
        clock: Callable[[], datetime],
    ) -> None:
        self._settings = settings
        self._connections = connections
        self._snapshot = snapshot
        self._clock = clock

    def require(self) -> None:
        """Refuse where the configuration does not allow it."""
        if self._settings.live_checks == "off":
            raise RefusedError(
                "Asking issuers whether a value is alive is switched off.",
                means="The value would be shown to somebody outside. Nothing was reported.",
                do_now="Report without --validate, or set detection.live_checks to ask, and the "
                "hosts that may be asked.",
            )

    def of(self, value: SecretValue, matches: Sequence[Match], *, around: str) -> Checked:
        """Ask the configured issuer of a secret that holds it, else the rule's own call."""
        for issuer in dict.fromkeys(self._issuers(matches)):
            return self._probe(issuer, value)
        return check(value, around=around, settings=self._settings, now=self._clock)

    def _issuers(self, matches: Sequence[Match]) -> list[str]:
        snapshot = self._snapshot()
        nodes = [snapshot.node(match.secret) for match in matches]
        named = [str(node.attributes.get("issuer") or "") for node in nodes if node is not None]
        return [name for name in named if name in self._connections.issuer_names]

    def _probe(self, name: str, value: SecretValue) -> Checked:
        try:
            answer = HttpIssuer(name, self._connections).probe(value)
        except LocksmithError as error:
            return Checked(Validity.CHECK_FAILED, error.happened, self._clock())
        validity = {True: Validity.ACTIVE, False: Validity.INACTIVE, None: Validity.CHECK_FAILED}
        return Checked(validity[answer.accepted], answer.sentence.rstrip("."), self._clock())
