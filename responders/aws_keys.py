"""
A second access key for an IAM user: made once, tried, and written to its store or taken back.

IAM takes no idempotency key. So the keys that exist are noted in the secret's metadata before one
is made: what a repeat finds beside them is of the try before, and nobody holds its secret. It is
deleted, unless IAM says that it was used: then somebody else made it.

Source: https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateAccessKey.html
"""

from dataclasses import replace

import structlog

from graph.errors import ConflictError, LocksmithError, RefusedError, UnavailableError
from graph.secret_value import SecretValue
from responders.aws_accounts import MOST_KEYS, AccessKey, IamUser
from responders.kv_versions import KvSecret, Mark, Versions, digest
from responders.step import StepContext

log = structlog.get_logger()

_TO_BECOME_VALID = 30.0  # seconds that a new key may take until all of AWS knows it


def make_key(
    secret: KvSecret, user: IamUser, seen: Versions, context: StepContext
) -> tuple[Mark, SecretValue]:
    """Make a key that works; what an earlier try left is deleted first."""
    former = seen.mark_of(context.key)
    keys = user.keys()
    if former is None:
        mark = Mark(context.key, seen.current, before=_listed(keys))
        _require_room(user, keys)
        secret.set_mark(mark)
    else:
        keys = _without_left_over(user, keys, former)
        _require_room(user, keys)
        mark = Mark(context.key, seen.current, before=former.before, attempt=former.attempt + 1)
    try:
        identifier, value = user.create()
    except ConflictError:
        _require_room(user, user.keys())
        raise
    known = replace(mark, issued_id=identifier, digest=digest(value, context.fingerprinter))
    try:
        secret.set_mark(known)  # first: to try it is a use, and what is used looks like another's
        _must_work(user, identifier, value, context)
    except LocksmithError:
        _take_back(user, identifier)
        raise
    return known, value


def store_key(
    secret: KvSecret, user: IamUser, mark: Mark, value: SecretValue, *, field: str, id_field: str
) -> int:
    """Write the pair as one version; a key that cannot be stored is deleted again."""
    try:
        return secret.write(field, value, after=mark.after, also={id_field: mark.issued_id})
    except UnavailableError:
        raise  # it may have been written: a repeat finds out by the mark, and loses nothing
    except LocksmithError:
        _take_back(user, mark.issued_id)
        raise


def _without_left_over(
    user: IamUser, keys: tuple[AccessKey, ...], mark: Mark
) -> tuple[AccessKey, ...]:
    """Delete the key that a try before made and could not store; nobody holds its secret."""
    before = set(mark.before.split(","))
    for key in keys:
        if key.identifier in before:
            continue
        use = user.last_use(key.identifier)
        if key.identifier != mark.issued_id and use.at is not None:
            raise ConflictError(
                f"Somebody else made the key {key} for {user.name} meanwhile, and it is {use}.",
                means="It was left as it is, and no key was made.",
                do_now="Find out whose it is; free one of the two, then have this step try again.",
            )
        user.delete(key.identifier)
    return tuple(key for key in keys if key.identifier in before)


def _require_room(user: IamUser, keys: tuple[AccessKey, ...]) -> None:
    if len(keys) < MOST_KEYS:
        return
    known = "; ".join(f"{key}, {user.last_use(key.identifier)}" for key in keys)
    raise RefusedError(
        f"{user.name} has two access keys already, and AWS allows no third: {known}.",
        means="No key was made, and none was taken away.",
        do_now="Delete the one that nobody uses (not the leaked one: it is still needed until its"
        " users have moved), then have this step try again.",
    )


def _must_work(user: IamUser, identifier: str, value: SecretValue, context: StepContext) -> None:
    """Try it: AWS knows a new key everywhere only after some seconds."""
    answer = user.probe(identifier, value)
    for _ in context.attempts(seconds=_TO_BECOME_VALID, every=1.0):
        if answer.accepted:
            break
        answer = user.probe(identifier, value)
    if answer.accepted:
        return
    raise UnavailableError(
        f"AWS does not accept the key that it has just made: {answer.sentence}.",
        means="It was not stored; consumers keep the one that they have.",
    )


def _take_back(user: IamUser, identifier: str) -> None:
    try:
        user.delete(identifier)
    except LocksmithError as error:
        # A repeat finds it beside those that were noted, and deletes it.
        log.warning("access_key.left_over", user=user.ref, key=identifier, why=error.happened)


def _listed(keys: tuple[AccessKey, ...]) -> str:
    return ",".join(key.identifier for key in keys)
