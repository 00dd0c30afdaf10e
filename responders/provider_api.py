"""
One provider, asked to revoke a token, and whether one still lives.

What to ask and how to read the answer is data (`provider.py`); how it is sent is `http_calls.py`.
The kind of token is told by its beginning, in memory.
"""

import httpx

from graph.connections import Connections
from graph.errors import BadInputError, RefusedError
from graph.secret_value import SecretValue
from responders.http_calls import Call, dig, json_of, not_taken, require_tls, send
from responders.probing import Answer
from responders.provider import ProviderCall, Shape, TokenKind, provider


class ProviderApi:
    """
    A provider at its address, or at the one that the configuration names.

    Raises:
        NotFoundError: no such provider. RefusedError: its address is not https.
    """

    def __init__(self, name: str, connections: Connections) -> None:
        self._provider = provider(name)
        self.title = self._provider.title
        self._base_url = connections.provider_url(name) or self._provider.base_url
        require_tls(f"The provider {name}", self._base_url, f"providers.{name}.base_url")

    def kind_of(self, token: SecretValue) -> TokenKind:
        """
        Tell what kind of token it is.

        Raises:
            BadInputError: none of the known ones.
        """
        text = token.reveal().strip()
        for kind in self._provider.kinds:
            if not kind.prefixes or text.startswith(kind.prefixes):
                return kind
        known = ", ".join(prefix for kind in self._provider.kinds for prefix in kind.prefixes)
        raise BadInputError(
            f"The value in the store is no token of {self.title}: those begin with {known}.",
            means="Nothing was sent anywhere.",
            do_now="Check the field's name, or revoke it by hand and skip this step.",
        )

    def revoke(self, token: SecretValue) -> str:
        """
        Have a token revoked; return "taken" or "gone" (it is not known there any more).

        Raises:
            RefusedError: the provider offers no way. UnavailableError, AccessDeniedError,
            BadInputError: it did not take it.
        """
        kind = self.kind_of(token)
        if kind.revoke is None:
            raise RefusedError(
                f"{self.title} has no documented way to revoke a {kind.title} from outside.",
                means="Nothing was revoked.",
                do_now=kind.by_hand,
            )
        answer = self._send(kind.revoke, token)
        if _fits(answer, kind.revoke.taken):
            return "taken"
        if _fits(answer, kind.revoke.gone):
            return "gone"
        raise not_taken(
            answer,
            who=self.title,
            doing=f"revoke a {kind.title}",
            denied_do_now=kind.by_hand,
            do_now=kind.by_hand,
        )

    def probe(self, token: SecretValue) -> Answer:
        """Use a token in a harmless call; raises UnavailableError when there is no answer."""
        kind = self.kind_of(token)
        if kind.probe is None:
            return Answer(None, f"{self.title} offers no harmless call to try a {kind.title} with")
        answer = self._send(kind.probe, token)
        status = answer.status_code
        if _fits(answer, kind.probe.refused):
            return Answer(accepted=False, sentence=f"it was refused with {status}")
        if _fits(answer, kind.probe.accepted):
            return Answer(accepted=True, sentence=f"it was accepted with {status}")
        return Answer(None, f"the answer {status} proves neither life nor death")

    def _send(self, call: ProviderCall, token: SecretValue) -> httpx.Response:
        return send(
            Call(call.method, call.path, call.headers, body=call.body, form=call.form),
            base_url=self._base_url,
            values={"token": SecretValue(token.reveal().strip())},
            who=self.title,
        )


def _fits(answer: httpx.Response, shapes: tuple[Shape, ...]) -> bool:
    body = json_of(answer)
    return any(
        shape.fits(answer.status_code, {path: dig(body, path) for path in shape.json_has})
        for shape in shapes
    )
