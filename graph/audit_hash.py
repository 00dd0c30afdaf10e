"""
Ask Vault or OpenBao what its audit devices call a leaked value, while the value is in memory.

A device writes "hmac-sha256:…" under a salt of its own in the place of each value, and
`sys/audit-hash` makes the same of a text. So the log tells who was served this very value, and no
plaintext is kept. Asked at report time only; what is kept is the digest. The call itself stands in
the audit log, with the digest as well.

A token's requests are told by its accessor, a service account's by the number of its token: they
are kept in the same way, so that the log tells who uses the credential.
Source: https://openbao.org/api-docs/system/audit-hash/
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from graph.audit_log import log_source
from graph.connections import Connections, vault_errors
from graph.errors import LocksmithError
from graph.fingerprints import Fingerprinter
from graph.model import Gap
from graph.normal_forms import normal_forms
from graph.reads import Reads
from graph.secret_value import SecretValue
from graph.vault_api import stanza

_FORMS = 4  # contents of a value that are asked for: as it is, trimmed, decoded, …


@dataclass(frozen=True, slots=True)
class Sought:
    """`fingerprints` are our strong digests of the value; `gaps` say which log was not asked."""

    fingerprints: tuple[str, ...] = ()
    gaps: tuple[Gap, ...] = ()


def seek_text(
    text: str, connections: Connections, fingerprinter: Fingerprinter, reads: Reads
) -> Sought:
    """Do as `seek_value` for what somebody typed."""
    return seek_value(SecretValue(text), connections, fingerprinter, reads)


def seek_value(
    value: SecretValue, connections: Connections, fingerprinter: Fingerprinter, reads: Reads
) -> Sought:
    """Keep what each configured audit log calls `value`, under our own digests of it."""
    gaps: list[Gap] = []
    wanted = [form for form in normal_forms(value.reveal()) if not form.weak][:_FORMS]
    prints = tuple(one.digest for one in fingerprinter.of_leaked(value) if not one.weak)
    if not wanted:
        return Sought()
    for store in connections.vault_names:
        settings = connections.vault_settings(store)
        if not settings.audit_log:
            continue
        try:
            digests = _digests(store, [form.content for form in wanted], connections)
        except LocksmithError as error:
            gaps.append(_gap(store, "Who was served this value by", error))
            continue
        reads.seek(prints, log_source("vault", store), digests)
    return Sought(prints, tuple(gaps))


def seek_uses(
    facts: Mapping[str, object], fingerprints: Sequence[str], connections: Connections, reads: Reads
) -> tuple[Gap, ...]:
    """Keep what the audit logs call a credential by what is known of it without its value."""
    store, accessor = str(facts.get("issuer") or ""), str(facts.get("accessor") or "")
    store = store.removeprefix("vault://")
    if (
        accessor
        and store in connections.vault_names
        and connections.vault_settings(store).audit_log
    ):
        try:
            digests = _digests(store, [accessor.encode()], connections)
        except LocksmithError as error:
            return (_gap(store, "Who uses this token of", error),)
        # As it is, too: a device may be told to leave accessors alone (`hmac_accessor=false`).
        reads.seek(fingerprints, log_source("vault", store), [accessor, *digests])
    if number := str(facts.get("jti") or ""):
        for cluster in connections.cluster_names:
            if connections.cluster_settings(cluster).audit_log:
                source = log_source("kubernetes", cluster)
                reads.seek(fingerprints, source, [f"JTI={number}"])
    return ()


def _digests(store: str, contents: Sequence[bytes], connections: Connections) -> list[str]:
    devices = connections.vault_settings(store).audit_devices or _devices(store, connections)
    asked = [
        _digest(store, device, content, connections) for device in devices for content in contents
    ]
    return [one for one in asked if one]


def _gap(store: str, what: str, error: LocksmithError) -> Gap:
    return Gap(
        log_source("vault", store),
        f"{store}/sys/audit-hash",
        f"{what} {store} is not known. {error.happened}",
        error.do_now
        or f"Grant: {stanza('sys/audit', 'read', 'sudo')} {stanza('sys/audit-hash/*', 'update')}",
    )


def _devices(store: str, connections: Connections) -> tuple[str, ...]:
    found = connections.ask_vault(
        store, "get", "sys/audit", doing=f"list the audit devices of vault {store}"
    )
    return tuple(path.strip("/") for path in found)


def _digest(store: str, device: str, content: bytes, connections: Connections) -> str:
    client = connections.vault(store)
    with vault_errors(f"ask the audit device {device} of vault {store} for a digest"):
        answer = client.adapter.post(
            f"/v1/sys/audit-hash/{quote(device.strip('/'))}",
            json={"input": content.decode("utf-8", "surrogateescape")},
        )
    found = answer.get("data") or answer
    return str(found.get("hash") or "")
