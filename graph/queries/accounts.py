"""
Which account an AWS ref without one means: a SecretStore names a region and a secret, no account.

Where exactly one account that was read has a secret of that name in that region, the two refs name
one secret. Where several have, nobody can tell which is meant, and a gap says so.
"""

from collections.abc import Iterable, Iterator

from graph.model import Gap
from graph.refs import Ref
from graph.snapshot import Snapshot, last_name

_AWS = "aws://"
_NO_ACCOUNT = "aws://-/"


def other_name(snapshot: Snapshot, secret: Ref) -> Ref | None:
    """Return the same secret with its account, or without; None where there is no other name."""
    if not secret.startswith(_AWS):
        return None
    rest = _rest(secret)
    having = _having(snapshot, rest)
    if len(having) != 1:
        return None
    if secret != having[0]:
        return having[0] if lacks_account(secret) else None
    return Ref(_NO_ACCOUNT + rest)


def lacks_account(secret: Ref) -> bool:
    return secret.startswith(_NO_ACCOUNT)


def unsure(snapshot: Snapshot, secrets: Iterable[Ref]) -> Iterator[Gap]:
    """Yield a gap for each secret that a store reads and that several accounts have."""
    told: set[str] = set()
    for secret in secrets:
        rest = _rest(secret) if secret.startswith(_AWS) else ""
        if not rest or rest in told or snapshot.node(Ref(_NO_ACCOUNT + rest)) is None:
            continue
        told.add(rest)
        having = _having(snapshot, rest)
        if len(having) > 1:
            accounts = ", ".join(sorted(ref.split("/")[2] for ref in having))
            yield Gap(
                "aws",
                _NO_ACCOUNT + rest,
                f"Accounts {accounts} each have it; which one the cluster reads is not known.",
                do_now="Name the secret by its ARN where the cluster refers to it.",
            )


def _rest(secret: str) -> str:
    return secret.removeprefix(_AWS).partition("/")[2]


def _having(snapshot: Snapshot, rest: str) -> tuple[Ref, ...]:
    return tuple(
        ref
        for ref in snapshot.named(last_name(rest))
        if ref.startswith(_AWS)
        and not lacks_account(ref)
        and _rest(ref) == rest
        and (node := snapshot.node(ref)) is not None
        and node.attributes.get("exists") is not False
    )
