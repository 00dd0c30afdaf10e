"""
Sends what lies in the outbox: within Slack's rates, with our own retries, never silently twice.

A post whose reply was lost is looked for (by the message metadata that carries its key) before it
is repeated; where Slack does not let us look, the repeat says that it may be one.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

import orjson
import structlog

from bot.outbox import (
    DENIED,
    FILE,
    GONE,
    LOST,
    POST,
    RESPOND,
    SENDING,
    SENT,
    UPDATE,
    WAITING,
    Outbox,
    OutboxRow,
)
from bot.outbox import FAILED as FAILED_STATE
from bot.rates import TokenBucket
from bot.slack_api import LostReplyError, MessageGoneError, TokenRefusedError
from graph.errors import AccessDeniedError, LocksmithError, NotFoundError, UnavailableError

log = structlog.get_logger()

RETRY_SECONDS = (1.0, 2.0, 5.0, 15.0, 30.0, 60.0)
GIVE_UP_AFTER_ATTEMPTS = 1500  # about a day of an unreachable Slack
TOKEN_SECONDS = 15.0  # between two looks whether a refused token was replaced
UPDATES_PER_MINUTE = 40  # in any minute, those at once included; Slack's own limit is 50
UPDATES_AT_ONCE = 10
LASTING = (POST, FILE)  # what would stand there twice
LONGEST_SLEEP_SECONDS = 1.0  # another process may have added a row


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One message to be sent now; `doubtful`: it may have been sent before."""

    key: str
    kind: str
    channel: str
    address: str
    thread_ts: str
    text: str
    blocks: Sequence[Mapping[str, object]]
    since: float
    doubtful: bool = False
    body: str = ""  # of a file; then `address` is its name
    broadcast: bool = False  # a reply that stands in the channel as well
    beside: str = ""  # of a file: the key of the post in whose conversation it goes


class Sender(Protocol):
    """How a message leaves. Raises what `bot.slack_api.slack_errors` raises."""

    def send(self, outgoing: Outgoing) -> tuple[str, str]:
        """Send; return the channel and ts that Slack gave."""

    def find(self, outgoing: Outgoing) -> tuple[str, str] | None:
        """Look for a post whose reply was lost; None: it is not there. Raises: cannot look."""


class Courier:
    """
    One sending thread per process. `delivered` is called after each row that was settled.

    `card_seconds` is the least time between two updates of one message. Of several processes that
    share an outbox, one sends the updates: that whose `turn` it is. `give_way` returns when nothing
    more urgent than a message is under way.
    """

    def __init__(
        self,
        outbox: Outbox,
        sender: Sender,
        *,
        clock: Callable[[], datetime],
        delivered: Callable[[], None] = lambda: None,
        card_seconds: float = 1.0,
        turn: Callable[[], bool] = lambda: True,
        give_way: Callable[[], None] = lambda: None,
    ) -> None:
        self._outbox = outbox
        self._sender = sender
        self._clock = clock
        self._delivered = delivered
        self._card_seconds = card_seconds
        self._turn = turn
        self._give_way = give_way
        self._updates = TokenBucket(
            burst=UPDATES_AT_ONCE, per_second=(UPDATES_PER_MINUTE - UPDATES_AT_ONCE) / 60
        )
        self._others_turn = False
        self._posts: dict[str, TokenBucket] = {}
        self._paused_until: dict[str, float] = {}  # by kind of call
        self._without_token_until = 0.0
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        self._stopping.clear()
        self._thread = threading.Thread(target=self._run, name="courier", daemon=True)
        self._thread.start()

    def stop(self, *, drain_seconds: float = 5) -> None:
        """Finish the call under way, then stop; what is left is sent after the next start."""
        self._stopping.set()
        self._outbox.filled.set()
        if self._thread is not None:
            self._thread.join(drain_seconds)
            self._thread = None

    def send_due(self) -> float:
        """Send all that may be sent now; return in how many seconds the next look is worth it."""
        wait = LONGEST_SLEEP_SECONDS
        for row in self._outbox.due():
            if self._stopping.is_set():
                break
            self._give_way()
            seconds = self._seconds_to_wait(row)
            if seconds > 0:
                wait = min(wait, seconds)
            elif self._outbox.claim(row):
                self._spend(row)
                self._send(row)
        upcoming = self._outbox.next_due()
        if upcoming is not None and upcoming > self._now():
            wait = min(wait, upcoming - self._now())
        return max(wait, 0.02)

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._outbox.filled.clear()
            try:
                wait = self.send_due()
            except UnavailableError as error:  # the database: what is due stays due
                log.warning("outbox.unreadable", problem=error.happened)
                wait = LONGEST_SLEEP_SECONDS
            self._outbox.filled.wait(wait)

    def _seconds_to_wait(self, row: OutboxRow) -> float:
        now = self._now()
        paused = self._paused_until.get(row.kind, 0.0) - now
        if row.kind != RESPOND:  # such an address needs no token
            paused = max(paused, self._without_token_until - now)
        if paused > 0:
            return paused
        if row.kind == UPDATE:
            return self._updates.wait(now) or self._until_my_turn(now)
        if row.kind in LASTING:
            return self._post_budget(row.channel).wait(now)
        return 0.0

    def _until_my_turn(self, now: float) -> float:
        if not self._turn():
            self._others_turn = True
            return LONGEST_SLEEP_SECONDS
        if self._others_turn:
            self._others_turn = False
            self._updates.spend_all(now)  # the other one may just have made use of the budget
        return self._updates.wait(now)

    def _post_budget(self, channel: str) -> TokenBucket:
        return self._posts.setdefault(channel, TokenBucket(burst=10, per_second=1.0))

    def _spend(self, row: OutboxRow) -> None:
        if row.kind == UPDATE:
            self._updates.take(self._now())
        elif row.kind in LASTING:
            self._post_budget(row.channel).take(self._now())

    def _send(self, row: OutboxRow) -> None:
        # A row found in `sending` belongs to a process that died after the call left.
        doubtful = row.kind in LASTING and row.state in {LOST, SENDING}
        try:
            outgoing = self._placed(_outgoing(row, doubtful=doubtful))
            found = self._look_for(outgoing) if doubtful else None
            channel, ts = found or self._sender.send(outgoing)
        except LostReplyError as error:
            self._later(row, LOST if row.kind in LASTING else WAITING, error)
        except TokenRefusedError as error:
            self._without_token(row, LOST if doubtful else WAITING, error)
        except UnavailableError as error:
            if error.retry_after is not None:
                self._paused_until[row.kind] = self._now() + error.retry_after
            self._later(row, LOST if doubtful else WAITING, error)
        except MessageGoneError as error:
            self._settle(row, {"state": GONE, "problem": error.happened})
        except LocksmithError as error:
            if row.kind == UPDATE and isinstance(error, AccessDeniedError | NotFoundError):
                self._later(row, DENIED, error)  # the message stands, and must become true
                return
            log.error("message.refused", kind=row.kind, problem=error.happened)  # noqa: TRY400
            self._settle(row, {"state": FAILED_STATE, "problem": error.happened})
        else:
            settled = {"state": SENT, "sent_channel": channel, "sent_ts": ts, "attempts": 0}
            due_at = self._now() + self._card_seconds
            self._settle(row, {**settled, "problem": "", "due_at": due_at})

    def _placed(self, outgoing: Outgoing) -> Outgoing:
        """Find the conversation of a file that goes beside a post, once that post is there."""
        if not outgoing.beside:
            return outgoing
        post = self._outbox.delivery(outgoing.beside)
        if post is None or post.state == FAILED_STATE:
            raise NotFoundError("The post that a file goes with could not be made.")
        if post.state != SENT:
            raise UnavailableError("The post that a file goes with is on its way.")
        return replace(outgoing, channel=post.channel)

    def _look_for(self, outgoing: Outgoing) -> tuple[str, str] | None:
        try:
            return self._sender.find(outgoing)
        except UnavailableError:
            raise
        except LocksmithError:
            return None  # not allowed to look: the repeat says that it may be one

    def _without_token(self, row: OutboxRow, state: str, error: TokenRefusedError) -> None:
        """Hold everything back, for as long as it takes: none of it is at fault."""
        log.error("slack.token_refused", problem=error.happened, do_now=error.do_now)
        self._without_token_until = self._now() + TOKEN_SECONDS
        values = {"state": state, "attempts": row.attempts, "problem": error.happened}
        self._settle(row, {**values, "due_at": self._without_token_until})

    def _later(self, row: OutboxRow, state: str, error: LocksmithError) -> None:
        if row.attempts + 1 >= GIVE_UP_AFTER_ATTEMPTS:
            self._settle(row, {"state": FAILED_STATE, "problem": error.happened})
            return
        seconds = RETRY_SECONDS[min(row.attempts, len(RETRY_SECONDS) - 1)]
        if isinstance(error, UnavailableError) and error.retry_after is not None:
            seconds = error.retry_after
        log.warning("message.delayed", kind=row.kind, seconds=seconds, problem=error.happened)
        due_at = self._now() + seconds
        self._settle(row, {"state": state, "due_at": due_at, "problem": error.happened})

    def _settle(self, row: OutboxRow, values: Mapping[str, object]) -> None:
        self._outbox.settle(row, values, pause=self._card_seconds)
        self._delivered()

    def _now(self) -> float:
        return self._clock().timestamp()


def _outgoing(row: OutboxRow, *, doubtful: bool) -> Outgoing:
    content = orjson.loads(row.content)
    return Outgoing(
        key=row.key,
        kind=row.kind,
        channel=row.channel,
        address=row.address,
        thread_ts=row.thread_ts,
        text=content["text"],
        blocks=content["blocks"],
        since=row.created_at,
        doubtful=doubtful,
        body=content.get("body", ""),
        broadcast=content.get("broadcast", False),
        beside=content.get("beside", ""),
    )
