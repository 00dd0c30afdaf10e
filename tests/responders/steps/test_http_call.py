"""The generic call: sent to a listed host only, with secrets by ref, proven by a second call."""

from typing import Any
from urllib.parse import urlsplit

import pytest
from pydantic import ValidationError

from bot.sandbox.issuer import Paygate
from graph.errors import (
    AccessDeniedError,
    BadInputError,
    NotFoundError,
    RefusedError,
    UnavailableError,
)
from responders.step import Receipt, VerdictKind
from responders.steps.http_call import Send, SendSettings
from tests.responders.steps.parts import Passed, Store, context, proxy


def asked(store: Store, address: str, **changed: Any) -> SendSettings:
    return SendSettings.model_validate(
        {
            "url": f"{address}/v1/tokens/revoke",
            "headers": {"Authorization": "Bearer {admin}"},
            "body": {"token": "{leaked}"},
            "values": {
                "admin": store.ref("ops/paygate#admin"),
                "leaked": store.ref("payments/gateway#token@1"),
            },
            "look": {
                "url": f"{address}/v1/account",
                "headers": {"Authorization": "Bearer {leaked}"},
                "ok": [401],
            },
            "proves_refused": True,
            **changed,
        }
    )


def leak(store: Store, issuer: Paygate) -> str:
    _, value = issuer.issue()
    store.put("payments/gateway", token=value)
    store.put("payments/gateway", token="the-next-one")
    store.put("ops/paygate", admin=issuer.admin_token)
    return value


def test_it_is_sent_with_the_values_of_the_store_and_seen_by_the_second_call(
    store: Store, issuer: Paygate
) -> None:
    value = leak(store, issuer)
    given = context(store.connections(http_hosts=(urlsplit(issuer.address).netloc,)))
    settings = asked(store, issuer.address)
    receipt = Send().apply(settings, given)
    assert not issuer.accepts(value)
    verdict = Send().verify(settings, receipt, given)
    assert verdict.kind is VerdictKind.CONFIRMED
    assert verdict.facts["old_value_refused"] is True
    again = Send().apply(settings, given)
    assert Send().verify(settings, again, given).kind is VerdictKind.CONFIRMED
    said = f"{receipt}{verdict}{again}{Send().preview(settings)}{settings}"
    assert value not in said
    assert issuer.admin_token not in said


@pytest.mark.parametrize("hosts", [(), ("127.0.0.1",), ("api.example",)])
def test_a_host_that_is_not_in_the_list_by_its_exact_name_is_never_called(
    store: Store, issuer: Paygate, hosts: tuple[str, ...]
) -> None:
    value = leak(store, issuer)
    given = context(store.connections(http_hosts=hosts))
    with pytest.raises(RefusedError, match=r"http\.hosts"):
        Send().apply(asked(store, issuer.address), given)
    verdict = Send().verify(asked(store, issuer.address), Receipt(""), given)
    assert verdict.kind is VerdictKind.UNKNOWN
    assert issuer.accepts(value)


def test_a_listed_host_without_tls_is_refused(store: Store, issuer: Paygate) -> None:
    leak(store, issuer)
    given = context(store.connections(http_hosts=("api.example",)))
    with pytest.raises(RefusedError, match="without TLS"):
        Send().apply(asked(store, "http://api.example"), given)


@pytest.mark.parametrize(
    "changed",
    [
        {"url": "https://api.example/keys/{leaked}"},
        {"url": "https://user@{leaked}.example/"},
        {"url": "ftp://api.example/"},
        {"values": {"leaked": "plain-text-in-a-playbook"}},
        {"values": {"leaked": "vault://main/kv/x#token@0"}},
        {"look": None},
    ],
)
def test_what_would_spill_or_prove_nothing_is_refused_when_it_is_planned(
    store: Store, changed: dict[str, Any]
) -> None:
    with pytest.raises(ValidationError):
        asked(store, "https://api.example", **changed)


def test_a_redirect_carries_nothing_elsewhere(store: Store, issuer: Paygate) -> None:
    leak(store, issuer)
    seen: list[str] = []

    def redirect(passed: Passed) -> tuple[int, bytes] | None:
        seen.append(passed.path)
        return 307, b"{}"

    with proxy(issuer.address, redirect) as address:
        given = context(store.connections(http_hosts=(urlsplit(address).netloc,)))
        with pytest.raises(BadInputError, match="307"):
            Send().apply(asked(store, address), given)
    assert seen == ["/v1/tokens/revoke"]


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (403, AccessDeniedError),
        (404, BadInputError),
        (500, UnavailableError),
        (0, UnavailableError),
    ],
)
def test_each_refusal_has_its_own_error(
    store: Store, issuer: Paygate, status: int, error: type[Exception]
) -> None:
    value = leak(store, issuer)
    with proxy(issuer.address, lambda _: (status, value.encode())) as address:
        given = context(store.connections(http_hosts=(urlsplit(address).netloc,)))
        with pytest.raises(error) as raised:
            Send().apply(asked(store, address), given)
    assert value not in str(raised.value)


@pytest.mark.parametrize(
    ("status", "kind"),
    [(200, VerdictKind.REFUTED), (503, VerdictKind.UNKNOWN), (0, VerdictKind.UNKNOWN)],
)
def test_a_success_that_the_second_call_does_not_see_is_not_believed(
    store: Store, issuer: Paygate, status: int, kind: VerdictKind
) -> None:
    leak(store, issuer)

    def lie(passed: Passed) -> tuple[int, bytes] | None:
        return (200, b"{}") if passed.method == "POST" else (status, b"{}")

    with proxy(issuer.address, lie) as address:
        given = context(store.connections(http_hosts=(urlsplit(address).netloc,)), seconds=2.0)
        settings = asked(store, address)
        verdict = Send().verify(settings, Send().apply(settings, given), given)
    assert verdict.kind is kind


def test_without_a_second_call_a_person_is_asked(store: Store, issuer: Paygate) -> None:
    leak(store, issuer)
    given = context(store.connections(http_hosts=(urlsplit(issuer.address).netloc,)))
    settings = asked(store, issuer.address, look=None, proves_refused=False)
    verdict = Send().verify(settings, Send().apply(settings, given), given)
    assert verdict.kind is VerdictKind.UNKNOWN


def test_a_value_that_is_gone_from_its_store_is_told(store: Store, issuer: Paygate) -> None:
    leak(store, issuer)
    store.root.secrets.kv.v2.destroy_secret_versions(
        "payments/gateway", [1], mount_point=store.mount
    )
    given = context(store.connections(http_hosts=(urlsplit(issuer.address).netloc,)))
    with pytest.raises(NotFoundError):
        Send().apply(asked(store, issuer.address), given)
