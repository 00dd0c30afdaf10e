"""Cases as values for the tests of the bot: a small incident, and one with as many as you like."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from graph.model import Gap, Match, PicksUp
from graph.queries.blast_radius import BlastRadius, Copy, Opened, OwnerClaim, Reader
from graph.queries.consumers import Consumer, Use
from graph.refs import Ref
from responders.incident import (
    ApprovalRequest,
    ApprovalState,
    Breakage,
    Case,
    Clocks,
    Forecast,
    IncidentState,
    PageState,
    Person,
    Plan,
    PlannedStep,
    Severity,
    Sighting,
    StepProgress,
    StepState,
    TimelineEntry,
)

NOW = datetime(2026, 11, 23, 3, 0, tzinfo=UTC)
RITA = Person("rita@example.com", "Rita", "U0RITA")
SUE = Person("sue@example.com", "Sue", "U0SUE")
GATEWAY = Ref("vault://main/kv/payments/gateway")


def planned(identifier: str, phase: str, *, reversible: bool = True, name: str = "") -> PlannedStep:
    title = name or f"Do {identifier}"
    return PlannedStep(
        id=identifier,
        use="test.step",
        title=title,
        sentence=f"{title} properly.",
        settings={},
        reversible=reversible,
        targets=(GATEWAY,),
        phase=phase,
    )


def make_plan(
    consumers: tuple[Consumer, ...], *, order: str = "rotate-first", name: str = ""
) -> Plan:
    steps = (
        planned("rotate", "rotate", name=name),
        planned("refresh", "refresh", name=name),
        planned("reload", "reload", name=name),
        planned("revoke", "revoke", reversible=False, name=name),
    )
    forecasts = tuple(
        Forecast(
            each,
            f"{each}: what happens. {name}",
            tuple(
                Breakage(consumer.workload, each == "revoke-first", f"breaks at once {name}")
                for consumer in consumers
            ),
        )
        for each in sorted(("rotate-first", "revoke-first"), key=lambda one: one != order)
    )
    return Plan("test", order, steps, forecasts, "f00dfeedf00dfeed" + order[:3], (steps[3].title,))


def make_consumers(count: int, *, name: str = "") -> tuple[Consumer, ...]:
    return tuple(
        Consumer(
            Ref(f"k8s://demo/ns{number % 17}/Deployment/{name or 'api'}-{number}"),
            (Use("env", "app", "token", "env[0]", Ref("k8s://demo/ns/Secret/gateway")),),
            PicksUp.RESTART,
            f"reads it at start {name}",
            3,
            f"team:{name or 'payments'}",
        )
        for number in range(count)
    )


def make_case(
    *,
    state: IncidentState = IncidentState.PLANNED,
    consumers: int = 2,
    name: str = "",
    revision: int = 1,
    approval: ApprovalState | None = None,
) -> Case:
    """Build a case; `name` goes wherever a cluster or a person could put words."""
    used_by = make_consumers(consumers, name=name)
    plan = make_plan(used_by, name=name)
    some = max(1, consumers // 3)
    secret = Ref(f"k8s://demo/payments/Secret/{name or 'gateway'}")
    radius = BlastRadius(
        secrets=((GATEWAY, "token"),),
        copies=tuple(
            Copy(
                Ref(f"{secret}-{n}"),
                "token",
                Ref(f"k8s://demo/payments/ExternalSecret/{n}"),
                3600,
                n % 2 == 0,
            )
            for n in range(some)
        ),
        consumers=used_by,
        readers=tuple(
            Reader(
                Ref(f"k8s://demo/-/User/{name or 'ana'}-{n}"),
                ("get", "list"),
                n % 2 == 0,
                (secret,),
                secret,
                name,
            )
            for n in range(some)
        ),
        owners=tuple(
            OwnerClaim(f"team:{name or 'payments'}-{n}", "label", secret) for n in range(some)
        ),
        opens=tuple(
            Opened(Ref(f"{secret}/opened-{n}"), (GATEWAY, secret, secret), 1, name)
            for n in range(some)
        ),
        gaps=tuple(
            Gap(f"kubernetes/{n}{name}", "secrets", f"not allowed {name}") for n in range(some)
        ),
    )
    request = ApprovalRequest(
        id="req-1",
        state=approval or ApprovalState.PENDING,
        plan_hash=plan.hash,
        requested_by=RITA,
        requested_at=NOW,
        expires_at=NOW + timedelta(hours=8),
        needed=1,
        approvers=tuple(f"{name or 'Sue'} {n}" for n in range(some)),
    )
    return Case(
        id="INC-7",
        title=f"Payments token leaked {name}".strip(),
        state=state,
        severity=Severity.CRITICAL,
        severity_reasons=tuple(f"reason {n} {name}" for n in range(5)),
        detector_name=name or "Token with a prefix",
        credential="credential:abc",
        fingerprint_short="deadbeef",
        matches=(Match(GATEWAY, "token", version=3, current=True, form="as_is"),),
        blast_radius=radius,
        sightings=(Sighting("https://example.com/p1", f"#general{name}", NOW, RITA, SUE, name),),
        clocks=Clocks(NOW, NOW + timedelta(minutes=1), proven_dead=NOW + timedelta(minutes=9)),
        reporter=replace(RITA, name=name or "Rita"),
        opened_at=NOW,
        closed_at=NOW + timedelta(hours=1) if state is IncidentState.CLOSED else None,
        plan=plan,
        progress=progress_of(plan, state, name),
        approval=request if approval or state is IncidentState.WAITING else None,
        pages=tuple(
            PageState(f"team:{name or 'payments'}-{n}", "webhook", n % 2 == 0, name, NOW)
            for n in range(some)
        ),
        timeline=(TimelineEntry(1, NOW, "opened", "locksmith", f"Opened. {name}"),),
        next_action=f"Sue or Ana must approve. {name}",
        revision=revision,
        identity_facts={"policies": tuple(f"{name or 'ci'}-{n}" for n in range(some))},
    )


def progress_of(plan: Plan, state: IncidentState, name: str = "") -> tuple[StepProgress, ...]:
    kinds = {
        IncidentState.RUNNING: (
            StepState.CONFIRMED,
            StepState.CONFIRMED,
            StepState.RUNNING,
            StepState.WAITING,
        ),
        IncidentState.STOPPED: (
            StepState.CONFIRMED,
            StepState.CONFIRMED,
            StepState.UNKNOWN,
            StepState.WAITING,
        ),
        IncidentState.VERIFIED: (StepState.CONFIRMED,) * 4,
        IncidentState.CLOSED: (StepState.CONFIRMED,) * 4,
    }.get(state, (StepState.WAITING,) * 4)
    return tuple(
        StepProgress(step, kind, f"seen: {step.id} {name}", NOW, NOW + timedelta(seconds=5))
        for step, kind in zip(plan.steps, kinds, strict=True)
    )
