"""
Budgets for calls to Slack: token buckets with the time passed in. Pure, not thread-safe.

Source of the numbers: docs.slack.dev, rate limits: chat.update is tier 3 (50 a minute for the
whole workspace), chat.postMessage about one a second for each channel.
"""


class TokenBucket:
    """Holds `burst` tokens at most, gains `per_second` of them; times are seconds of any clock."""

    def __init__(self, *, burst: float, per_second: float) -> None:
        self._burst = burst
        self._per_second = per_second
        self._tokens = burst
        self._at: float | None = None

    def wait(self, now: float) -> float:
        """Return in how many seconds a token will be there; 0 if now. Takes nothing."""
        self._fill(now)
        return 0.0 if self._tokens >= 1 else (1 - self._tokens) / self._per_second

    def take(self, now: float) -> None:
        """Take one token; the caller has asked `wait` before."""
        self._fill(now)
        self._tokens -= 1

    def spend_all(self, now: float) -> None:
        self._fill(now)
        self._tokens = 0.0

    def _fill(self, now: float) -> None:
        if self._at is not None and now > self._at:
            self._tokens = min(self._burst, self._tokens + (now - self._at) * self._per_second)
        self._at = now if self._at is None else max(now, self._at)
