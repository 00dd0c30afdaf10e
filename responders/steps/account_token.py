"""
Tokens of a service account: the kept ones in Secrets, and the bound ones of pods.

A kept token (a Secret of the type `kubernetes.io/service-account-token`) is signed over the names
of its Secret and account, with no time in it: deleted and made again under the same name it is THE
SAME token, and the leaked one works again. So `issue` makes a Secret of another name, consumers are
pointed at it (`kubernetes_successor.switch`), and `revoke` deletes the former, never to come back.
While it deletes, it has the API server review the leaked token until that says no (the API server
remembers a yes for about ten seconds).

A bound token ends with the object that it is bound to. `end_bound` deletes that Pod, Secret or
service account, by its uid; a service account is made again, with another uid, and all of its pods
need new tokens then. The leaked token itself is not at hand any more, so a sister is made, bound to
the same object, and reviewed before and after.

All of this is final: a deleted token never works again. Reviews send a token to the API server in
the body of a TokenReview: leave `tokenreviews` at the level Metadata in the audit policy.

Example::

    account_token.issue: {secret: "k8s://prod/ci/Secret/deployer-token"}
    account_token.revoke: {secret: "k8s://prod/ci/Secret/deployer-token", noted_by: issue}
    account_token.end_bound:
      bound_to: "k8s://prod/ci/Pod/runner-7d9f"
      uid: 5f3a8d0e-0d5c-4b1c-9a55-0f8c2f0a7c11
      account: "k8s://prod/ci/ServiceAccount/runner"

Source: https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/ (bound and
legacy tokens), pkg/serviceaccount/legacy.go and claims.go of Kubernetes.
"""

import hashlib
from typing import ClassVar

from pydantic import Field

from graph import refs
from graph.audit_log import log_source
from graph.collector import Permission
from graph.errors import BadInputError, ConflictError, NotFoundError, RefusedError, UnavailableError
from graph.secret_value import SecretValue
from responders.copies import text_of
from responders.kubernetes_objects import APPLIED, Json, KubernetesObject, beside, find
from responders.kv_versions import digest
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

_TYPE = "kubernetes.io/service-account-token"
_ACCOUNT = "kubernetes.io/service-account.name"
_MADE_FOR = "locksmith/made-for"
_PACE = 0.5  # seconds between two looks
_TO_APPEAR = 30.0  # seconds until the token controller has written a token
_TO_BE_REFUSED = 60.0  # seconds: the API server caches a yes for about ten
_SISTER_LIVES = 600  # seconds: the shortest that the API server issues
_LONGEST_NAME = 253
_REVIEW = Permission("kubernetes", "create on tokenreviews.authentication.k8s.io", "probe tokens")


class IssueSettings(StepSettings):
    secret: str


class Issue(Step[IssueSettings]):
    """Makes another token Secret for the same service account, under another name."""

    name: ClassVar[str] = "account_token.issue"
    permissions: ClassVar[tuple[Permission, ...]] = (
        Permission("kubernetes", "get, create on secrets", "make the Secret, read its token back"),
        _REVIEW,
    )
    reversible: ClassVar[bool] = False
    harmless: ClassVar[bool] = True
    Settings = IssueSettings

    def preview(self, settings: IssueSettings) -> str:
        return (
            f"Makes another token for the service account of {settings.secret}, in a Secret of"
            " another name (under the same name it would be the same token)."
        )

    def targets(self, settings: IssueSettings) -> tuple[str, ...]:
        return (settings.secret,)

    def apply(self, settings: IssueSettings, context: StepContext) -> Receipt:
        former = find(context.connections, settings.secret, "Secret")
        found = former.read()
        account = _account_of(settings.secret, found)
        suffix = "-" + hashlib.sha256(context.key.encode()).hexdigest()[:8]
        name = former.name[: _LONGEST_NAME - len(suffix)].rstrip("-.") + suffix
        successor = beside(former, name)
        try:
            successor.api.post(successor.path.rpartition("/")[0], _body(successor, found, context))
        except ConflictError:
            noted = successor.read()["metadata"].get("annotations") or {}
            if noted.get(_MADE_FOR) != context.key:
                raise
        for _ in context.attempts(seconds=_TO_APPEAR, every=_PACE):
            if "token" in (successor.read().get("data") or {}):
                break
        facts: dict[str, Fact] = {
            "former": settings.secret,
            "former_uid": found["metadata"]["uid"],
            "successor": successor.ref,
            "account": account,
            "target": successor.ref,
            "refreshed_at": context.now().isoformat(),
        }
        return Receipt(f"{successor.ref} holds another token of {account}.", facts)

    def verify(self, settings: IssueSettings, receipt: Receipt, context: StepContext) -> Verdict:
        return judged(lambda: self._look(settings, receipt, context), context)

    def _look(self, settings: IssueSettings, receipt: Receipt, context: StepContext) -> Verdict:
        successor = find(context.connections, str(receipt.facts.get("successor", "")), "Secret")
        former = find(context.connections, settings.secret, "Secret")
        new, old = (text_of(one.read(), "token", one.ref) for one in (successor, former))
        if digest(new, context.fingerprinter) == digest(old, context.fingerprinter):
            return Verdict(VerdictKind.REFUTED, f"{successor.ref} holds the same token again.")
        user = _user_of(new, successor)
        wanted = f"system:serviceaccount:{former.namespace}:{receipt.facts['account']}"
        if user != wanted:
            said = f"The API server takes the new token for {user or 'nobody'}, not for {wanted}."
            return Verdict(VerdictKind.REFUTED, said)
        copy = refs.with_key(refs.split_key(settings.secret)[0], "token")
        said = f"The API server takes the new token in {successor.ref} for {user}."
        return Verdict(VerdictKind.CONFIRMED, said, {"copies": [copy, f"{successor.ref}#token"]})


class RevokeSettings(StepSettings):
    """`noted_by` is the step that made the successor."""

    secret: str
    noted_by: str = "issue"


class Revoke(Step[RevokeSettings]):
    """Deletes the token Secret that leaked, and reviews its token until that is refused."""

    name: ClassVar[str] = "account_token.revoke"
    permissions: ClassVar[tuple[Permission, ...]] = (
        Permission("kubernetes", "get, delete on secrets", "end the leaked token"),
        _REVIEW,
    )
    reversible: ClassVar[bool] = False
    final: ClassVar[bool] = True
    Settings = RevokeSettings

    def preview(self, settings: RevokeSettings) -> str:
        return f"Deletes {settings.secret} for good: its token is refused within seconds."

    def targets(self, settings: RevokeSettings) -> tuple[str, ...]:
        return (settings.secret,)

    def apply(self, settings: RevokeSettings, context: StepContext) -> Receipt:
        secret = find(context.connections, settings.secret, "Secret")
        noted = context.receipts.get(settings.noted_by)
        try:
            found = secret.read()
        except NotFoundError:
            return Receipt(f"{settings.secret} was gone already.", {"reviewed": False})
        uid = str(noted.facts.get("former_uid") or "") if noted else found["metadata"]["uid"]
        _account_of(settings.secret, found)
        token = text_of(found, "token", settings.secret)
        secret.delete(uid)
        refused = _wait_until_refused(token, secret, context)
        said = "the API server refuses its token" if refused else "its token is still taken"
        return Receipt(
            f"Deleted {settings.secret}; {said}.", {"reviewed": True, "refused": refused}
        )

    def verify(self, settings: RevokeSettings, receipt: Receipt, context: StepContext) -> Verdict:
        return judged(lambda: self._look(settings, receipt, context), context)

    def _look(self, settings: RevokeSettings, receipt: Receipt, context: StepContext) -> Verdict:
        secret = find(context.connections, settings.secret, "Secret")
        if secret.exists():
            said = f"{settings.secret} is there, or there again: it holds the leaked token."
            return Verdict(VerdictKind.REFUTED, said)
        if not receipt.facts.get("reviewed"):
            return Verdict(
                VerdictKind.UNKNOWN,
                f"{settings.secret} is gone, and with it the token that could be tried.",
                {"do_now": "Try the leaked token once (kubectl --token), and confirm with that."},
            )
        if not receipt.facts.get("refused"):
            said = f"{settings.secret} is gone, but the API server still took its token."
            return Verdict(VerdictKind.REFUTED, said)
        return Verdict(
            VerdictKind.CONFIRMED,
            f"{settings.secret} is gone, and the API server has refused its token since.",
            {"old_value_refused": True},
        )


class EndBoundSettings(StepSettings):
    """`bound_to` and `uid` stand in the token; `account` is whom it speaks for."""

    bound_to: str
    uid: str = Field(min_length=1)
    account: str


class EndBound(Step[EndBoundSettings]):
    """Deletes what a bound token is bound to, which ends the token."""

    name: ClassVar[str] = "account_token.end_bound"
    permissions: ClassVar[tuple[Permission, ...]] = (
        Permission(
            "kubernetes",
            "get, delete on pods, secrets, serviceaccounts; create on serviceaccounts",
            "end the object that the token is bound to",
        ),
        Permission(
            "kubernetes",
            "create on serviceaccounts/token (optional)",
            "make a sister of the token, to see it refused",
        ),
        _REVIEW,
    )
    reversible: ClassVar[bool] = False
    final: ClassVar[bool] = True
    Settings = EndBoundSettings

    def preview(self, settings: EndBoundSettings) -> str:
        again = (
            " and makes it again; its pods need new tokens then" if _is_account(settings) else ""
        )
        return f"Deletes {settings.bound_to}{again}: the tokens that are bound to it end."

    def targets(self, settings: EndBoundSettings) -> tuple[str, ...]:
        return (settings.bound_to,)

    def shown_in(self, settings: EndBoundSettings) -> str:
        return log_source("kubernetes", refs.parse(settings.bound_to).path[0])

    def apply(self, settings: EndBoundSettings, context: StepContext) -> Receipt:
        bound = find(context.connections, settings.bound_to, "Pod", "Secret", "ServiceAccount")
        try:
            found = bound.read()
        except NotFoundError:
            found = {}
        if not found or found["metadata"]["uid"] != settings.uid:
            if _is_account(settings) and not found:
                raise RefusedError(
                    f"{settings.bound_to} is gone, and nothing here knows what it looked like.",
                    do_now="Make the service account again by hand, then skip this step.",
                )
            return Receipt(f"{settings.bound_to} of this uid was gone already.", {"tried": False})
        sister = _sister(settings, bound, context)
        bound.delete(settings.uid)
        if _is_account(settings):
            _make_again(bound, found)
        refused = _wait_until_refused(sister, bound, context)
        said = "refused" if refused else "still taken"
        return Receipt(
            f"Deleted {settings.bound_to}; a sister of the token is {said}.",
            {"tried": True, "refused": refused},
        )

    def verify(self, settings: EndBoundSettings, receipt: Receipt, context: StepContext) -> Verdict:
        return judged(lambda: self._look(settings, receipt, context), context)

    def _look(self, settings: EndBoundSettings, receipt: Receipt, context: StepContext) -> Verdict:
        bound = find(context.connections, settings.bound_to, "Pod", "Secret", "ServiceAccount")
        try:
            uid = bound.read()["metadata"]["uid"]
        except NotFoundError:
            uid = ""
        if uid == settings.uid:
            said = f"{settings.bound_to} is still there, and its tokens are taken."
            return Verdict(VerdictKind.REFUTED, said)
        gone = f"{settings.bound_to} of the uid in the token is gone"
        if not receipt.facts.get("tried"):
            return Verdict(
                VerdictKind.UNKNOWN,
                f"{gone}; there was nothing left to make a sister of the token for.",
                {"do_now": "Try the leaked token once (kubectl --token), and confirm with that."},
            )
        if not receipt.facts.get("refused"):
            return Verdict(VerdictKind.REFUTED, f"{gone}, but a sister of the token was taken.")
        return Verdict(
            VerdictKind.CONFIRMED,
            f"{gone}, and the API server refuses a sister of the token.",
            {"old_value_refused": True},
        )


def _account_of(ref: str, found: Json) -> str:
    account = (found["metadata"].get("annotations") or {}).get(_ACCOUNT, "")
    if found.get("type") != _TYPE or not account:
        raise BadInputError(
            f"{ref} holds no token of a service account.",
            do_now="Use the playbook for plain Secrets.",
        )
    return str(account)


def _body(successor: KubernetesObject, found: Json, context: StepContext) -> Json:
    """Make a Secret that the token controller fills; what it wrote into the former stays out."""
    metadata = found["metadata"]
    own = {APPLIED, "kubernetes.io/service-account.uid"}
    kept = {k: v for k, v in (metadata.get("annotations") or {}).items() if k not in own}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": _TYPE,
        "metadata": {
            "name": successor.name,
            "namespace": successor.namespace,
            "labels": metadata.get("labels") or {},
            "annotations": {**kept, _MADE_FOR: context.key},
        },
    }


def _user_of(token: SecretValue, one: KubernetesObject) -> str:
    """Have the API server review a token; "" where it refuses."""
    path = one.api.resource_path("TokenReview", "authentication.k8s.io")
    if path is None:
        raise NotFoundError(f"Cluster {one.cluster} serves no TokenReview.")
    review = {
        "apiVersion": path.removeprefix("/apis/").rpartition("/")[0],
        "kind": "TokenReview",
        "spec": {"token": token.reveal()},
    }
    status = one.api.post(path, review).get("status") or {}
    user = (status.get("user") or {}).get("username") if status.get("authenticated") else ""
    return str(user or "")


def _wait_until_refused(token: SecretValue, one: KubernetesObject, context: StepContext) -> bool:
    for _ in context.attempts(seconds=_TO_BE_REFUSED, every=_PACE):
        if not _user_of(token, one):
            return True
        context.progress("The API server still takes the old token.")
    return False


def _sister(
    settings: EndBoundSettings, bound: KubernetesObject, context: StepContext
) -> SecretValue:
    """
    Ask for a token that is bound to the same object, and see it taken.

    Raises:
        UnavailableError: it is not taken yet, so that its refusal would prove nothing.
    """
    account = find(context.connections, settings.account, "ServiceAccount")
    spec: Json = {"expirationSeconds": _SISTER_LIVES}
    if not _is_account(settings):
        spec["boundObjectRef"] = {
            "apiVersion": "v1",
            "kind": bound.kind,
            "name": bound.name,
            "uid": settings.uid,
        }
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
    answer = account.api.post(f"{account.path}/token", body)
    sister = SecretValue(str((answer.get("status") or {}).get("token") or ""))
    if not _user_of(sister, bound):
        raise UnavailableError(f"The API server does not take a new token of {settings.account}.")
    return sister


def _make_again(bound: KubernetesObject, found: Json) -> None:
    metadata = found["metadata"]
    body: Json = {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {
            "name": bound.name,
            "namespace": bound.namespace,
            "labels": metadata.get("labels") or {},
            "annotations": metadata.get("annotations") or {},
        },
    }
    for name in ("imagePullSecrets", "automountServiceAccountToken"):
        if name in found:
            body[name] = found[name]
    try:
        bound.api.post(bound.path.rpartition("/")[0], body)
    except ConflictError:
        return  # a controller was faster: the `default` account is made again by the cluster


def _is_account(settings: EndBoundSettings) -> bool:
    return "/ServiceAccount/" in settings.bound_to
