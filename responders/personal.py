"""
What concerns one person: what waits for them, the secrets of their teams, how ready those are.

Read from the rows, the graph and the directory as they are now. What cannot be resolved is left
out here, and stays on the card for everybody.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from graph.errors import LocksmithError
from graph.model import EdgeKind, NodeKind
from graph.queries.copies import origins
from graph.queries.owners import owner_of, owners
from graph.refs import Ref
from graph.snapshot import Snapshot
from responders.approvals import Electorate, fold
from responders.evidence import unreviewed
from responders.incident import OPEN_STATES, ApprovalState, Case, IncidentState, Person, StepState
from responders.mine import Lack, Mine, Readiness, Wait
from responders.placeholders import store_kind_of
from responders.playbook import Credential, Playbook, choose
from responders.records import IncidentRecords
from responders.standing import Standing


@dataclass(frozen=True, slots=True)
class _Held:
    """What one owner has: secrets that nothing fills, and such secrets that its services use."""

    secrets: tuple[Ref, ...]
    used: tuple[Ref, ...]


class Personal:
    """Reads only; the desk decides anew when somebody acts."""

    def __init__(
        self,
        records: IncidentRecords,
        snapshot: Callable[[], Snapshot],
        standing: Standing,
        playbooks: Sequence[Playbook],
    ) -> None:
        self._records = records
        self._snapshot = snapshot
        self._standing = standing
        self._playbooks = playbooks

    def of(self, person: Person) -> Mine:
        """Put it together for `person`."""
        cases = self._records.cases()
        opened = tuple(case for case in cases if case.state in OPEN_STATES)
        snapshot = self._snapshot()
        held = snapshot.once("held by owner", lambda: held_by_owner(snapshot))
        teams = tuple(
            owner for owner in sorted(held) if owner and self._standing.belongs(person, owner)
        )
        secrets = tuple(dict.fromkeys(ref for team in teams for ref in held[team].secrets))
        used = tuple(dict.fromkeys(ref for team in teams for ref in held[team].used))
        return Mine(
            waiting=tuple((case, wait) for case in opened for wait in self._waits(case, person)),
            teams=teams,
            secrets=secrets,
            used=used,
            lacks=self._lacking(snapshot, dict.fromkeys([*secrets, *used]), _rotated(cases)),
            cases=opened,
        )

    def readiness(self) -> tuple[Readiness, ...]:
        """Say of every owner what it has and lacks; what nobody owns comes last."""
        snapshot = self._snapshot()
        rotated = _rotated(self._records.cases())
        held = snapshot.once("held by owner", lambda: held_by_owner(snapshot))
        return tuple(
            Readiness(
                owner,
                its.secrets,
                its.used,
                self._lacking(snapshot, dict.fromkeys([*its.secrets, *its.used]), rotated),
            )
            for owner, its in sorted(held.items(), key=lambda each: (not each[0], each[0]))
        )

    def _waits(self, case: Case, person: Person) -> Iterator[Wait]:
        request = case.approval
        if request is not None and request.state is ApprovalState.PENDING:
            by = request.requested_by
            voted = {fold(vote.person.identity) for vote in request.votes}
            undecided = fold(person.identity) not in voted
            if undecided and _in(person, lambda: self._standing.electorate(case, requester=by)):
                yield Wait.APPROVAL
        if case.state is IncidentState.STOPPED:
            asked = any(each.state is StepState.UNKNOWN for each in case.progress)
            if _in(person, lambda: self._standing.carrier(case, owners_too=asked)):
                yield Wait.STEP
        broke = case.emergency
        others = unreviewed(case) and broke is not None and not _same(broke.person, person)
        if others and _in(person, lambda: self._standing.carrier(case)):
            yield Wait.REVIEW
        if case.lead is not None and _same(case.lead.person, person):
            yield Wait.LEAD

    def _lacking(
        self, snapshot: Snapshot, refs: Iterable[Ref], rotated: frozenset[Ref]
    ) -> Mapping[Lack, tuple[Ref, ...]]:
        lacks: dict[Lack, list[Ref]] = {lack: [] for lack in Lack}
        for ref in refs:
            for lack in self._lacks(snapshot, ref, rotated=ref in rotated):
                lacks[lack].append(ref)
        return {lack: tuple(found) for lack, found in lacks.items() if found}

    def _lacks(self, snapshot: Snapshot, ref: Ref, *, rotated: bool) -> Iterator[Lack]:
        if not owners(snapshot, ref):
            yield Lack.OWNER
        if self._by_hand(snapshot, ref):
            yield Lack.PLAYBOOK
        if not rotated:
            yield Lack.ROTATION

    def _by_hand(self, snapshot: Snapshot, ref: Ref) -> bool:
        """Judge by where it lies and what it says of itself; the value is not looked at."""
        node = snapshot.node(ref)
        said = node.attributes if node else {}
        credential = Credential(
            detector="",
            store=store_kind_of(ref, str(said.get("type") or "")),
            issuer=str(said.get("issuer") or ""),
            playbook=str(said.get("playbook") or ""),
        )
        try:
            return choose(self._playbooks, credential).matches.fallback
        except LocksmithError:
            return True


def held_by_owner(snapshot: Snapshot) -> Mapping[str, _Held]:
    """
    Sort secrets and their use by owner; of a secret and its copies only the origin is named.

    Under "" are the secrets that nobody owns.
    """
    secrets: dict[str, list[Ref]] = {}
    used: dict[str, dict[Ref, None]] = {}
    for node in snapshot.nodes(NodeKind.SECRET):
        copied = bool(snapshot.uses_into(node.ref, EdgeKind.COPIES))
        if copied or node.attributes.get("missing"):
            continue
        secrets.setdefault(owner_of(snapshot, node.ref) or "", []).append(node.ref)
    for node in snapshot.nodes(NodeKind.SECRET):
        homes = [ref for ref, _ in origins(snapshot, [(node.ref, "")])]
        for workload in dict.fromkeys(
            ref for ref, _ in snapshot.tails(node.ref, EdgeKind.CONSUMES)
        ):
            if owner := owner_of(snapshot, workload):
                used.setdefault(owner, {}).update(dict.fromkeys(homes))
    return {
        owner: _Held(tuple(sorted(secrets.get(owner, ()))), tuple(sorted(used.get(owner, ()))))
        for owner in {*secrets, *used}
    }


def _rotated(cases: Iterable[Case]) -> frozenset[Ref]:
    return frozenset(
        secret
        for case in cases
        if case.clocks.rotated is not None
        for secret, _ in case.blast_radius.secrets
    )


def _in(person: Person, ask: Callable[[], Electorate]) -> bool:
    try:
        return fold(person.identity) in ask().may
    except LocksmithError:
        return False


def _same(one: Person, other: Person) -> bool:
    return fold(one.identity) == fold(other.identity)
