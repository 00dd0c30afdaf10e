"""
The credential of a registry in an image pull Secret is replaced; those of other registries stay.

`write` takes user and password from the store (where a person, an issuer or a generator of the
registry has put the new one) and writes them to `auths.REGISTRY` of `.dockerconfigjson`, under the
resourceVersion that it was decided on. It refuses where another controller or git would put the
former back. Running pods need no restart: kubelets read the Secret at the next pull, and an image
that is on the node starts without it.

There is no way back: the former credential is the leaked one.

Example::

    image_pull_secret.write:
      target: "k8s://prod/shop/Secret/registry"
      registry: registry.example.com
      secret: "vault://main/kv/shop/registry"
      username_field: username
      password_field: password

Source: https://kubernetes.io/docs/concepts/configuration/secret/#docker-config-secrets.
"""

import base64
import binascii
import json
from typing import Any, ClassVar

from pydantic import Field

from graph import refs
from graph.collector import Permission
from graph.errors import BadInputError, ConflictError, NotFoundError, RefusedError
from graph.secret_value import SecretValue
from responders.copies import text_of
from responders.kubernetes_objects import APPLIED, Json, find, put_back_by
from responders.kv_versions import READ_VALUES, KvSecret, digest
from responders.step import (
    Receipt,
    Step,
    StepContext,
    StepSettings,
    Verdict,
    VerdictKind,
    judged,
)

_KEY = ".dockerconfigjson"
_WRITTEN_FOR = "locksmith/written-for"
_WRITTEN_AT = "locksmith/written-at"
_TRIES = 3  # against others who change the Secret meanwhile


class WriteSettings(StepSettings):
    """`registry` is the key in `auths`, as it stands there."""

    target: str
    registry: str = Field(min_length=1)
    secret: str
    username_field: str = "username"
    password_field: str = "password"  # noqa: S105 - the name of a field
    although_kept: bool = False


class Write(Step[WriteSettings]):
    """Puts the registry's new user and password into a pull Secret."""

    name: ClassVar[str] = "image_pull_secret.write"
    permissions: ClassVar[tuple[Permission, ...]] = (
        Permission("kubernetes", "get, patch on secrets", "replace the credential, read it back"),
        READ_VALUES,
    )
    reversible: ClassVar[bool] = False
    Settings = WriteSettings

    def preview(self, settings: WriteSettings) -> str:
        return (
            f"Writes the login of {settings.registry} from {settings.secret} to {settings.target};"
            " other registries in it stay."
        )

    def targets(self, settings: WriteSettings) -> tuple[str, ...]:
        return (settings.target,)

    def apply(self, settings: WriteSettings, context: StepContext) -> Receipt:
        target = find(context.connections, settings.target, "Secret")
        login = _stored(settings, context)
        for _ in range(_TRIES):
            found = target.read()
            config = _config(settings, found)
            if _same(_login_in(config, settings), login, context):
                return _receipt(settings, found, context)
            why = put_back_by(target, found)
            if why and not settings.although_kept:
                raise RefusedError(
                    f"A new login in {settings.target} would not last: {why}.",
                    do_now="Change it there, or set although_kept in the playbook.",
                )
            try:
                written = target.merge(_change(config, login, settings, context, found), seen=found)
            except ConflictError:
                continue  # somebody changed it meanwhile: decide on what it is now
            return _receipt(settings, written, context)
        raise ConflictError(
            f"Somebody else writes to {settings.target} at the same time.",
            do_now="See who it is, then retry this step.",
        )

    def verify(self, settings: WriteSettings, receipt: Receipt, context: StepContext) -> Verdict:
        return judged(lambda: self._look(settings, context), context)

    def _look(self, settings: WriteSettings, context: StepContext) -> Verdict:
        found = find(context.connections, settings.target, "Secret").read()
        held = _login_in(_config(settings, found), settings)
        if not _same(held, _stored(settings, context), context):
            return Verdict(
                VerdictKind.REFUTED,
                f"{settings.target} holds another login of {settings.registry} than the store.",
            )
        copy = refs.with_key(refs.split_key(settings.target)[0], _KEY)
        return Verdict(
            VerdictKind.CONFIRMED,
            f"Read back: {settings.target} holds the store's login of {settings.registry}.",
            {"copies": [copy]},
        )


def _stored(settings: WriteSettings, context: StepContext) -> SecretValue:
    secret = KvSecret(settings.secret, context.connections)
    user = secret.value(settings.username_field).reveal()
    return SecretValue(f"{user}:{secret.value(settings.password_field).reveal()}")


def _same(one: SecretValue, other: SecretValue, context: StepContext) -> bool:
    return digest(one, context.fingerprinter) == digest(other, context.fingerprinter)


def _config(settings: WriteSettings, found: Json) -> dict[str, Any]:
    """
    Read the Docker configuration in the Secret.

    Raises:
        BadInputError: it is none, or does not know the registry.
    """
    try:
        config = json.loads(text_of(found, _KEY, settings.target).reveal())
        auths = config["auths"]
    except (NotFoundError, ValueError, KeyError, TypeError):
        raise BadInputError(
            f"{settings.target} holds no Docker configuration.",
            do_now="Name a Secret of the type kubernetes.io/dockerconfigjson.",
        ) from None
    if settings.registry not in auths:
        raise BadInputError(
            f"{settings.target} has no login of {settings.registry}.",
            means=f"It has those of: {', '.join(sorted(auths)) or 'none'}.",
            do_now="Correct the name of the registry in the playbook.",
        )
    known: dict[str, Any] = config
    return known


def _login_in(config: dict[str, Any], settings: WriteSettings) -> SecretValue:
    """Give `user:password` as a kubelet reads it: `auth` if it is there, else the two fields."""
    entry = config["auths"][settings.registry]
    if entry.get("auth"):
        try:
            return SecretValue(base64.b64decode(entry["auth"]).decode())
        except (binascii.Error, UnicodeDecodeError):
            return SecretValue("")
    return SecretValue(f"{entry.get('username', '')}:{entry.get('password', '')}")


def _change(
    config: dict[str, Any],
    login: SecretValue,
    settings: WriteSettings,
    context: StepContext,
    found: Json,
) -> Json:
    user, _, password = login.reveal().partition(":")
    entry = dict(config["auths"][settings.registry])
    entry.update(username=user, password=password)
    entry["auth"] = base64.b64encode(login.reveal().encode()).decode()
    entry.pop("identitytoken", None)
    auths = {**config["auths"], settings.registry: entry}
    text = json.dumps({**config, "auths": auths})
    annotations: dict[str, str | None] = {
        _WRITTEN_FOR: context.key,
        _WRITTEN_AT: context.now().isoformat(),
    }
    if APPLIED in (found["metadata"].get("annotations") or {}):
        annotations[APPLIED] = None
    encoded = base64.b64encode(text.encode()).decode()
    return {"metadata": {"annotations": annotations}, "data": {_KEY: encoded}}


def _receipt(settings: WriteSettings, found: Json, context: StepContext) -> Receipt:
    noted = found["metadata"].get("annotations") or {}
    at = noted.get(_WRITTEN_AT) or context.now().isoformat()
    target = refs.split_key(settings.target)[0]
    said = f"{settings.target} holds the store's login of {settings.registry}."
    return Receipt(said, {"target": target, "registry": settings.registry, "refreshed_at": at})
