"""How often and how patiently: every duration of the live graph, in one place for all its parts."""

import random
from dataclasses import dataclass

from graph.errors import AccessDeniedError, LocksmithError, UnavailableError


@dataclass(frozen=True, slots=True)
class Pace:
    """
    All in seconds. `interval`: between two looks at what has no watch.

    `discovery`: between two looks at which kinds are served. `inactivity`: a watch that is silent
    for longer is not believed any more; servers send a bookmark about once a minute. `watch`: how
    long the server is asked to keep a watch. `gather`: a change waits this long for others, so
    that a rollout is one write. `patience`: after this time a first listing is no longer waited
    for, and what was read is shown with a gap. `denied`: until a refused permission is asked again.
    """

    interval: float = 300.0
    discovery: float = 30.0
    inactivity: float = 90.0
    watch: float = 300.0
    gather: float = 0.15
    patience: float = 30.0
    denied: float = 30.0
    first_wait: float = 0.5
    longest_wait: float = 30.0

    def wait_after(self, error: LocksmithError, failures: int) -> float:
        """Seconds until the next try: longer each time, never in step with others."""
        if isinstance(error, UnavailableError) and error.retry_after is not None:
            return min(error.retry_after, self.interval) + self._spread(self.first_wait)
        if isinstance(error, AccessDeniedError):
            return self._spread(self.denied)
        doubled = self.first_wait * 2.0 ** min(failures, 16)
        return self._spread(min(doubled, self.longest_wait))

    @staticmethod
    def _spread(seconds: float) -> float:
        return seconds * random.uniform(0.5, 1.0)  # noqa: S311 - no secret hangs on it
