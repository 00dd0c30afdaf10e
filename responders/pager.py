"""
The contract of a pager: one way to reach a person, which says whether the page was accepted.

A member is one file in `responders/pagers/` with one subclass. Paging is a journaled step like
any other; a page is confirmed or it is not, and the card says NOBODY WAS PAGED when no one was.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar, Generic, TypeVar

from pydantic import BaseModel, ConfigDict

from responders.incident import Person


@dataclass(frozen=True, slots=True)
class Page:
    """
    What a person must know to act. No secret value, ever.

    `key` folds repeats into one alert ("locksmith:INSTALLATION:INCIDENT:OWNER"); `severity` is
    critical, error, warning or info.
    """

    key: str
    incident_id: str
    owner: str
    severity: str
    summary: str
    details: tuple[tuple[str, str], ...] = ()
    link: str = ""


@dataclass(frozen=True, slots=True)
class PageReceipt:
    """
    `confirmed`: the other side took the page. `sentence` says who did, or why not.

    `final`: the same page would be refused again, so it is not repeated. `retry_after`: the
    seconds that the other side asked us to wait.
    """

    confirmed: bool
    sentence: str
    final: bool = False
    retry_after: float | None = None


class PageDeed(StrEnum):
    """What somebody does with a page where it rang."""

    TAKEN_ON = "taken on"
    LET_GO = "let go"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True)
class PageAnswer:
    """What came back from the other side: `key` is the page's, `at` when it was done there."""

    key: str
    deed: PageDeed
    person: Person
    at: datetime


class PagerSettings(BaseModel):
    """The settings of one configured pager; an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


SettingsT = TypeVar("SettingsT", bound=PagerSettings)


class Pager(ABC, Generic[SettingsT]):
    """One configured route. Raises nothing: what went wrong is in the receipt's sentence."""

    name: ClassVar[str]
    Settings: type[SettingsT]

    def __init__(self, settings: SettingsT) -> None:
        self.settings = settings

    @abstractmethod
    def page(self, page: Page) -> PageReceipt:
        """Reach the owner; idempotent under `page.key`."""

    @property
    def acknowledges(self) -> bool:
        """Whether the other side has a word for “somebody works on it”."""
        return False

    def acknowledge(self, page: Page) -> PageReceipt:
        """Say that somebody works on it, so that nobody else is called; see `acknowledges`."""
        return PageReceipt(confirmed=True, sentence="There is nothing to acknowledge.")

    @abstractmethod
    def resolve(self, page: Page) -> PageReceipt:
        """Say that it is over."""


AnyPager = Pager[Any]
