"""
What the store of an operator does: it reads secrets to copy them, and logs in as a role.

Such a store (a SecretStore, a VaultAuth) lends its rights to all who may write what it copies;
`detours.py` says who that is. Pure.
"""

from graph.gathered import Gathered
from graph.model import EdgeKind, NodeKind
from graph.refs import Ref

_NOTE = "The store reads it to copy it."


def reads(gathered: Gathered, store: Ref, secret: Ref) -> None:
    """Say that the store reads a secret."""
    gathered.connect(
        store, secret, EdgeKind.CAN_READ, verb="read", direct=False, kind="store", note=_NOTE
    )


def logs_in(gathered: Gathered, store: Ref, role: Ref) -> None:
    """Say that the store logs in to a vault as this auth role."""
    gathered.refer(role, NodeKind.SUBJECT)
    gathered.connect(store, role, EdgeKind.OPENS, kind="store-login", verb="login")
