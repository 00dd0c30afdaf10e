"""
From a report to an incident's first facts: identity, title, severity, blast radius. Pure.

Which values are one credential is decided here: the strong digests of the value as it is, else
the exact version that it matched, else (a report without a value) the ref that was named. The
name of a scanner's alert identifies it too. A weak value identifies nothing, so without an alert
it only joins reports from the very same place.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import replace

from graph.environments import EnvironmentRule, environment_of
from graph.errors import BadInputError
from graph.model import Fingerprint, Match
from graph.queries.blast_radius import BlastRadius, blast_radius
from graph.queries.copies import Place, origins
from graph.refs import Ref, credential, split_key, with_key
from graph.snapshot import Snapshot
from responders.incident import Case, LeakReport
from responders.opening import Opening
from responders.placeholders import BOUND, LeakFacts, first_home, store_kind_of
from responders.playbook import FROM_METADATA, StoreKind
from responders.records import Underlying
from responders.severity import SeverityFacts, SeverityRule, assess

_IDENTIFYING = frozenset({"as_is", "trimmed"})
_VALUELESS = "it was reported without the value, so nobody knows which credential it is"
# One value in other clothes: nothing of it is lost, and nothing else is in it.
_ENCODINGS = frozenset(
    {"base64", "hex", "header", "html_unescaped", "json_string", "unquoted", "url_decoded"}
)


def opening_of(
    report: LeakReport,
    snapshot: Snapshot,
    rules: Sequence[SeverityRule],
    also: Sequence[LeakReport] = (),
    environments: Sequence[EnvironmentRule] = (),
) -> Opening:
    """
    Think about a report before anything is written; `also` are further places of the same.

    `environments` say which environment a place belongs to.

    Raises:
        BadInputError: it names neither a value nor a ref.
    """
    valueless = not report.fingerprints and not report.named_ref
    if valueless and not report.alert:
        raise BadInputError(
            "The report names neither a value nor a secret.",
            means="Nobody could tell what leaked.",
            do_now="Give the value, or the ref of the secret if the value is gone.",
        )
    named = _credential(report)
    radius = blast_radius(snapshot, _places(report, snapshot), credential=named)
    where = report.where_name or report.where
    severity, assessed = assess(
        rules,
        *(
            SeverityFacts(
                detector=report.detector,
                matches=report.matches,
                blast_radius=radius,
                where=place,
                named=bool(report.named_ref),
            )
            for place in dict.fromkeys([where, *(one.where_name or one.where for one in also)])
        ),
    )
    reasons = (_VALUELESS,) if valueless else assessed
    spread = {environment_of(snapshot, ref, environments) for ref in _holders(report, radius)}
    if len(spread - {""}) > 1:
        listed = ", ".join(sorted(spread - {""}))
        across = f"the same value lies in several environments: {listed}"
        reasons = (*reasons[:1], across, *reasons[1:])
    return Opening(
        report=replace(
            report,
            matches=tuple(
                replace(
                    _dated(match, snapshot),
                    environment=environment_of(snapshot, match.secret, environments),
                )
                for match in _home_first(report.matches, radius)
            ),
        ),
        title=_title(report, radius, where),
        credential=str(named),
        fingerprint_short=_as_is(report).digest[:8] if report.fingerprints else "",
        identities=identities_of(report),
        holds=tuple(dict.fromkeys(one.digest for one in report.fingerprints if not one.weak)),
        severity=severity,
        severity_reasons=reasons,
        blast_radius=radius,
    )


def _holders(report: LeakReport, radius: BlastRadius) -> set[Ref]:
    """Collect every secret that holds the value: found by it, or filled by a sync."""
    return {
        *(match.secret for match in report.matches),
        *(secret for secret, _ in radius.secrets),
        *(copy.secret for copy in radius.copies),
    }


def _dated(match: Match, snapshot: Snapshot) -> Match:
    """Say which version is current now, and when this one ceased to be."""
    newest = _version(snapshot, match.secret)
    if match.version is None or newest is None:
        return match
    node = snapshot.node(match.secret)
    written = node.attributes.get("written") if node else None
    times = dict(
        each.partition("@")[::2] for each in (written if isinstance(written, tuple) else ())
    )
    current = match.version == newest
    replaced = "" if current else times.get(str(match.version + 1), "")
    return replace(match, current=current, newest=newest, replaced=replaced)


def _home_first(matches: Sequence[Match], radius: BlastRadius) -> tuple[Match, ...]:
    """Name the place where the value is at home before the copies that syncs made of it."""
    home = {secret for secret, _ in radius.secrets}
    return tuple(sorted(matches, key=lambda match: match.secret not in home))


def identities_of(report: LeakReport) -> tuple[str, ...]:
    """Name what makes another report one of the same credential."""
    sure = [one for one in report.fingerprints if not one.weak]
    only_encoded = all(one.form in _IDENTIFYING | _ENCODINGS for one in sure)
    strong = [one.digest for one in sure if one.form in _IDENTIFYING or only_encoded]
    # A version is named because a later version of the same key is another credential.
    matched = [
        f"{with_key(match.secret, match.key)}@{match.version}"
        for match in report.matches
        if match.certainty == "exact" and match.version is not None
    ]
    alert = [f"alert:{report.alert}"] if report.alert else []
    if strong or matched or alert:
        return tuple(dict.fromkeys([*strong, *matched, *alert]))
    if report.named_ref:
        return (f"ref:{report.named_ref}",)
    return (f"weak:{_as_is(report).digest}@{report.where}",)


def facts_of(
    case: Case, underlying: Underlying, snapshot: Snapshot, radius: BlastRadius
) -> LeakFacts:
    """Collect what the planner needs, as the graph stands now."""
    refs = dict.fromkeys(
        [*(secret for secret, _ in radius.secrets), *(match.secret for match in case.matches)]
    )
    versions = {str(ref): _version(snapshot, ref) for ref in refs}
    first, _ = first_home(radius)
    issuer = _attribute(snapshot, first, "issuer") or _text(case, "issuer")
    accessor = _text(case, "accessor")
    return LeakFacts(
        incident_id=case.id,
        detector=underlying.detector,
        credential=case.credential,
        store_kind=_store_kind(first, issuer, accessor, kind=_attribute(snapshot, first, "type")),
        matches=tuple(_dated(match, snapshot) for match in case.matches),
        issuer=issuer,
        accessor=accessor,
        entity=_text(case, "entity"),
        bound={name: _text(case, name) for name in BOUND if _text(case, name)},
        where=case.sightings[0].where_name or case.sightings[0].where if case.sightings else "",
        named_ref=underlying.named_ref,
        current_versions=versions,
        playbook=_attribute(snapshot, first, "playbook"),
        metadata=_metadata(snapshot, first),
    )


def _metadata(snapshot: Snapshot, ref: str) -> dict[str, str]:
    """Give what the secret says about itself for playbooks: "playbook_role" and the like."""
    node = snapshot.node(Ref(ref)) if ref else None
    known = node.attributes.items() if node else ()
    return {name: str(value) for name, value in known if name.startswith(FROM_METADATA)}


def _store_kind(first: str, issuer: str, accessor: str, *, kind: str) -> StoreKind:
    """Tell where it is to be revoked: a token of a store there, wherever copies of it lie."""
    if accessor and issuer.startswith("vault://"):
        return "vault_token"
    return store_kind_of(first, kind)


def _places(report: LeakReport, snapshot: Snapshot) -> tuple[Place, ...]:
    if report.named_ref:
        return origins(snapshot, [split_key(report.named_ref)])
    matched = dict.fromkeys((match.secret, match.key) for match in report.matches)
    return origins(snapshot, matched)


def _credential(report: LeakReport) -> Ref:
    known = report.identity_facts.get("credential")
    if isinstance(known, str) and known:
        return Ref(known)
    if report.fingerprints:
        return credential(_as_is(report).digest[:16])
    if report.named_ref:
        return Ref(report.named_ref)
    return credential("alert:" + hashlib.sha256(report.alert.encode()).hexdigest()[:16])


def _as_is(report: LeakReport) -> Fingerprint:
    return next((one for one in report.fingerprints if one.form == "as_is"), report.fingerprints[0])


def _title(report: LeakReport, radius: BlastRadius, where: str) -> str:
    place = f" in {where}" if where else ""
    kind = "Drill: " if report.drill else ""
    for secret, key in radius.secrets:
        return f"{kind}{short_ref(with_key(secret, key))} leaked{place}"
    return f"{kind}{report.detector_name} leaked{place}"


def short_ref(ref: str) -> str:
    """Shorten a ref for a headline: `payments/gateway#token`."""
    bare, _, key = ref.partition("#")
    parts = bare.rpartition("://")[2].split("/")
    shown = "/".join(parts[2:] if bare.startswith("vault://") else [parts[1], parts[-1]])
    return f"{shown}#{key}" if key else shown


def _version(snapshot: Snapshot, ref: Ref) -> int | None:
    node = snapshot.node(ref)
    version = node.attributes.get("version") if node else None
    return version if isinstance(version, int) else None


def _attribute(snapshot: Snapshot, ref: str, name: str) -> str:
    node = snapshot.node(Ref(ref)) if ref else None
    return str(node.attributes.get(name) or "") if node else ""


def _text(case: Case, name: str) -> str:
    value = case.identity_facts.get(name, "")
    return value if isinstance(value, str) else ""
