import re

import httpx
import pytest

from bot.sandbox.issuer import TOKEN_PATTERN, Paygate


def _call(
    issuer: Paygate, method: str, path: str, token: str, body: object = None
) -> httpx.Response:
    return httpx.request(
        method,
        issuer.address + path,
        json=body,
        headers={"Authorization": f"Bearer {token}"},
        trust_env=False,
    )


def _issue(issuer: Paygate) -> tuple[str, str]:
    answer = _call(issuer, "POST", "/v1/tokens", issuer.admin_token)
    assert answer.status_code == 201
    return answer.json()["id"], answer.json()["token"]


def test_an_issued_token_opens_the_account(issuer: Paygate) -> None:
    identifier, token = _issue(issuer)
    assert re.fullmatch(TOKEN_PATTERN, token)
    answer = _call(issuer, "GET", "/v1/account", token)
    assert (answer.status_code, answer.json()["token_id"]) == (200, identifier)


@pytest.mark.parametrize("by", ["id", "value"])
def test_a_revoked_token_is_refused(issuer: Paygate, by: str) -> None:
    identifier, token = _issue(issuer)
    if by == "id":
        answer = _call(issuer, "DELETE", f"/v1/tokens/{identifier}", issuer.admin_token)
        assert answer.status_code == 204
    else:
        answer = _call(issuer, "POST", "/v1/tokens/revoke", issuer.admin_token, {"token": token})
        assert answer.json() == {"id": identifier, "state": "revoked"}
    assert _call(issuer, "GET", "/v1/account", token).status_code == 401


def test_revoking_twice_has_one_effect(issuer: Paygate) -> None:
    identifier, _ = _issue(issuer)
    for _ in range(2):
        answer = _call(issuer, "DELETE", f"/v1/tokens/{identifier}", issuer.admin_token)
        assert answer.status_code == 204


def test_the_list_shows_states_and_last_use_but_no_values(issuer: Paygate) -> None:
    identifier, token = _issue(issuer)
    _call(issuer, "GET", "/v1/account", token)
    answer = _call(issuer, "GET", "/v1/tokens", issuer.admin_token)
    row = next(item for item in answer.json()["tokens"] if item["id"] == identifier)
    assert row["state"] == "active"
    assert row["last_used"]
    assert token not in answer.text


def test_nobody_but_the_admin_issues_lists_or_revokes(issuer: Paygate) -> None:
    identifier, token = _issue(issuer)
    for method, path in [
        ("POST", "/v1/tokens"),
        ("GET", "/v1/tokens"),
        ("DELETE", f"/v1/tokens/{identifier}"),
        ("POST", "/v1/tokens/revoke"),
    ]:
        assert _call(issuer, method, path, token).status_code == 401
    assert issuer.accepts(token)


def test_what_it_does_not_know_is_not_found(issuer: Paygate) -> None:
    admin = issuer.admin_token
    assert _call(issuer, "DELETE", "/v1/tokens/nope", admin).status_code == 404
    unknown = _call(issuer, "POST", "/v1/tokens/revoke", admin, {"token": "nope"})
    assert unknown.status_code == 404
    assert _call(issuer, "POST", "/v1/tokens/revoke", admin, {}).status_code == 400
