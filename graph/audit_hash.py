"""
Ask Vault or OpenBao what its audit devices call a leaked value, while the value is in memory.

A device writes "hmac-sha256:…" under a salt of its own in the place of each value, and
`sys/audit-hash` makes the same of a text. So the log tells who was served this very value, and no
plaintext is kept. Asked at report time only; what is kept is the digest. The call itself stands in
the audit log, with the digest as well.
Source: https://openbao.org/api-docs/system/audit-hash/
"""

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
            devices = settings.audit_devices or _devices(store, connections)
            digests = [
                _digest(store, device, form.content, connections)
                for device in devices
                for form in wanted
            ]
        except LocksmithError as error:
            gaps.append(
                Gap(
                    log_source("vault", store),
                    f"{store}/sys/audit-hash",
                    f"Who was served this value by {store} is not known. {error.happened}",
                    error.do_now
                    or f"Grant: {stanza('sys/audit', 'read', 'sudo')} "
                    f"{stanza('sys/audit-hash/*', 'update')}",
                )
            )
            continue
        reads.seek(prints, log_source("vault", store), [one for one in digests if one])
    return Sought(prints, tuple(gaps))


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
