"""
A token of an issuer over HTTP: made once, tried, and written to its store or taken back.

An issuer that is asked twice makes two. So a mark in the secret's metadata says that it is about to
be asked, and whoever finds it without a stored value (the process was killed, the answer got lost)
settles that first, in this order: the same Idempotency-Key, where the issuer answers it with the
same token; the token's id, where it was noted; the list of what was made with our mark. Where none
of them tells, a person is asked to look, and only their retry goes on: never is a second token made
while a first one may lie there.

Source: https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/
"""

from dataclasses import replace
from datetime import datetime
from uuid import NAMESPACE_URL, uuid5

import structlog

from graph.errors import (
    AccessDeniedError,
    LocksmithError,
    NotFoundError,
    RefusedError,
    UnavailableError,
)
from graph.secret_value import SecretValue
from responders.issuers import HttpIssuer, UnclearError
from responders.kv_versions import KvSecret, Mark, Versions, digest
from responders.step import StepContext

log = structlog.get_logger()

SETTLED = "settled"

_BETWEEN_PROBES = 1.0  # seconds
_TO_BECOME_VALID = 10.0  # seconds that an issuer may take until a new token works everywhere


def make_token(
    secret: KvSecret, issuer: HttpIssuer, seen: Versions, context: StepContext
) -> tuple[Mark, SecretValue, str]:
    """
    Make a token that works, and note its id before it is stored.

    Returns the mark, the value, and what a try before may have left, as far as a person answered
    for it ("" if nothing).

    Raises:
        RefusedError: a token may lie at the issuer that nobody has, and a person has to look.
    """
    former = seen.mark_of(context.key)
    mark = Mark(context.key, seen.current, since=context.began.isoformat())
    left_over = ""
    if former is not None:
        mark = replace(mark, attempt=former.attempt)
        if issuer.idempotent:
            mark = replace(mark, issued_id=former.issued_id)
        else:
            left_over = _settle(secret, issuer, former, context)
            mark = replace(mark, attempt=former.attempt + 1)
    secret.set_mark(mark)
    identifier, value = _ask_for_one(secret, issuer, mark, context)
    if mark.issued_id not in {"", identifier}:  # it has forgotten its Idempotency-Key
        left_over = "" if issuer.take_back(mark.issued_id) else mark.issued_id
    known = replace(mark, issued_id=identifier, digest=digest(value, context.fingerprinter))
    try:
        _must_work(issuer, value, context)
        secret.set_mark(known)
    except LocksmithError:
        _give_up(secret, issuer, known, value)
        raise
    return known, value, left_over


def store_token(
    secret: KvSecret, issuer: HttpIssuer, mark: Mark, value: SecretValue, field: str
) -> int:
    """Write it as the next version; a token that cannot be stored is revoked again."""
    try:
        return secret.write(field, value, after=mark.after)
    except UnavailableError:
        raise  # it may have been written: a repeat finds out by the mark, and loses nothing
    except LocksmithError:
        _give_up(secret, issuer, mark, value)
        raise


def require_word(
    secret: KvSecret, mark: Mark, context: StepContext, *, what: str, where: str
) -> None:
    """
    Go on only if a person was told to look, and has had the step tried again since.

    Raises:
        RefusedError: what they have to look for, where, and of when.
    """
    began = context.began.isoformat()
    if mark.told and mark.told != began:
        return
    secret.set_mark(replace(mark, told=began))  # before it is said: a crash says it once more
    raise RefusedError(
        f"{what} may have been made at {where}{_at(mark.since)}, and its value is lost.",
        means="No other one was made.",
        do_now="Look for it there and remove it, then have this step try again.",
    )


def _settle(secret: KvSecret, issuer: HttpIssuer, former: Mark, context: StepContext) -> str:
    """See to it that nothing is left of a try before; give what only a person answered for."""
    if former.since == SETTLED:
        return ""
    if former.issued_id and issuer.take_back(former.issued_id):
        return ""
    found = issuer.find(_tag(context))
    gone = found is not None and not [each for each in found if not issuer.remove_found(each)]
    if gone and (found or not former.issued_id):
        return ""
    names = [former.issued_id] if former.issued_id else list(found or ())
    what = f"The token {', '.join(names)}" if all(names) and names else "A token"
    require_word(secret, former, context, what=what, where=issuer.name)
    return ", ".join(names)


def _ask_for_one(
    secret: KvSecret, issuer: HttpIssuer, mark: Mark, context: StepContext
) -> tuple[str, SecretValue]:
    try:
        return issuer.create(f"{context.key}:{mark.attempt}", _tag(context))
    except UnclearError:
        if not issuer.idempotent and not issuer.finds:
            require_word(secret, mark, context, what="A token", where=issuer.name)
        raise
    except LocksmithError:
        _note(secret, replace(mark, since=SETTLED))
        raise


def _must_work(issuer: HttpIssuer, value: SecretValue, context: StepContext) -> None:
    """Try it: a token that its issuer does not accept must never reach a consumer."""
    answer = issuer.probe(value)
    for _ in context.attempts(seconds=_TO_BECOME_VALID, every=_BETWEEN_PROBES):
        if answer.accepted:
            break
        answer = issuer.probe(value)
    if answer.accepted:
        return
    raise UnavailableError(
        f"{issuer.name} does not accept the token that it has just issued: {answer.sentence}.",
        means="The token was not stored; consumers keep the one that they have.",
    )


def _give_up(secret: KvSecret, issuer: HttpIssuer, mark: Mark, value: SecretValue) -> None:
    """Take the token back, and see to it that a repeat asks for a really new one."""
    gone = issuer.take_back(mark.issued_id, value)
    following = Mark(
        mark.step,
        mark.after,
        issued_id="" if gone else mark.issued_id,
        attempt=mark.attempt + 1,
        since=SETTLED if gone else mark.since,
    )
    _note(secret, following)


def _note(secret: KvSecret, mark: Mark) -> None:
    try:
        secret.set_mark(mark)
    except (UnavailableError, AccessDeniedError, NotFoundError) as error:
        # The mark before stays, and says that there may be a token: a repeat looks for it.
        log.warning("mark.not_set", secret=secret.ref, why=error.happened)


def _tag(context: StepContext) -> str:
    """Give what marks a token as made by this step of this plan."""
    return str(uuid5(NAMESPACE_URL, context.key))


def _at(since: str) -> str:
    try:
        return f" at {datetime.fromisoformat(since):%H:%M} UTC"
    except ValueError:
        return ""
