"""
The answer "no" of the workspace, as Slack words it.

One exception for both sides: the app gets it as `{"ok": false, "error": ...}`, a person's driver
gets it raised. Error codes are Slack's own (docs.slack.dev/reference/methods); none is invented.
"""

from typing import Any

Json = dict[str, Any]


class Refusal(Exception):  # noqa: N818 (not an error: it is an answer)
    """What Slack answers instead of doing it. `error` is Slack's code, `extra` goes beside it."""

    def __init__(self, error: str, **extra: Any) -> None:
        super().__init__(error)
        self.error = error
        self.extra: Json = extra

    def answer(self) -> Json:
        return {"ok": False, "error": self.error, **self.extra}
