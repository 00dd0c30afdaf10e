"""
Turns a playbook and the graph into a plan: concrete steps in order, waves, forecasts, a hash.

Pure: the only foreign code it calls are `Settings`, `preview` and `targets` of steps, which make
no calls. The hash covers the steps, their order and the facts that they rest on, so that an
approval is worthless as soon as any of these is another one.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import groupby

from pydantic import ValidationError

from graph.errors import BadInputError
from graph.queries.blast_radius import BlastRadius
from graph.queries.consumers import Consumer
from graph.refs import namespace_of, parse
from responders.canonical import digest
from responders.forecast import ROTATE_FIRST, forecast, needs_restart
from responders.incident import Forecast, Plan, PlannedStep
from responders.old_use import foretold
from responders.placeholders import LeakFacts, Values, fill, fill_text, homes, values_for
from responders.playbook import Credential, Playbook, PlaybookStep, choose
from responders.step import AnyStep
from responders.way_back import Rollback, WayBack

LARGEST_WAVE = 3
_ROTATION = frozenset({"rotate", "refresh", "reload"})


@dataclass(frozen=True, slots=True)
class _Material:
    """What the steps of one plan are made of."""

    facts: LeakFacts
    radius: BlastRadius
    waves: tuple[tuple[Consumer, ...], ...]
    file_seconds: Mapping[str, float]


class Planner:
    """
    Drafts plans from the playbooks and steps of this installation.

    `file_seconds`: how long the kubelets of a cluster take at most to rewrite a mounted file.
    `logs`: the audit logs that are read, which a revocation waits for, for `silent_seconds`.
    """

    def __init__(
        self,
        playbooks: Mapping[str, Playbook],
        steps: Mapping[str, AnyStep],
        *,
        file_seconds: Mapping[str, float] | None = None,
        logs: Collection[str] = (),
        silent_seconds: float = 0.0,
        rollback: Rollback = Rollback.AUTOMATIC,
    ) -> None:
        self._logs = logs
        self._silent = timedelta(seconds=silent_seconds)
        self._rollback = rollback
        self._playbooks = playbooks
        self._steps = steps
        self._file_seconds = file_seconds or {}

    def draft(
        self, facts: LeakFacts, blast_radius: BlastRadius, *, order: str | None = None
    ) -> tuple[Plan, str]:
        """
        Draft the plan; the second part is a note where the fitting playbook could not be used.

        Raises:
            BadInputError: the playbook lacks the asked order, or names what does not exist.
            NotFoundError: no playbook fits.
        """
        credential = Credential(facts.detector, facts.store_kind, facts.issuer, facts.playbook)
        playbook = choose(self._playbooks.values(), credential)
        missing = facts.playbook not in {"", playbook.name}
        note = f"There is no “{facts.playbook}”, which it asks for." if missing else ""
        try:
            return self.apply(playbook, facts, blast_radius, order=order), note
        except BadInputError as error:
            fallback = next(
                (each for each in self._playbooks.values() if each.matches.fallback), None
            )
            if order is not None or fallback is None or fallback is playbook:
                raise
            return self.apply(fallback, facts, blast_radius), error.happened

    def apply(
        self,
        playbook: Playbook,
        facts: LeakFacts,
        blast_radius: BlastRadius,
        *,
        order: str | None = None,
    ) -> Plan:
        """
        Apply one playbook; raises BadInputError (see `draft`).

        Where the leaked version is not the current one, nothing is rotated or restarted.
        """
        chosen = order or next(iter(playbook.orders))
        if chosen not in playbook.orders:
            raise BadInputError(
                f"The playbook {playbook.name} has no order “{chosen}”.",
                do_now=f"It offers: {', '.join(playbook.orders)}.",
            )
        waves = () if facts.stale else waves_of(blast_radius.consumers)
        material = _Material(facts, blast_radius, waves, self._file_seconds)
        steps = tuple(
            step
            for step_id in playbook.orders[chosen]
            for step in self._expand(playbook, step_id, material)
        )
        if not steps:
            raise BadInputError(
                f"The playbook {playbook.name} leaves nothing to do for this leak.",
                do_now="Add a step of phase revoke or verify to it.",
            )
        others = [each for each in playbook.orders if each != chosen]
        return Plan(
            playbook=playbook.name,
            order=chosen,
            steps=steps,
            forecasts=tuple(_forecast(each, material) for each in (chosen, *others)),
            hash=_hash(chosen, steps, material),
            irreversible=tuple(step.title for step in steps if self._steps[step.use].final),
            rollback=self._rollback,
            use=self._use(chosen, steps),
        )

    def _use(self, order: str, steps: Sequence[PlannedStep]) -> str:
        """Say whether anybody will know that the old value is still used; "" if none is ended."""
        ends = [step for step in steps if self._steps[step.use].final and step.phase == "revoke"]
        if not ends:
            return ""
        return foretold(
            (step.shown_in for step in ends),
            self._logs,
            asked=any(self._steps[step.use].asks_use for step in steps),
            waits=order == ROTATE_FIRST,
            silent=self._silent,
        )

    def _expand(
        self, playbook: Playbook, step_id: str, material: _Material
    ) -> Iterable[PlannedStep]:
        step = playbook.steps[step_id]
        if material.facts.stale and step.phase in _ROTATION:
            return
        if step.only and (step.only == "in_vault") != (material.facts.store_kind == "vault_kv"):
            return
        member = self._steps.get(step.use)
        if member is None:
            raise BadInputError(
                f"The playbook {playbook.name} uses the step {step.use}, which is not installed.",
                do_now=f"Installed are: {', '.join(sorted(self._steps))}.",
            )
        for number, values in enumerate(_each(step, material), start=1):
            planned_id = step_id if step.for_each == "once" else f"{step_id}:{number}"
            if not _aimless(step, values):
                fitting = self._for_sync(member, str(values.get("sync", "")))
                yield _plan_step(playbook, planned_id, step, fitting, values)

    def _for_sync(self, member: AnyStep, sync: str) -> AnyStep:
        """Take the step that makes syncs of this kind copy; without one, the playbook's own."""
        kind = parse(sync).path[2] if sync.startswith("k8s://") else ""
        if not member.syncs or not kind or kind in member.syncs:
            return member
        return next((each for each in self._steps.values() if kind in each.syncs), member)


def waves_of(consumers: Sequence[Consumer]) -> tuple[tuple[Consumer, ...], ...]:
    """
    Group the workloads to restart: namespace by namespace, few replicas first, three at most.

    Replicas count only as “at most one” or more, so that an autoscaler does not change the plan.
    """
    restarted = sorted(
        (consumer for consumer in consumers if needs_restart(consumer)), key=_restart_order
    )
    waves: list[tuple[Consumer, ...]] = []
    for _, group in groupby(restarted, key=lambda each: _restart_order(each)[:2]):
        members = list(group)
        waves += [
            tuple(members[start : start + LARGEST_WAVE])
            for start in range(0, len(members), LARGEST_WAVE)
        ]
    return tuple(waves)


def _restart_order(consumer: Consumer) -> tuple[str, bool, str]:
    replicas = 1 if consumer.replicas is None else consumer.replicas
    return (str(namespace_of(consumer.workload) or ""), replicas > 1, str(consumer.workload))


def _each(step: PlaybookStep, material: _Material) -> Iterable[Values]:
    facts, radius, waves = material.facts, material.radius, material.waves
    restarted = [str(each.workload) for wave in waves for each in wave]
    everything = values_for(facts, radius, workloads=restarted)
    if step.for_each == "once":
        yield everything
    elif step.for_each == "secret":
        for home in homes(facts, radius):
            yield values_for(facts, radius, workloads=restarted, at=home)
    elif step.for_each == "sync":
        for copy in radius.copies:
            if copy.via is not None:
                yield everything | {
                    "sync": str(copy.via),
                    "target": str(copy.secret),
                    "target_key": copy.key,
                }
    else:
        for number, wave in enumerate(waves, start=1):
            yield everything | {
                "workloads": [str(each.workload) for each in wave],
                "wave": number,
                "waves": len(waves),
            }


def _aimless(step: PlaybookStep, values: Values) -> bool:
    """Whether a step about workloads has none to be about."""
    lists = ("workloads", "watched_workloads", "consumers")
    return any(
        value == f"{{{name}}}" and not values.get(name)
        for value in step.settings.values()
        for name in lists
    )


def _plan_step(
    playbook: Playbook, planned_id: str, step: PlaybookStep, member: AnyStep, values: Values
) -> PlannedStep:
    try:
        settings = member.Settings.model_validate(fill(step.settings, values))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise BadInputError(
            f"The playbook {playbook.name} cannot be used here: its step {planned_id} "
            f"({step.use}) lacks {where or 'a setting'}: {first['msg']}.",
            means="The graph does not know what the step needs.",
            do_now="Fill the graph (`locksmith collect`), or use another playbook.",
        ) from None
    return PlannedStep(
        id=planned_id,
        use=member.name,
        title=fill_text(step.title, values),
        sentence=member.preview(settings),
        settings=settings.model_dump(mode="json"),
        reversible=member.reversible,
        targets=member.targets(settings),
        phase=step.phase,
        way_back=_way_back(member, step.phase),
        shown_in=member.shown_in(settings),
    )


def _way_back(member: AnyStep, phase: str) -> WayBack:
    """Judge by what the step declares; what is revoked stays revoked, whatever it declares."""
    if phase == "revoke":
        return WayBack.NONE
    if member.follows:
        return WayBack.FOLLOWS
    if member.reversible:
        return WayBack.UNDONE
    if member.by_hand:
        return WayBack.STAYS if phase == "verify" else WayBack.NONE
    return WayBack.STAYS if member.harmless or not member.changes_world else WayBack.NONE


def _forecast(order: str, material: _Material) -> Forecast:
    return forecast(
        order,
        material.radius.consumers,
        waves=len(material.waves),
        stale=material.facts.stale,
        file_seconds=material.file_seconds,
    )


def _hash(order: str, steps: Sequence[PlannedStep], material: _Material) -> str:
    radius, facts = material.radius, material.facts
    return digest(
        {
            "order": order,
            "steps": [
                [step.id, step.use, step.settings, list(step.targets), step.phase] for step in steps
            ],
            "consumers": sorted(
                [
                    each.workload,
                    each.picks_up,
                    sorted([use.secret, use.key, use.how] for use in each.via),
                ]
                for each in radius.consumers
            ),
            "copies": sorted(
                [each.secret, each.key, str(each.via or "")] for each in radius.copies
            ),
            "secrets": sorted([*each] for each in radius.secrets),
            "versions": sorted(
                [place, str(version)] for place, version in facts.current_versions.items()
            ),
        }
    )
