"""How things of the graph and of an incident are called on a card: refs, owners, people, states."""

from urllib.parse import unquote

from bot.slack.views.text import code, plain, said
from graph.refs import split_key
from responders.incident import Case, IncidentState, Person, Severity, StepState

SEVERITY_ICON = {
    Severity.CRITICAL: "🔴",
    Severity.HIGH: "🟠",
    Severity.MEDIUM: "🟡",
    Severity.LOW: "🔵",
}
STATE_WORDS = {
    IncidentState.OPEN: "open",
    IncidentState.PLANNED: "planned, not yet asked",
    IncidentState.WAITING: "waiting for approval",
    IncidentState.RUNNING: "running",
    IncidentState.STOPPED: "STOPPED, a person must act",
    IncidentState.VERIFIED: "verified, ready to close",
    IncidentState.CLOSED: "closed",
    IncidentState.FALSE_ALARM: "false alarm",
}
STEP_ICON = {
    StepState.WAITING: "▫️",
    StepState.RUNNING: "⏳",
    StepState.CONFIRMED: "✅",
    StepState.REFUTED: "❌",
    StepState.FAILED: "❌",
    StepState.UNKNOWN: "❓",
    StepState.UNDONE: "↩️",
    StepState.SKIPPED: "⏭️",
}
ORDER_WORDS = {"rotate-first": "Rotate first", "revoke-first": "Revoke first"}
RECOMMENDED_ORDER = "rotate-first"
K8S_PARTS = 4  # cluster, namespace, kind, name


def ref_name(ref: str) -> str:
    """Shorten a ref for reading: "payments/Deployment/api" for k8s, others as they are."""
    bare, key = split_key(ref)
    scheme, _, rest = bare.partition("://")
    parts = [unquote(part) for part in rest.split("/")]
    if scheme == "k8s" and len(parts) >= K8S_PARTS:
        kept = parts[2:] if parts[1] == "-" else parts[1:]
        return "/".join(kept) + (f"#{key}" if key else "")
    return unquote(ref)


def ref_code(ref: str) -> str:
    return code(ref_name(ref))


def place_of(ref: str) -> str:
    """Name where a workload runs: "demo/payments" (cluster, namespace)."""
    scheme, _, rest = ref.partition("://")
    parts = [unquote(part) for part in rest.split("/")]
    return "/".join(parts[:2]) if scheme == "k8s" and len(parts) >= K8S_PARTS else "elsewhere"


def short_name(ref: str) -> str:
    """Name a workload inside its place: "Deployment/api"."""
    scheme, _, rest = ref.partition("://")
    parts = [unquote(part) for part in rest.split("/")]
    return "/".join(parts[2:]) if scheme == "k8s" and len(parts) >= K8S_PARTS else ref_name(ref)


def owner_name(owner: str) -> str:
    """Turn "team:payments" into "payments"; an empty owner is said to be unknown."""
    return unquote(owner.partition(":")[2] or owner) if owner else "no known owner"


def incident_name(case: Case) -> str:
    """Name an incident where several may be open: how bad, its id, what leaked."""
    return f"{SEVERITY_ICON[case.severity]} {code(case.id)} *{said(case.title, 150)}*"


def who(person: Person | None) -> str:
    """Mention a person without a ping in text that everybody reads: the name, not the id."""
    if person is None:
        return "somebody"
    return said(person.name or person.identity, 80)


def order_words(order: str) -> str:
    return ORDER_WORDS.get(order) or plain(order.replace("-", " "), 40)
