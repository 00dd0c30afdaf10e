"""
The way back of a value that was written to KV version 2: the former one, as the newest version.

Why here: several families of steps write a value in the same way, and steps do not know each other.
The former value is the leaked one: this is for a run that failed before anything was revoked, when
consumers must have what still works. The receipt names the version that holds it now, so that the
next plan is about that one; `vault_kv.destroy_version` destroys both.
"""

from responders.kv_versions import KvSecret, digest
from responders.step import Fact, Receipt, StepContext, Verdict, VerdictKind, judged


def put_back(
    ref: str, field: str, receipt: Receipt, context: StepContext, *, also: tuple[str, ...] = ()
) -> Receipt:
    """
    Write back what was there before `receipt`; `also` are fields that changed with it.

    Raises:
        ConflictError: somebody wrote after us. NotFoundError: the former version is gone.
    """
    secret, written = KvSecret(ref, context.connections), int(str(receipt.facts["version"]))
    version = secret.restore(field, written=written, fingerprinter=context.fingerprinter, also=also)
    facts: dict[str, Fact] = {
        "restored_secret": secret.ref,
        "restored_field": field,
        "restored_version": version,
    }
    return Receipt(f"Version {version} of {ref} holds the former value of {field} again.", facts)


def judged_back(
    ref: str, field: str, receipt: Receipt, undone: Receipt, context: StepContext
) -> Verdict:
    """Read it back: the current value has to be that of the version before ours."""
    return judged(lambda: _look(ref, field, receipt, undone, context), context)


def _look(ref: str, field: str, receipt: Receipt, undone: Receipt, context: StepContext) -> Verdict:
    secret, former = KvSecret(ref, context.connections), int(str(receipt.facts["version"])) - 1
    current = secret.look().current
    now, before = (
        digest(secret.value(field, version=version), context.fingerprinter)
        for version in (current, former)
    )
    if now != before:
        return Verdict(
            VerdictKind.REFUTED,
            f"Version {current} of {ref} holds another value of {field} than version {former}.",
        )
    said = f"Read back: version {current} of {ref} holds the {field} of version {former} again."
    if current != undone.facts.get("restored_version"):
        return Verdict(VerdictKind.REFUTED, f"Somebody wrote version {current} of {ref} meanwhile.")
    return Verdict(VerdictKind.CONFIRMED, said, {"version": current})
