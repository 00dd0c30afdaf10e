"""
Works the inbox: a small pool of threads takes entries and does what they ask for.

This is one of the three places that catch everything: an entry that fails must neither stop the
pool nor reach a log with its payload. The person who asked is told what happened, what it means
and what to do; the log gets the kind of error and no more.
"""

import threading
from collections.abc import Callable, Mapping
from datetime import timedelta

import structlog

from bot.inbox import Entry, Inbox
from bot.slack.payloads import Asked, asked
from bot.slack.views.answers import problem_answer
from bot.slack_api import SlackUnavailableError
from bot.work import (
    answering,
    approvals,
    emergencies,
    hooks,
    house,
    listening,
    questions,
    reports,
    runs,
    triage,
    watching,
)
from bot.work.room import Room, answer
from graph.errors import LocksmithError, UnavailableError, raised_at

log = structlog.get_logger()

Errand = Callable[[Entry, Room], None]

THREADS = 4
LEASE_SECONDS = 120.0
IDLE_SECONDS = 1.0  # another process may have put an entry, or a hold may have lapsed
ATTEMPTS = 6
ATTEMPTS_AT_SLACK = 1500  # about a day: until Slack is back nobody could be told either
RETRY_SECONDS = (0.5, 2.0, 5.0, 15.0, 60.0)
REMEMBERED = timedelta(days=2)  # Slack redelivers for a day at most
TIDY_EVERY = 500  # entries

ERRANDS: Mapping[tuple[str, str], Errand] = {
    ("event", "message"): listening.on_message,
    ("event", "app_mention"): listening.on_mention,
    ("event", "app_home_opened"): house.on_home_opened,
    ("event", "subteam_members_changed"): house.on_group_changed,
    ("event", "subteam_updated"): house.on_group_changed,
    ("event", "user_change"): house.on_user_changed,
    ("shortcut", "leak_report_message"): reports.from_shortcut,
    ("shortcut", "leak_report"): reports.open_form,
    ("command", "/leak"): questions.on_command,
    ("action", "leak_report_open"): reports.open_form,
    ("action", "blast_radius_show"): questions.show_blast_radius,
    ("action", "home_search"): answering.on_search,
    ("action", "question_uses"): answering.on_question,
    ("action", "question_readers"): answering.on_question,
    ("action", "question_blast"): answering.on_question,
    ("action", "question_access"): answering.on_question,
    ("action", "question_all"): answering.on_all,
    ("action", "question_share"): answering.on_share,
    ("view", "question_share_form"): answering.on_share_form,
    ("action", "sighting_removed"): watching.on_removed,
    ("action", "offer_take"): reports.on_choice,
    ("action", "plan_rotate_first"): approvals.choose_order,
    ("action", "plan_revoke_first"): approvals.choose_order,
    ("action", "approval_ask"): approvals.ask,
    ("action", "approval_review"): approvals.review,
    ("action", "approval_deny"): approvals.open_denial,
    ("action", "incident_ack"): triage.acknowledge,
    ("action", "assign_open"): triage.open_assignment,
    ("action", "severity_open"): triage.open_severity,
    ("view", "incident_assign"): triage.assign,
    ("view", "severity_change"): triage.change_severity,
    ("action", "run_stop"): runs.stop,
    ("action", "step_retry"): runs.retry,
    ("action", "step_skip"): runs.open_skip,
    ("action", "step_confirm"): runs.open_confirm,
    ("action", "step_although"): runs.open_waiver,
    ("action", "run_undo"): runs.undo,
    ("action", "glass_open"): emergencies.open_break,
    ("action", "glass_review_open"): emergencies.open_review,
    ("view", "glass_break"): emergencies.run_alone,
    ("view", "glass_review"): emergencies.review,
    ("action", "incident_close"): runs.close,
    ("action", "incident_dismiss"): runs.open_dismissal,
    ("hook", "delivery"): hooks.on_delivery,
    ("spill", "count"): watching.count,
    ("spill", "remind"): watching.remind,
    ("spill", "erase"): watching.erase,
    ("spill", "confirm"): watching.confirm,
    ("view", "leak_report_form"): reports.from_form,
    ("view", "approval_give"): approvals.approve,
    ("view", "approval_refuse"): approvals.deny,
    ("view", "step_skip_reason"): runs.skip,
    ("view", "step_confirm_evidence"): runs.confirm,
    ("view", "step_although_reason"): runs.revoke_although,
    ("view", "incident_waive"): runs.waive,
    ("view", "incident_dismiss_reason"): runs.dismiss,
}


class Worker:
    """The pool. Several processes may work one inbox: entries are leased."""

    def __init__(self, inbox: Inbox, room: Room, *, threads: int = THREADS) -> None:
        self._inbox = inbox
        self._room = room
        self._size = threads
        self._threads: list[threading.Thread] = []
        self._stopping = threading.Event()
        self._worked = 0

    def start(self) -> None:
        self._stopping.clear()
        self._threads = [
            threading.Thread(target=self._run, name=f"worker-{number}", daemon=True)
            for number in range(self._size)
        ]
        for thread in self._threads:
            thread.start()

    def stop(self, *, seconds: float = 10) -> None:
        """Let each thread finish its entry; what is left is taken after the next start."""
        self._stopping.set()
        self._inbox.wake()
        for thread in self._threads:
            thread.join(seconds)
        self._threads = []

    def work_one(self) -> bool:
        """Take one entry and do it; False if there was none."""
        entry = self._inbox.take(lease_seconds=LEASE_SECONDS)
        if entry is None:
            return False
        with structlog.contextvars.bound_contextvars(kind=entry.kind, name=entry.name):
            self._work(entry)
        self._worked += 1
        if self._worked % TIDY_EVERY == 0:
            self._inbox.forget(older_than=REMEMBERED)
            self._room.outbox.forget(older_than=REMEMBERED)
        return True

    def _work(self, entry: Entry) -> None:
        errand = ERRANDS.get((entry.kind, entry.name))
        if errand is None:
            self._inbox.done(entry)
            return
        try:
            errand(entry, self._room)
        except UnavailableError as error:
            self._again_or_tell(entry, error)
        except LocksmithError as error:
            log.info("entry.refused", error=type(error).__name__, happened=error.happened)
            self._tell(entry, error)
            self._inbox.done(entry)
        except Exception as error:  # noqa: BLE001 - the border of the worker
            # No traceback: its frames and its text may hold what was pasted.
            log.error("entry.failed", error=type(error).__name__, where=raised_at(error))  # noqa: TRY400
            self._tell(entry, _defect())
            self._inbox.give_up(entry)
        else:
            self._inbox.done(entry)

    def _again_or_tell(self, entry: Entry, error: UnavailableError) -> None:
        log.warning("entry.delayed", happened=error.happened, attempts=entry.attempts)
        slack = isinstance(error, SlackUnavailableError)
        if entry.attempts < (ATTEMPTS_AT_SLACK if slack else ATTEMPTS):
            step = RETRY_SECONDS[min(entry.attempts, len(RETRY_SECONDS)) - 1]
            self._inbox.again(entry, after_seconds=error.retry_after or step)
            return
        self._tell(entry, error)
        self._inbox.give_up(entry)

    def _tell(self, entry: Entry, error: LocksmithError) -> None:
        """Tell the one who asked; an event has nobody to tell."""
        by: Asked = asked(entry.payload)
        if not by.user:
            return
        message = problem_answer(error.happened, error.means, error.do_now)
        try:
            answer(self._room, entry, by, message, part="problem")
        except LocksmithError as untold:
            log.warning("person.not_told", happened=untold.happened)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                if not self.work_one() and not self._stopping.is_set():
                    self._inbox.wait(IDLE_SECONDS)
            except LocksmithError as error:  # the database: nothing is lost, it is tried again
                log.warning("inbox.unreadable", happened=error.happened)
                self._stopping.wait(IDLE_SECONDS)


def _defect() -> LocksmithError:
    return LocksmithError(
        "Something in Locksmith itself broke while it did this.",
        means="It may be half done; what you typed was not kept and not logged.",
        do_now="Look at /leak status, then try again; report the defect with the time of day.",
    )
