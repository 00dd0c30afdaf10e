"""
Tokens of providers, on stand-ins of them: revoked by a call, ended by a person, or lying nowhere.

The orders alternate, so that both are killed with people acting early and late.
"""

from collections.abc import Iterator
from typing import Any, ClassVar
from urllib.parse import urlsplit

import httpx

from responders.provider import load_providers
from tests.crashes.kv_places import ByHand, HttpToken, Unknown
from tests.crashes.place import SECRET, Place


class ProviderToken(Place):
    """A token in KV; whoever replaces it or ends it by hand does so once."""

    kind: ClassVar[str]  # what the stand-in calls it

    def prepare(self) -> None:
        self.value, self.new = self._make(), self._make()
        self.keep({"token": self.value})

    def config(self) -> dict[str, Any]:
        towns = {name: f"{self.town.providers}/{name}" for name in load_providers()}
        return {"providers": {name: {"base_url": address} for name, address in towns.items()}}

    def by_hand(self, step_id: str) -> None:
        if step_id.startswith("replace") and len(self.versions()) == 1:
            self.vault.put(SECRET, token=self.new)
        if step_id == "revoke":
            self._ask("POST", "kill", self.value)

    def wrongs(self) -> Iterator[str]:
        yield from self.replaced_once()
        if self._ask("GET", "live", self.value)["live"]:
            yield "lost: the provider takes the leaked token"
        if not self._ask("GET", "live", self.new)["live"]:
            yield "lost: the provider refuses the new token"

    def _make(self) -> str:
        return str(self._ask("POST", f"make/{self.kind}")["token"])

    def _ask(self, method: str, what: str, token: str = "") -> dict[str, Any]:
        where = f"{self.town.providers}/town/{what}"
        headers = {"Authorization": f"Bearer {token or 'nobody'}"}
        answer = httpx.request(method, where, headers=headers, trust_env=False)
        found: dict[str, Any] = answer.json()
        return found


class GithubToken(ProviderToken):
    playbook, order, detector, kind = "github-token", "rotate-first", "github-pat", "github"


class GithubAppToken(ProviderToken):
    playbook, order = "github-app-token", "revoke-first"
    detector, kind = "github-app-token", "github-app"


class GitlabToken(ProviderToken):
    playbook, order, detector, kind = "gitlab-token", "rotate-first", "gitlab-pat", "gitlab"


class SlackToken(ProviderToken):
    playbook, order, detector, kind = "slack-token", "revoke-first", "slack-bot-token", "slack"


class BuildkiteToken(ProviderToken):
    playbook, order = "buildkite-token", "rotate-first"
    detector, kind = "buildkite-user-access-token", "buildkite"


class NpmToken(ProviderToken):
    playbook, order, detector, kind = "npm-token", "rotate-first", "npmjsaccesstoken", "npm"


class StripeKey(ProviderToken):
    playbook, order, detector, kind = "stripe-key", "revoke-first", "stripe-access-token", "stripe"


class OpenaiKey(ProviderToken):
    playbook, order, detector, kind = "openai-key", "rotate-first", "openai-api-key", "openai"


class SendgridKey(ProviderToken):
    playbook, order, detector, kind = "sendgrid-key", "revoke-first", "sendgrid", "sendgrid"


class HuggingfaceToken(ProviderToken):
    playbook, order = "huggingface-token", "rotate-first"
    detector, kind = "huggingface-access-token", "huggingface"


class PypiToken(ByHand):
    """PyPI tells nobody whether a token lives: people do all but the destruction in the store."""

    playbook, order, detector = "pypi-token", "revoke-first", "pypi-upload-token"


class AwsKeyByHand(Unknown):
    playbook, order, detector = "aws-access-key-by-hand", "rotate-first", "aws-access-token"


class DescribedApi(HttpToken):
    """A service that one described call revokes at; the admin's token lies in KV."""

    playbook, order = "http-described-api", "rotate-first"

    def prepare(self) -> None:
        address, admin = self.issuer
        self.value, self.new = (self._call("POST", "/v1/tokens").json()["token"] for _ in range(2))
        self.before = self._active()
        self.vault.put("ops/tickets", admin=admin)
        self.keep(
            {"token": self.value},
            playbook=self.playbook,
            playbook_revoke_url=f"{address}/v1/tokens/revoke",
            playbook_try_url=f"{address}/v1/account",
            playbook_admin=f"vault://main/{self.key}/ops/tickets#admin",
        )

    def config(self) -> dict[str, Any]:
        return {"http": {"hosts": [urlsplit(self.issuer[0]).netloc]}}

    def by_hand(self, step_id: str) -> None:
        if step_id.startswith("replace") and len(self.versions()) == 1:
            self.vault.put(SECRET, token=self.new)
