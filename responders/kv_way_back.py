"""
The way back of a value that was written to KV version 2: the former one, as the newest version.

Why here: several families of steps write a value in the same way, and steps do not know each other.
The former value is the leaked one: this is for a run that failed before anything was revoked, when
consumers must have what still works. The receipt names the version that holds it now, so that the
next plan is about that one; `vault_kv.destroy_version` destroys both.
"""

from collections.abc import Callable

from responders.kv_versions import KvSecret, digest
from responders.step import Fact, Receipt, StepContext, Verdict, VerdictKind, judged


def put_back(
    ref: str,
    field: str,
    receipt: Receipt,
    context: StepContext,
    *,
    also: tuple[str, ...] = (),
    made: str = "",
) -> Receipt:
    """
    Write back what was there before `receipt`; `also` are fields that changed with it.

    `made` is the issuer's name for what is in the version that `receipt` tells of.

    Raises:
        ConflictError: somebody wrote after us. NotFoundError: the former version is gone.
    """
    secret, written = KvSecret(ref, context.connections), int(str(receipt.facts["version"]))
    version = secret.restore(field, written=written, fingerprinter=context.fingerprinter, also=also)
    facts: dict[str, Fact] = {
        "restored_secret": secret.ref,
        "restored_field": field,
        "restored_version": version,
        "made_version": written,
        "made": made,
    }
    return Receipt(f"Version {version} of {ref} holds the former value of {field} again.", facts)


def written_back(undone: Receipt) -> Receipt:
    """Give the receipt that a step would have for the version that was written back."""
    return Receipt(undone.sentence, {"version": undone.facts["restored_version"]})


def judged_back(
    ref: str,
    field: str,
    receipt: Receipt,
    undone: Receipt,
    context: StepContext,
    *,
    also: Callable[[], tuple[str, ...]] = tuple,
    works: Callable[[], Verdict] | None = None,
) -> Verdict:
    """
    Read it back: the current value has to be that of the version before ours.

    `also` names the fields that changed with it; `works` tries the value where it is used.
    """

    def look() -> Verdict:
        seen = _look(ref, (field, *also()), receipt, undone, context)
        if works is None or seen.kind is not VerdictKind.CONFIRMED:
            return seen
        tried = works()
        return Verdict(tried.kind, f"{seen.sentence} {tried.sentence}", seen.facts)

    return judged(look, context)


def _look(
    ref: str, fields: tuple[str, ...], receipt: Receipt, undone: Receipt, context: StepContext
) -> Verdict:
    secret, former = KvSecret(ref, context.connections), int(str(receipt.facts["version"])) - 1
    current, field = secret.look().current, fields[0]
    for name in fields:
        now, before = (
            digest(secret.value(name, version=version), context.fingerprinter)
            for version in (current, former)
        )
        if now != before:
            return Verdict(
                VerdictKind.REFUTED,
                f"Version {current} of {ref} holds another value of {name} than version {former}.",
            )
    said = f"Read back: version {current} of {ref} holds the {field} of version {former} again."
    if current != undone.facts.get("restored_version"):
        return Verdict(VerdictKind.REFUTED, f"Somebody wrote version {current} of {ref} meanwhile.")
    return Verdict(VerdictKind.CONFIRMED, said, {"version": current})
