"""
One call over HTTP that a playbook describes: sent, and looked at by a second call.

For what has an API and no step of its own. The host has to stand in `http.hosts` of the
configuration, by its exact name; `https` only, except on this machine; no redirect is followed.
Secrets are named, never written: `values` maps a placeholder to a ref with a version or without
("vault://main/kv/ci/tickets#token", "…#token@3"), and is filled into headers and body when the call
is made, never into the URL.

The call carries an Idempotency-Key of this plan and step, and is made once more after a crash: let
it be one that may be repeated, or whose server knows the header. `look` is the second road: a call
that reads back. Without it the verdict is UNKNOWN, and a person says how they know.

With `proves_refused` the look counts as trying the old value: `ok` of the look are then the answers
that a dead value gets.

Example::

    http_call.send:
      url: https://api.tickets.example/v1/keys/revoke
      method: POST
      headers: {Authorization: "Bearer {admin}"}
      body: {key: "{leaked}"}
      ok: [200, 204]
      values:
        admin: "vault://main/kv/ops/tickets#admin"
        leaked: "vault://main/kv/ci/tickets#key@3"
      look:
        url: https://api.tickets.example/v1/me
        headers: {Authorization: "Bearer {leaked}"}
        ok: [401]
      proves_refused: true

Source: https://www.rfc-editor.org/rfc/rfc9110 (methods, statuses) and
https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/
"""

from typing import Annotated, Any, ClassVar, Literal, Self
from urllib.parse import urlsplit

import httpx
from pydantic import Field, model_validator

from graph.collector import Permission
from graph.connections import Connections
from graph.errors import BadInputError, RefusedError
from graph.secret_value import SecretValue
from responders.http_calls import Call, not_taken, require_tls, send
from responders.kv_versions import READ_VALUES, READ_VERSIONS, KvSecret
from responders.step import (
    Fact,
    Receipt,
    Step,
    StepContext,
    StepSettings,
    Verdict,
    VerdictKind,
    judged,
)

_REF = r"^vault://[^#@]+#[^#@]+(@[1-9][0-9]*)?$"

Url = Annotated[str, Field(pattern=r"^https?://[^\s/?#{}]+[^\s{}]*$")]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z_]*$")]


class Look(StepSettings):
    """The call that reads back; `ok` are the answers that prove it done."""

    url: Url
    method: Literal["GET", "HEAD", "POST"] = "GET"
    headers: dict[str, str] = Field(default_factory=dict)
    body: dict[str, Any] | None = None
    ok: tuple[int, ...] = (200,)


class SendSettings(StepSettings):
    """`ok` are the statuses of success; `values` are refs, filled in where `{name}` stands."""

    url: Url
    method: Literal["POST", "PUT", "PATCH", "DELETE"] = "POST"
    headers: dict[str, str] = Field(default_factory=dict)
    body: dict[str, Any] | None = None
    ok: tuple[int, ...] = (200, 201, 202, 204)
    values: dict[Name, Annotated[str, Field(pattern=_REF)]] = Field(default_factory=dict)
    look: Look | None = None
    proves_refused: bool = False

    @model_validator(mode="after")
    def _has_what_it_needs(self) -> Self:
        if self.proves_refused and self.look is None:
            raise ValueError("proves_refused needs a look")
        return self


class Send(Step[SendSettings]):
    """Makes one described call, and believes it only when a second one shows it."""

    name: ClassVar[str] = "http_call.send"
    permissions: ClassVar[tuple[Permission, ...]] = (
        Permission("http", "the host in http.hosts", "it may be called at all"),
        READ_VERSIONS,
        READ_VALUES,
    )
    reversible: ClassVar[bool] = False
    final: ClassVar[bool] = True  # nobody but the playbook's author knows: approvers are warned
    Settings = SendSettings

    def preview(self, settings: SendSettings) -> str:
        secrets = ", ".join(sorted(settings.values.values()))
        after = (
            f"then looks with {settings.look.method} {settings.look.url}"
            if settings.look
            else "then asks a person whether it worked"
        )
        using = f" with the values of {secrets}" if secrets else ""
        return f"Sends {settings.method} {settings.url}{using}, {after}."

    def targets(self, settings: SendSettings) -> tuple[str, ...]:
        return (f"issuer:{_host(settings.url)}",)

    def apply(self, settings: SendSettings, context: StepContext) -> Receipt:
        headers = {"Idempotency-Key": context.key, **settings.headers}
        call = Call(settings.method, "", headers, body=settings.body)
        answer = _send(call, settings.url, settings, context.connections)
        host = _host(settings.url)
        if answer.status_code not in settings.ok:
            raise not_taken(
                answer,
                who=host,
                doing=f"make the call {settings.method} {urlsplit(settings.url).path or '/'}",
                denied_do_now="Check the values that it is given, and what they may do there.",
                do_now="Check the call in the playbook against the documentation of that host.",
            )
        return Receipt(
            f"{host} took it: {settings.method} {settings.url} was answered {answer.status_code}.",
            {"status": answer.status_code, "host": host},
        )

    def verify(self, settings: SendSettings, receipt: Receipt, context: StepContext) -> Verdict:
        if settings.look is None:
            return Verdict(
                VerdictKind.UNKNOWN,
                "The playbook names no call that would show whether it worked.",
                {"do_now": "Look there yourself, then confirm with how you know."},
            )
        return judged(lambda: _look(settings, context), context)


def _look(settings: SendSettings, context: StepContext) -> Verdict:
    if settings.look is None:
        raise BadInputError("There is nothing to look with.")
    look = settings.look
    call = Call(look.method, "", look.headers, body=look.body)
    answer = _send(call, look.url, settings, context.connections)
    said = f"{look.method} {look.url} was answered {answer.status_code}"
    facts: dict[str, Fact] = {"status": answer.status_code}
    if settings.proves_refused:
        facts["old_value_refused"] = answer.status_code in look.ok
    if answer.status_code in look.ok:
        return Verdict(VerdictKind.CONFIRMED, f"{said}, as it has to be.", facts)
    if answer.status_code == 429 or answer.status_code >= 500:  # noqa: PLR2004 - HTTP's own numbers
        return Verdict(VerdictKind.UNKNOWN, f"{said}, which proves nothing.")
    wanted = ", ".join(str(status) for status in look.ok)
    return Verdict(VerdictKind.REFUTED, f"{said}, and not {wanted}.", facts)


def _send(call: Call, url: str, settings: SendSettings, known: Connections) -> httpx.Response:
    """
    Send to a host of the list, with the values that the call names.

    Raises:
        RefusedError: the host is not in the list, or its address is not https.
    """
    host = _host(url)
    if host not in known.http_hosts:
        listed = ", ".join(known.http_hosts) or "no host at all"
        raise RefusedError(
            f"{host} may not be called: http.hosts of the configuration lists {listed}.",
            means="Nothing was sent.",
            do_now="Who runs Locksmith adds the exact name to http.hosts, or does it by hand.",
        )
    require_tls(f"The call to {host}", url, "the url in the playbook")
    wanted = f"{dict(call.headers)}{call.body}"
    values = {
        name: _value(ref, known) for name, ref in settings.values.items() if f"{{{name}}}" in wanted
    }
    return send(call, base_url=url, values=values, who=host)


def _value(ref: str, known: Connections) -> SecretValue:
    bare, _, field = ref.partition("#")
    name, _, version = field.partition("@")
    return KvSecret(bare, known).value(name, version=int(version) if version else None)


def _host(url: str) -> str:
    return urlsplit(url).netloc.lower()
