"""
Makes Slack equal the rows: level-triggered, so that a missed wake-up or a restart loses nothing.

For each incident whose revision is ahead of what its card shows, it works out which messages
there should be (`wanted`) and hands the difference to the outbox. Root card first; its thread
once its place is known. What the messages say is in `views`; how they travel is the courier's.
"""

import hashlib
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Protocol

import orjson
import structlog
from sqlalchemy import Engine

from bot.outbox import DENIED, FAILED, GONE, SENT, Outbox, update_key
from bot.slack.links import permalink
from bot.slack.message_rows import MessageRows, SlackMessageRow
from bot.slack.views.approval import approval_card, superseded_card
from bot.slack.views.blocks import Message
from bot.slack.views.withdrawn import withdrawn_note
from bot.slack.wanted import Wanted, around, card_key, is_file, list_key, root_card
from graph.errors import LocksmithError
from responders.incident import OPEN_STATES, ApprovalState, Case, IncidentState

log = structlog.get_logger()

PATROL_SECONDS = 5.0
REPOST_AFTER_ROUNDS = 12  # a card that Slack refused is tried again about once a minute


class Cases(Protocol):
    """What the publisher reads: `IncidentDesk` and its records together."""

    def case(self, incident_id: str) -> Case:
        """Return one incident."""

    def revisions(self) -> Mapping[str, int]:
        """Return the revision of every incident."""


class Audience(Protocol):
    """Whom to tell personally, as Slack user ids; `bot.slack.directory.Audience`."""

    def approvers(self, case: Case) -> Sequence[str]:
        """Who may decide the open request."""

    def owners(self, case: Case) -> Sequence[str]:
        """Who owns what leaked."""

    def lead(self, case: Case) -> str:
        """Who leads it because somebody else said so; "" if there is nobody to tell."""

    @property
    def alone(self) -> bool:
        """Whether break-glass is set up."""


class Publisher:
    """
    One thread per process. `channel` is the id of the security channel.

    `checkpoint` returns the audit line that is posted when an incident ends. `workspace_url` is
    what links begin with; `attaching` tells whether files may be shared, `shared` whether people
    of another organisation read the channel by now; `give_way` returns when nothing more urgent
    than a message is under way.
    """

    def __init__(
        self,
        engine: Engine,
        cases: Cases,
        outbox: Outbox,
        *,
        channel: str,
        audience: Audience,
        checkpoint: Callable[[], str],
        workspace_url: str = "",
        attaching: Callable[[], bool] = lambda: False,
        shared: Callable[[], bool] = lambda: False,
        give_way: Callable[[], None] = lambda: None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._rows = MessageRows(engine)
        self._cases = cases
        self._outbox = outbox
        self._channel = channel
        self._audience = audience
        self._checkpoint = checkpoint
        self._workspace_url = workspace_url
        self._attaching = attaching
        self._shared = shared
        self._give_way = give_way
        self._clock = clock
        self._due: set[str] = set()
        self._lock = threading.Lock()
        self._wakeup = threading.Event()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._incomplete: set[str] = set()  # waiting for Slack's receipts
        self._refused: dict[str, int] = {}  # key -> rounds to sit out

    def look(self, incident_id: str = "") -> None:
        """Wake it: this incident changed, or (without an id) receipts came in. Never blocks."""
        with self._lock:
            if incident_id:
                self._due.add(incident_id)
            else:
                self._due |= self._incomplete
        self._wakeup.set()

    def start(self) -> None:
        self._stopping.clear()
        self._thread = threading.Thread(target=self._run, name="publisher", daemon=True)
        self._thread.start()

    def stop(self, *, seconds: float = 5) -> None:
        self._stopping.set()
        self._wakeup.set()
        if self._thread is not None:
            self._thread.join(seconds)
            self._thread = None

    def patrol(self) -> None:
        """Publish whatever lags behind, woken or not."""
        shown = self._rows.shown()
        for incident_id, revision in self._cases.revisions().items():
            last, settled = shown.get(incident_id, (-1, False))
            if revision > last or not settled:
                self._guarded(incident_id)

    def publish(self, incident_id: str) -> None:
        """Bring one incident's messages in step with its rows."""
        case = self._cases.case(incident_id)
        rows = self._rows.of(incident_id)
        card = rows.get(card_key(case))
        if card is None and case.state not in OPEN_STATES:
            return  # over before Slack was there: nothing to show
        if self._shared():
            self._withdraw(case, rows)
            return
        listed = self._address(rows.get(list_key(case)), card)
        root = self._keep(case, root_card(case, whole_list=listed), card, self._channel)
        complete = bool(root.ts)
        if root.ts:
            for wanted in self._around(case, rows):
                place = wanted.user or root.channel
                thread = "" if wanted.user else root.ts
                kept = self._keep(case, wanted, rows.get(wanted.key), place, thread_ts=thread)
                complete = complete and (bool(kept.ts) or bool(wanted.user))
            self._settle_copies(case, rows)
        with self._lock:
            (self._incomplete.discard if complete else self._incomplete.add)(incident_id)
        over = complete and case.state not in OPEN_STATES
        if root.revision != case.revision or root.settled != over:
            self._rows.change(root.key, revision=case.revision, settled=over)

    def _withdraw(self, case: Case, rows: Mapping[str, SlackMessageRow]) -> None:
        """Say nothing where outsiders read; those who are told personally still are."""
        withdrawn = withdrawn_note(case)
        for row in rows.values():
            if not row.ts:
                self._take_receipt(row)
            if row.channel == self._channel and not is_file(row.key):
                self._redraw(row, withdrawn)
        for wanted in self._around(case, rows):
            if wanted.user:
                self._keep(case, wanted, rows.get(wanted.key), wanted.user)
        personal = {key: row for key, row in rows.items() if row.channel != self._channel}
        self._settle_copies(case, personal)

    def _address(self, row: SlackMessageRow | None, card: SlackMessageRow | None) -> str:
        if row is None or card is None or not (row.ts and card.ts and self._workspace_url):
            return ""
        return permalink(self._workspace_url, row, root=card)

    def _around(self, case: Case, rows: Mapping[str, SlackMessageRow]) -> list[Wanted]:
        request = case.approval
        pending = request is not None and request.state is ApprovalState.PENDING
        approvers = self._audience.approvers(case) if pending else ()
        told = any(key.startswith(f"{case.id}/owner/") for key in rows)
        owners = () if told or case.state not in OPEN_STATES else self._audience.owners(case)
        closed = case.state is IncidentState.CLOSED
        line = self._checkpoint() if closed else ""
        return around(
            case,
            approvers=approvers,
            owners=owners,
            checkpoint=line,
            alone=self._audience.alone,
            lead=self._audience.lead(case),
            attaching=self._attaching(),
            now=self._clock(),
        )

    def _keep(
        self,
        case: Case,
        wanted: Wanted,
        row: SlackMessageRow | None,
        place: str,
        *,
        thread_ts: str = "",
    ) -> SlackMessageRow:
        """Post what is missing, take over receipts, edit what has changed."""
        digest = _digest(wanted.message)
        if row is None:
            row = self._rows.add(wanted.key, case.id, digest)
        if not row.ts:
            self._send(row, wanted, place, thread_ts)
            row = self._take_receipt(row)
        may_change = wanted.live or row.digest == _digest(withdrawn_note(case))
        if row.ts and may_change and row.digest != digest:
            self._outbox.update(row.channel, row.ts, wanted.message)
            self._rows.change(row.key, digest=digest)
        elif row.ts and wanted.live and self._vanished(row):
            log.warning("card.vanished", incident=case.id)
            self._again(row)
        return row

    def _send(self, row: SlackMessageRow, wanted: Wanted, place: str, thread_ts: str) -> None:
        key, words = _post_key(row), wanted.message
        if wanted.file is None:
            wide = wanted.broadcast
            self._outbox.post(key, place, words, thread_ts=thread_ts, broadcast=wide)
        else:
            name, body = wanted.file
            self._outbox.attach(key, place, words, name=name, body=body, thread_ts=thread_ts)

    def _take_receipt(self, row: SlackMessageRow) -> SlackMessageRow:
        receipt = self._outbox.delivery(_post_key(row))
        if receipt is None:
            return row
        if receipt.state == SENT:
            self._rows.change(row.key, channel=receipt.channel, ts=receipt.ts)
            row.channel, row.ts = receipt.channel, receipt.ts
        elif receipt.state == FAILED and self._sat_out(row.key):
            log.error("card.refused", incident=row.incident_id, problem=receipt.problem)
            self._again(row)
        return row

    def _again(self, row: SlackMessageRow) -> None:
        """Post it anew under another key: Slack refused it, or somebody deleted it."""
        self._rows.change(row.key, generation=row.generation + 1, ts="", digest="")

    def _sat_out(self, key: str) -> bool:
        left = self._refused.get(key, REPOST_AFTER_ROUNDS) - 1
        self._refused[key] = left if left > 0 else REPOST_AFTER_ROUNDS
        return left <= 0

    def _vanished(self, row: SlackMessageRow) -> bool:
        """Tell whether it was deleted, or is out of reach in what was the channel once."""
        receipt = self._outbox.delivery(update_key(row.channel, row.ts))
        if receipt is None:
            return False
        elsewhere = row.channel != self._channel and not row.channel.startswith("D")
        return receipt.state == GONE or (receipt.state == DENIED and elsewhere)

    def _settle_copies(self, case: Case, rows: Mapping[str, SlackMessageRow]) -> None:
        """Edit copies to the outcome, whoever may approve by now, and old requests to their end."""
        request = case.approval
        if request is None:
            return
        current = f"{case.id}/approval/{request.id}"
        outcome = approval_card(case, request, direct=True)
        for key, row in rows.items():
            if key.startswith(f"{current}/") and request.state is not ApprovalState.PENDING:
                self._redraw(row, outcome)
            elif key.startswith(f"{case.id}/approval/") and not key.startswith(current):
                self._redraw(row, superseded_card(case))

    def _redraw(self, row: SlackMessageRow, message: Message) -> None:
        kept = row if row.ts else self._take_receipt(row)
        digest = _digest(message)
        if kept.ts and kept.digest != digest:
            self._outbox.update(kept.channel, kept.ts, message)
            self._rows.change(kept.key, digest=digest)

    def _run(self) -> None:
        self._guarded("")
        while not self._stopping.is_set():
            woken = self._wakeup.wait(PATROL_SECONDS)
            self._wakeup.clear()
            with self._lock:
                due, self._due = self._due, set()
            for incident_id in due:
                self._give_way()
                self._guarded(incident_id)
            if not woken:
                self._guarded("")

    def _guarded(self, incident_id: str) -> None:
        try:
            if incident_id:
                self.publish(incident_id)
            else:
                self.patrol()
        except LocksmithError as error:
            # The next patrol tries again: the rows have not gone anywhere.
            log.warning("card.not_published", incident=incident_id, problem=error.happened)


def _post_key(row: SlackMessageRow) -> str:
    return f"{row.key}~{row.generation}"


def _digest(message: Message) -> str:
    content = orjson.dumps([message.text, message.blocks], option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(content).hexdigest()
