"""
Everything that can go wrong, as one tree, in words for the person who reads it at 3 a.m.

Each error says what happened, what it means and what to do now. SDK errors are translated where
the SDK is called, and never with the SDK's own text where that text could echo a secret::

    LocksmithError
    +-- BadInputError         the caller must change the input           exit code 2
    +-- NotFoundError         nothing matched                            exit code 3
    |   +-- AmbiguousError    too much matched: the candidates are named exit code 3
    +-- RefusedError          policy forbids it                          exit code 4
    +-- ConflictError         somebody or something was faster           exit code 1
    +-- AccessDeniedError     a permission is missing                    exit code 1
    +-- UnavailableError      not reachable now; the only one retried    exit code 1
"""

from collections.abc import Sequence


class LocksmithError(Exception):
    """The root. `happened`, `means`, `do_now` are complete sentences without secrets."""

    exit_code = 1

    def __init__(self, happened: str, *, means: str = "", do_now: str = "") -> None:
        self.happened = happened
        self.means = means
        self.do_now = do_now
        super().__init__(" ".join(part for part in (happened, means, do_now) if part))

    def __reduce__(self) -> tuple[object, ...]:
        """Survive pickling: keyword-only arguments are not restored by default."""
        return (_restore, (type(self), dict(self.__dict__), self.args))


class BadInputError(LocksmithError):
    exit_code = 2


class NotFoundError(LocksmithError):
    exit_code = 3


class AmbiguousError(NotFoundError):
    """A part of a ref fits several; `candidates` are their full refs."""

    def __init__(
        self, happened: str, *, candidates: Sequence[str], means: str = "", do_now: str = ""
    ) -> None:
        super().__init__(happened, means=means, do_now=do_now)
        self.candidates = tuple(candidates)


class RefusedError(LocksmithError):
    exit_code = 4


class ConflictError(LocksmithError):
    pass


class AccessDeniedError(LocksmithError):
    pass


class UnavailableError(LocksmithError):
    """`retry_after` is in seconds; None leaves it to the caller."""

    def __init__(
        self,
        happened: str,
        *,
        means: str = "",
        do_now: str = "",
        retry_after: float | None = None,
    ) -> None:
        super().__init__(happened, means=means, do_now=do_now)
        self.retry_after = retry_after


def _restore(
    kind: type[LocksmithError], state: dict[str, object], args: tuple[object, ...]
) -> LocksmithError:
    error = kind.__new__(kind)
    error.args = args
    error.__dict__.update(state)
    return error


def raised_at(error: BaseException) -> str:
    """Name the innermost place that an error came from: file and line, no text and no values."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return ""
    return f"{trace.tb_frame.f_code.co_filename.rpartition('/')[2]}:{trace.tb_lineno}"
