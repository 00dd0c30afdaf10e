"""
A token of a provider that everybody knows: revoked over its documented API, and seen refused.

Which call revokes, which one tries, and how the answers read, is data in `responders/providers/`:
github, gitlab, slack, buildkite, npm, stripe, openai, sendgrid, huggingface. A provider takes the
token itself, so the step fetches the leaked version from the store, in memory, when it runs. A
token that lies in no store is kept nowhere: a person revokes it, as the playbook says.

`revoke` may run twice: a token that is dead already counts as gone. `confirm_dead` is for providers
without such a call: a person revokes, the provider proves it. Neither believes a "done": the old
value is tried until it is refused twice in a row, for as long as the provider says that a
revocation may take, and the current value, if it is another, has to be accepted.

Neither has a way back: revoked is revoked.

Example::

    provider_token.revoke:
      provider: github
      secret: "vault://main/kv/ci/github"
      field: token
      version: 3
    provider_token.confirm_dead:
      provider: npm
      secret: "vault://main/kv/ci/npm"
      field: token
      version: 3

Source: the `source` of each file in responders/providers/, for instance
https://docs.github.com/en/rest/credentials/revoke
"""

from typing import ClassVar

from pydantic import Field, field_validator

from graph.collector import Permission
from graph.errors import NotFoundError
from responders.kv_versions import READ_VALUES, READ_VERSIONS, KvSecret, digest
from responders.probing import Answer, prove_dead
from responders.provider import provider
from responders.provider_api import ProviderApi
from responders.step import (
    Receipt,
    Step,
    StepContext,
    StepSettings,
    Verdict,
    judged,
)

_OUTSIDE = Permission(
    "provider", "the provider's address is reachable from here", "nothing else: the token speaks"
)


class TokenSettings(StepSettings):
    """`version` is the one that leaked."""

    provider: str
    secret: str
    field: str = Field(min_length=1)
    version: int = Field(ge=1)

    @field_validator("provider")
    @classmethod
    def _known(cls, name: str) -> str:
        try:
            return provider(name).name
        except NotFoundError as error:
            raise ValueError(f"{error.happened} {error.do_now}") from None


class Revoke(Step[TokenSettings]):
    """Has the provider revoke the leaked version's token, and proves that it is refused."""

    name: ClassVar[str] = "provider_token.revoke"
    permissions: ClassVar[tuple[Permission, ...]] = (_OUTSIDE, READ_VERSIONS, READ_VALUES)
    reversible: ClassVar[bool] = False
    final: ClassVar[bool] = True
    Settings = TokenSettings

    def preview(self, settings: TokenSettings) -> str:
        known = provider(settings.provider)
        notes = " ".join(kind.note for kind in known.kinds if kind.note and kind.revoke)
        return (
            f"Has {known.title} revoke the token in version {settings.version} of"
            f" {settings.secret}; whoever still uses it is refused from that moment. {notes}"
        ).strip()

    def targets(self, settings: TokenSettings) -> tuple[str, ...]:
        return (f"issuer:{settings.provider}",)

    def apply(self, settings: TokenSettings, context: StepContext) -> Receipt:
        api = ProviderApi(settings.provider, context.connections)
        secret = KvSecret(settings.secret, context.connections)
        outcome = api.revoke(secret.value(settings.field, version=settings.version))
        what = f"the token in version {settings.version} of {settings.secret}"
        sentence = (
            f"{api.title} took the revocation of {what}."
            if outcome == "taken"
            else f"{api.title} knows no such token (any more): {what}."
        )
        return Receipt(sentence, {"provider": settings.provider, "version": settings.version})

    def verify(self, settings: TokenSettings, receipt: Receipt, context: StepContext) -> Verdict:
        return judged(lambda: _look(settings, context), context)


class ConfirmDead(Step[TokenSettings]):
    """Tries the leaked token at its provider until it is refused; changes nothing."""

    name: ClassVar[str] = "provider_token.confirm_dead"
    permissions: ClassVar[tuple[Permission, ...]] = (_OUTSIDE, READ_VERSIONS, READ_VALUES)
    reversible: ClassVar[bool] = False
    changes_world: ClassVar[bool] = False
    Settings = TokenSettings

    def preview(self, settings: TokenSettings) -> str:
        return (
            f"Tries the token in version {settings.version} of {settings.secret} at"
            f" {provider(settings.provider).title}: it has to be refused."
        )

    def targets(self, settings: TokenSettings) -> tuple[str, ...]:
        return ()

    def apply(self, settings: TokenSettings, context: StepContext) -> Receipt:
        return Receipt(
            f"Nothing to change: {provider(settings.provider).title} is asked.",
            {"provider": settings.provider, "version": settings.version},
        )

    def verify(self, settings: TokenSettings, receipt: Receipt, context: StepContext) -> Verdict:
        return judged(lambda: _look(settings, context), context)


def _look(settings: TokenSettings, context: StepContext) -> Verdict:
    api = ProviderApi(settings.provider, context.connections)
    secret = KvSecret(settings.secret, context.connections)
    leaked = secret.value(settings.field, version=settings.version)
    current = secret.value(settings.field)
    moved = digest(current, context.fingerprinter) != digest(leaked, context.fingerprinter)

    def control() -> Answer:
        return api.probe(current)

    return prove_dead(
        lambda: api.probe(leaked),
        who=api.title,
        context=context,
        within=api.kind_of(leaked).dead_within_seconds,
        control=control if moved else None,
    )
