"""
Durable runs on DBOS Transact: one workflow per start of an approved plan, one per paging.

DBOS remembers that a workflow has to be finished, on our own database; what was done is in our
rows (`journal`), so that a workflow may be run again from its start at any time. Each process
has an executor name of its own and a lease; a process that is dead loses its workflows to the
next one that looks (`_look_after`), which is also how a restart after kill -9 resumes. Workflow
arguments are ids only. DBOS is one per process, so there is one launched engine per process.

Source: https://docs.dbos.dev/python/reference/dbos-class (configuration, workflows, recovery).
"""

import os
import threading
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

import structlog
from dbos import DBOS, DBOSConfig, DBOSPortableJSONSerializer, SetWorkflowID
from sqlalchemy import make_url

from graph.connections import Connections
from graph.errors import LocksmithError
from graph.fingerprints import Fingerprinter
from graph.uses import UseLogs
from responders.closing import close_if_proven
from responders.in_flight import InFlight
from responders.incident import IncidentState, PlannedStep
from responders.leases import Leases, new_executor
from responders.limits import EngineSettings
from responders.pager import PageAnswer
from responders.records import IncidentRecords
from responders.run_rows import Run
from responders.runner import StepRunner, Tools, sentence_of
from responders.silence_gate import SilenceGate
from responders.step import AnyStep
from responders.switchboard import Switchboard
from responders.way_back import in_order, made

_log = structlog.get_logger()

# Grows only when the order of durable steps inside a workflow changes: DBOS resumes a workflow
# only under the version that began it. Runs of another version are begun anew from our rows.
WORKFLOWS_VERSION = "locksmith-workflows-3"

_ENDED = frozenset({"SUCCESS", "ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED"})
_TICK_SECONDS = 2.0


def _pass_by(point: str) -> None:
    """Tell nobody: only the crash tests listen."""


class RunEngine:
    """Starts, resumes and takes over runs. `passing` is told each point that a run passes."""

    def __init__(
        self,
        records: IncidentRecords,
        *,
        steps: Mapping[str, AnyStep],
        connections: Connections,
        fingerprinter: Fingerprinter,
        switchboard: Switchboard,
        settings: EngineSettings,
        database_url: str,
        now: Callable[[], datetime],
        default_owner: str = "team:security",
        passing: Callable[[str], None] = _pass_by,
        version: str = WORKFLOWS_VERSION,
        logs: UseLogs | None = None,
    ) -> None:
        self._version = version
        self.settings = settings
        self._records = records
        self._journal = records.journal
        self.chores: list[Callable[[], None]] = []  # what housekeeping does for others
        self._switchboard = switchboard
        self._database_url = database_url
        self._default_owner = default_owner
        self._passing = passing
        self._executor = new_executor()
        self._leaving = threading.Event()
        self._wake = threading.Event()
        self._in_flight = InFlight()
        self._launched = False
        self._begun: set[str] = set()  # spares asking DBOS again and again
        lease = timedelta(seconds=settings.lease_seconds)
        self._leases = Leases(records.ledger, self._executor, lease=lease)
        self._next_beat: datetime | None = None
        self._now = now
        self._runner = StepRunner(
            self._journal,
            Tools(steps, connections, fingerprinter, now),
            settings,
            executor=self._executor,
            leaving=self._leaving,
            passing=passing,
            may=SilenceGate(records, logs, silent_seconds=settings.silent_seconds).require,
        )
        self._housekeeper = threading.Thread(
            target=self._keep_house, name="locksmith-housekeeping", daemon=True
        )

    def launch(self) -> None:
        """Begin: take over what dead processes left, then keep house until `stop`."""
        self._leases.beat()
        DBOS(config=self._config())
        self._run_plan = self._workflow("locksmith.run", self._run_plan_workflow)
        self._undo_plan = self._workflow("locksmith.undo", self._undo_plan_workflow)
        self._page = self._workflow("locksmith.page", self._page_workflow)
        self._resolve = self._workflow("locksmith.resolve", self._resolve_workflow)
        self._summon = self._workflow("locksmith.summon", self._summon_workflow)
        DBOS.launch()
        self._launched = True
        self._housekeeper.start()
        _log.info("engine.launched", executor=self._executor, mode=str(self.settings.mode))

    def stop(self, seconds: int = 10) -> None:
        """
        End: let steps in flight come to a commit for `seconds`, then leave.

        What is not finished stays pending and is taken up by the next process.
        """
        if not self._launched:
            return
        self._launched = False
        self._leaving.set()
        self._wake.set()
        self._housekeeper.join(timeout=seconds)
        self._in_flight.wait(seconds)
        DBOS.destroy(destroy_registry=True, workflow_completion_timeout_sec=0)
        self._leases.end()

    def processes(self) -> int:
        """Count the living processes on this database, with this one once it is launched."""
        return self._leases.living()

    def start(self, plan_id: str) -> None:
        """
        Start or continue the run of an approved plan; harmless to repeat.

        In a process whose engine is not launched nothing happens here: the process that serves
        finds the running incident within seconds.
        """
        if not self._launched:
            return
        run = self._journal.run(plan_id)
        workflow = self._undo_plan if run.undoing else self._run_plan
        with SetWorkflowID(run.workflow_id):
            DBOS.start_workflow(workflow, plan_id)

    def page(self, incident_id: str, reported_at: datetime) -> None:
        """Reach the owners, durably and once per opening (`reported_at` tells openings apart)."""
        self._start_once(f"page:{incident_id}:{reported_at.timestamp():.6f}", incident_id)

    def page_answered(self, answer: PageAnswer) -> str:
        """Keep what somebody did with a page where it rang; return its incident, or ""."""
        incident_id = self._switchboard.answered(answer)
        if incident_id:
            self.page(incident_id, self._now())  # if it was let go, its time runs again
        return incident_id

    def call_off(self, incident_id: str) -> None:
        """Tell the pagers that it is over, once for each end, whichever process noticed it."""
        if name := self._end_of(incident_id):
            self._start_once(name, incident_id)

    def _end_of(self, incident_id: str) -> str:
        closed_at = self._records.case(incident_id).closed_at
        return f"resolve:{incident_id}:{int(closed_at.timestamp())}" if closed_at else ""

    def _start_once(self, workflow_id: str, subject: str) -> None:
        if not self._launched or workflow_id in self._begun:
            return
        kind = workflow_id.partition(":")[0]
        workflow = {"page": self._page, "resolve": self._resolve, "summon": self._summon}[kind]
        with SetWorkflowID(workflow_id):
            DBOS.start_workflow(workflow, subject)
        self._begun.add(workflow_id)

    def _run_plan_workflow(self, plan_id: str) -> str:
        run = self._journal.run(plan_id)
        for step in run.plan.steps:
            if not DBOS.run_step({"name": step.id}, self._runner.run, run, step):
                self._wake.set()  # if the run turned round, housekeeping starts its way back
                return "stopped"
        closed = DBOS.run_step({"name": "finish"}, self._finish, run)
        if closed and (name := self._end_of(run.incident_id)):
            with SetWorkflowID(name):  # housekeeping, here or elsewhere, may have begun the same
                DBOS.start_workflow(self._resolve, run.incident_id)
        return "finished"

    def _undo_plan_workflow(self, plan_id: str) -> str:
        run = self._journal.run(plan_id)
        for step in in_order(run.plan):
            if not DBOS.run_step({"name": f"undo {step.id}"}, self._undo_step, run, step):
                return "stopped"
        for step in made(run.plan, self._runner.makes()):
            DBOS.run_step({"name": f"clear up {step.id}"}, self._runner.clear_up, run, step)
        DBOS.run_step({"name": "undone"}, self._end_undo, run)
        return "undone"

    def _page_workflow(self, incident_id: str) -> str:
        case = self._records.case(incident_id)
        for owner in self._switchboard.owners(case, self._default_owner):
            DBOS.run_step({"name": f"page {owner}"}, self._page_owner, incident_id, owner)
        return "paged"

    def _resolve_workflow(self, incident_id: str) -> str:
        DBOS.run_step({"name": "resolve"}, self._call_off, incident_id)
        return "called off"

    def _summon_workflow(self, subject: str) -> str:
        incident_id, _, topic = subject.partition(" ")
        DBOS.run_step({"name": "summon"}, self._call, incident_id, topic)
        return "called"

    def _finish(self, run: Run) -> bool:
        self._passing("finish")
        self._journal.finish(run.plan_id)
        self._passing("finished")
        closed = close_if_proven(self._records, run.incident_id)
        self._passing("closed")
        return closed

    def _undo_step(self, run: Run, step: PlannedStep) -> bool:
        try:
            self._runner.undo(run, step)
        except LocksmithError as error:
            because = f"“{step.title}” could not be undone: {sentence_of(error)}"
            self._halt(run, because)
            return False
        return True

    def _end_undo(self, run: Run) -> None:
        self._passing("undone")
        self._journal.way_back.finish(run)

    def _halt(self, run: Run, because: str) -> None:
        self._journal.halt(
            run.incident_id, because, actor="locksmith", kind="stopped", number=run.number
        )

    def _page_owner(self, incident_id: str, owner: str) -> bool:
        return self._switchboard.page(self._records.case(incident_id), owner)

    def _call_off(self, incident_id: str) -> None:
        self._switchboard.resolve(self._records.case(incident_id))

    def _call(self, incident_id: str, topic: str) -> None:
        self._switchboard.page(self._records.case(incident_id), f"{self._default_owner} ({topic})")
        self._records.summons.made(incident_id, topic)

    def _keep_house(self) -> None:
        while not self._leaving.is_set():
            try:
                self._look_after()
            except Exception as error:  # noqa: BLE001 - the worker loop: the next round may do better
                _log.warning("housekeeping.failed", kind=type(error).__name__)
            self._wake.wait(min(_TICK_SECONDS, self.settings.lease_seconds / 3))
            self._wake.clear()

    def _look_after(self) -> None:
        """Do everything that must happen without anybody asking for it."""
        if self._next_beat is None or self._now() >= self._next_beat:
            self._leases.beat()
            self._next_beat = self._now() + timedelta(seconds=self.settings.lease_seconds / 3)
        self._in_flight.forget_written()
        self._take_over()
        self._records.ballot.expire_due()
        for incident_id, topic in self._records.summons.due():
            self._start_once(f"summon:{incident_id}:{topic}", f"{incident_id} {topic}")
        for run in self._journal.running():
            self._reconcile(run)
        for incident_id, state, reported_at in self._records.still_open():
            self.page(incident_id, reported_at)
            if state is IncidentState.VERIFIED and close_if_proven(self._records, incident_id):
                _log.info("incident.closed", incident=incident_id)
        for incident_id, name in self._switchboard.due():
            self._start_once(f"page:{incident_id}:{name}", incident_id)
        for incident_id in self._journal.pages.over():
            self.call_off(incident_id)
        for chore in self.chores:
            chore()

    def _take_over(self) -> None:
        for dead in self._leases.dead():
            pending = DBOS.list_workflows(status="PENDING", executor_id=dead, load_input=False)
            ours = [run.workflow_id for run in pending if run.app_version == self._version]
            others = [run.workflow_id for run in pending if run.app_version != self._version]
            if ours:
                DBOS.resume_workflows(ours)
            if others:
                DBOS.cancel_workflows(others)  # `_reconcile` begins these runs anew
            if pending:
                _log.warning("runs.taken_over", of=dead, runs=len(pending), anew=len(others))
            self._leases.forget(dead)

    def _reconcile(self, run: Run) -> None:
        """Start what was approved but never started; stop what ended without saying why."""
        status = DBOS.get_workflow_status(run.workflow_id)
        if status is None:
            self.start(run.plan_id)
        elif status.status == "CANCELLED" and status.app_version != self._version:
            self._journal.begin_again(run)
            self.start(run.plan_id)
        elif status.status in _ENDED:
            self._halt(run, "The run ended without a result; the log tells why. Retry it.")

    def _workflow(self, name: str, body: Callable[[str], str]) -> Callable[[str], str]:
        """Register a method as a workflow; DBOS marks functions, and methods cannot be marked."""

        def workflow(subject: str) -> str:
            with self._in_flight.under_way():
                return body(subject)

        return DBOS.workflow(name=name)(workflow)

    def _config(self) -> DBOSConfig:
        return DBOSConfig(
            name="locksmith",
            system_database_url=_system_database(self._database_url),
            application_version=self._version,
            executor_id=self._executor,
            serializer=DBOSPortableJSONSerializer(),
            enable_otlp=False,
            log_level="WARNING",
        )


def _system_database(database_url: str) -> str:
    """Use PostgreSQL as it is; for SQLite a sibling file, so that two writers do not collide."""
    url = make_url(database_url)
    if url.get_backend_name() != "sqlite":
        return url.set(drivername="postgresql").render_as_string(hide_password=False)
    path = f"{str(url.database).removesuffix('.db')}-runs.db"
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))  # for its owner only, like ours
    return f"sqlite:///{path}"
