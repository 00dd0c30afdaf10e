"""
Which workflows are under way in this process, so that it can leave as soon as none is.

DBOS itself looks once a second while it waits for them, and waits a second where there are none.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from dbos import DBOS

_LOOK_EVERY = 0.02  # seconds


class InFlight:
    """Knows them from their begin until DBOS has written their result. Thread-safe."""

    def __init__(self) -> None:
        self._ids: set[str] = set()

    @contextmanager
    def under_way(self) -> Iterator[None]:
        """Count the workflow that runs inside; one that ends by an exception has no result."""
        workflow_id = DBOS.workflow_id or ""
        self._ids.add(workflow_id)
        ended = False
        try:
            yield
            ended = True
        finally:
            if not ended:
                self._ids.discard(workflow_id)

    def forget_written(self) -> bool:
        """Drop those whose result is written; True if none is left."""
        known = list(self._ids)
        if known:
            pending = DBOS.list_workflows(
                workflow_ids=known, status="PENDING", load_input=False, load_output=False
            )
            self._ids.difference_update({*known} - {one.workflow_id for one in pending})
        return not self._ids

    def wait(self, seconds: float) -> None:
        """Wait until none is left, `seconds` at the longest."""
        deadline = time.monotonic() + seconds
        while not self.forget_written() and time.monotonic() < deadline:
            time.sleep(_LOOK_EVERY)
