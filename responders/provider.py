"""
Providers: how GitHub, GitLab, Slack … revoke a token and say whether it still lives, as data.

One YAML file for each in `responders/providers/`, with the address of the documentation that it
follows. A revocation over HTTP that its provider documents needs no code; where there is none,
`by_hand` tells a person what to do. `steps/provider_token.py` makes the calls. Pure.

Source: the habit of https://github.com/mongodb/kingfisher to keep request, matcher and reference
together, and a reason where nothing can be done.
"""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from graph import yaml_text
from graph.errors import BadInputError, NotFoundError

FOLDER = Path(__file__).parent / "providers"

Scalar = str | int | bool


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Shape(_Strict):
    """What an answer looks like: one of `status`, and every dotted path of `json_has` as listed."""

    status: tuple[int, ...] = Field(min_length=1)
    json_has: dict[str, Scalar | tuple[Scalar, ...]] = Field(default_factory=dict)

    def fits(self, status: int, at: Mapping[str, object]) -> bool:
        """Compare; `at` holds what the answer has at the paths of `json_has`."""
        return status in self.status and all(
            at.get(path) in (wanted if isinstance(wanted, tuple) else (wanted,))
            for path, wanted in self.json_has.items()
        )


class ProviderCall(_Strict):
    """A request; `{token}` stands in headers, body or form."""

    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
    path: str = Field(pattern=r"^/[^{}]*$")  # nothing is filled into a URL
    headers: dict[str, str] = Field(default_factory=dict)
    body: dict[str, Any] | None = None
    form: dict[str, str] | None = None


class Revocation(ProviderCall):
    """`taken`: the provider says that it is or will be dead; `gone`: it knows no such token."""

    taken: tuple[Shape, ...] = Field(min_length=1)
    gone: tuple[Shape, ...] = ()


class Probe(ProviderCall):
    """`accepted` proves life, `refused` proves death; every other answer proves nothing."""

    accepted: tuple[Shape, ...] = Field(min_length=1)
    refused: tuple[Shape, ...] = Field(min_length=1)


class TokenKind(_Strict):
    """
    Tokens that begin with one of `prefixes` (none: any).

    `dead_within_seconds` is how long the provider says a revocation may take. `note` is what a
    revocation does beside that. Without `revoke` or `probe` a person goes by `by_hand`.
    """

    title: str = Field(min_length=1)
    prefixes: tuple[str, ...] = ()
    by_hand: str = Field(min_length=1)
    note: str = ""
    revoke: Revocation | None = None
    probe: Probe | None = None
    dead_within_seconds: float = Field(default=0.0, ge=0)


class Provider(_Strict):
    """One provider; `base_url` can be set anew in the configuration, for servers of your own."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_-]*$")
    title: str = Field(min_length=1)
    source: tuple[str, ...] = Field(min_length=1)
    base_url: str = Field(pattern=r"^https://")
    kinds: tuple[TokenKind, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _every_kind_can_be_reached(self) -> Self:
        anything = [kind for kind in self.kinds if not kind.prefixes]
        if anything and self.kinds[-1] is not anything[0]:
            raise ValueError("a kind without prefixes takes every token: let it be the last")
        return self


@cache
def load_providers(folder: Path = FOLDER) -> Mapping[str, Provider]:
    """
    Read the providers.

    Raises:
        BadInputError: a file is none; it is named.
    """
    found = {}
    for file in sorted(folder.glob("*.yaml")):
        try:
            provider = Provider.model_validate(yaml_text.load(file.read_text(encoding="utf-8")))
        except (yaml.YAMLError, ValidationError) as error:
            raise BadInputError(
                f"{file} is no provider: {error}", do_now="Mend the file."
            ) from None
        if provider.name != file.stem:
            raise BadInputError(f"{file} names its provider {provider.name}: let both be the same.")
        found[provider.name] = provider
    return found


def provider(name: str) -> Provider:
    """
    Give one by its name.

    Raises:
        NotFoundError: there is none.
    """
    found = load_providers().get(name)
    if found is None:
        raise NotFoundError(
            f"No provider is called “{name}”.", do_now=f"Known are: {', '.join(load_providers())}."
        )
    return found
