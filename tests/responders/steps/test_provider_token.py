"""Tokens of the providers that everybody knows: revoked over HTTP, seen refused; and what fails."""

import json

import pytest

from graph.errors import AccessDeniedError, BadInputError, RefusedError, UnavailableError
from responders.provider import load_providers
from responders.step import StepContext, VerdictKind
from responders.steps.provider_token import ConfirmDead, Revoke, TokenSettings
from tests.responders.steps.parts import Passed, Store, context, proxy
from tests.servers.providers import Providers

PATH = "ci/token"
REVOKED = {"github": "github", "github-app": "github", "gitlab": "gitlab", "slack": "slack",
           "buildkite": "buildkite"}  # fmt: skip
PROBED = ("npm", "stripe", "openai", "sendgrid", "huggingface")


def settings(store: Store, provider: str, version: int = 1) -> TokenSettings:
    return TokenSettings(provider=provider, secret=store.ref(PATH), field="token", version=version)


def asking(store: Store, providers: Providers, seconds: float = 30.0) -> StepContext:
    there = {name: providers.address_of(name) for name in load_providers()}
    return context(store.connections(providers=there), seconds=seconds)


@pytest.mark.parametrize("kind", REVOKED)
def test_a_token_is_revoked_and_seen_refused_while_the_next_one_lives(
    store: Store, providers: Providers, kind: str
) -> None:
    old, new = providers.make(kind), providers.make(kind)
    store.put(PATH, token=old)
    store.put(PATH, token=new)
    given, asked = asking(store, providers), settings(store, REVOKED[kind])
    receipt = Revoke().apply(asked, given)
    assert not providers.live(old)
    assert providers.live(new)
    verdict = Revoke().verify(asked, receipt, given)
    assert verdict.kind is VerdictKind.CONFIRMED, verdict
    assert verdict.facts["old_value_refused"] is True
    assert "accepts the current one" in verdict.sentence
    again = Revoke().apply(asked, given)
    assert Revoke().verify(asked, again, given).kind is VerdictKind.CONFIRMED
    assert old not in f"{receipt}{verdict}{again}"


@pytest.mark.parametrize("name", PROBED)
def test_what_a_person_revokes_the_provider_proves(
    store: Store, providers: Providers, name: str
) -> None:
    token = providers.make(name)
    store.put(PATH, token=token)
    asked, given = settings(store, name), asking(store, providers)
    with pytest.raises(RefusedError, match="no documented way"):
        Revoke().apply(asked, given)
    assert providers.live(token)
    receipt = ConfirmDead().apply(asked, given)
    early = ConfirmDead().verify(asked, receipt, asking(store, providers, seconds=0.2))
    assert early.kind in {VerdictKind.REFUTED, VerdictKind.UNKNOWN}
    providers.kill(token)
    late = ConfirmDead().verify(asked, receipt, given)
    assert late.kind is VerdictKind.CONFIRMED
    assert late.facts["old_value_refused"] is True


def test_a_provider_that_may_take_an_hour_is_unknown_before_and_not_refuted(
    store: Store, providers: Providers
) -> None:
    store.put(PATH, token=providers.make("npm"))
    given = asking(store, providers, seconds=0.2)
    asked = settings(store, "npm")
    verdict = ConfirmDead().verify(asked, ConfirmDead().apply(asked, given), given)
    assert verdict.kind is VerdictKind.UNKNOWN
    assert "look again later" in str(verdict.facts["do_now"])


def test_a_provider_that_only_claims_it_is_refuted(store: Store, providers: Providers) -> None:
    store.put(PATH, token=providers.make("gitlab"))

    def claim(passed: Passed) -> tuple[int, bytes] | None:
        return (204, b"") if passed.method == "DELETE" else None

    with proxy(providers.address_of("gitlab"), claim) as address:
        given = context(store.connections(providers={"gitlab": address}))
        asked = settings(store, "gitlab")
        verdict = Revoke().verify(asked, Revoke().apply(asked, given), given)
    assert verdict.kind is VerdictKind.REFUTED
    assert verdict.facts["old_value_refused"] is False


def test_a_lost_reply_is_unavailable_and_the_repeat_finds_it_gone(
    store: Store, providers: Providers
) -> None:
    token = providers.make("gitlab")
    store.put(PATH, token=token)
    lost: list[str] = []

    def lose_the_first(passed: Passed) -> tuple[int, bytes] | None:
        if passed.method == "DELETE" and not lost:
            lost.append(passed.path)
            passed.forward()
            return 0, b""
        return None

    with proxy(providers.address_of("gitlab"), lose_the_first) as address:
        given = context(store.connections(providers={"gitlab": address}))
        asked = settings(store, "gitlab")
        with pytest.raises(UnavailableError):
            Revoke().apply(asked, given)
        assert not providers.live(token)
        receipt = Revoke().apply(asked, given)
        assert "knows no such token" in receipt.sentence
        assert Revoke().verify(asked, receipt, given).kind is VerdictKind.CONFIRMED


@pytest.mark.parametrize(
    ("status", "error", "words"),
    [
        (403, AccessDeniedError, "403"),
        (422, BadInputError, "422"),
        (429, UnavailableError, "429"),
        (503, UnavailableError, "503"),
        (302, BadInputError, "302"),
    ],
)
def test_what_a_provider_does_not_take_says_what_a_person_can_do(
    store: Store, providers: Providers, status: int, error: type[Exception], words: str
) -> None:
    token = providers.make("github")
    store.put(PATH, token=token)

    def answer(passed: Passed) -> tuple[int, bytes] | None:
        return (status, json.dumps({"message": token}).encode())

    with proxy(providers.address_of("github"), answer) as address:
        given = context(store.connections(providers={"github": address}))
        with pytest.raises(error, match=words) as raised:
            Revoke().apply(settings(store, "github"), given)
    assert token not in str(raised.value)
    assert providers.live(token)


def test_slacks_invalid_auth_proves_nothing(store: Store, providers: Providers) -> None:
    store.put(PATH, token=providers.make("slack"))

    def not_from_here(passed: Passed) -> tuple[int, bytes] | None:
        return (200, b'{"ok":false,"error":"invalid_auth"}') if "test" in passed.path else None

    with proxy(providers.address_of("slack"), not_from_here) as address:
        given = context(store.connections(providers={"slack": address}))
        asked = settings(store, "slack")
        verdict = Revoke().verify(asked, Revoke().apply(asked, given), given)
    assert verdict.kind is VerdictKind.UNKNOWN


def test_a_value_that_is_no_token_of_this_provider_is_sent_nowhere(
    store: Store, providers: Providers
) -> None:
    store.put(PATH, token="a-password-of-something-else")
    before = len(providers.calls)
    with pytest.raises(BadInputError, match="is no token of GitHub"):
        Revoke().apply(settings(store, "github"), asking(store, providers))
    assert len(providers.calls) == before


def test_a_version_that_was_destroyed_under_us_is_unknown(
    store: Store, providers: Providers
) -> None:
    store.put(PATH, token=providers.make("github"))
    given, asked = asking(store, providers), settings(store, "github")
    receipt = Revoke().apply(asked, given)
    store.root.secrets.kv.v2.destroy_secret_versions(PATH, [1], mount_point=store.mount)
    assert Revoke().verify(asked, receipt, given).kind is VerdictKind.UNKNOWN


def test_no_token_leaves_for_an_address_without_tls(store: Store, providers: Providers) -> None:
    store.put(PATH, token=providers.make("gitlab"))
    plain = store.connections(providers={"gitlab": "http://gitlab.example"})
    with pytest.raises(RefusedError, match="without TLS"):
        Revoke().apply(settings(store, "gitlab"), context(plain))


@pytest.mark.parametrize("name", load_providers())
def test_each_provider_is_tested_here_and_cites_its_documentation(name: str) -> None:
    known = load_providers()[name]
    assert name in {*REVOKED.values(), *PROBED}
    assert all(source.startswith("https://") for source in known.source)
    for kind in known.kinds:
        assert "{token}" not in str(
            [kind.revoke and kind.revoke.path, kind.probe and kind.probe.path]
        )
