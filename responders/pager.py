"""
The contract of a pager: one way to reach a person, which says whether the page was accepted.

A member is one file in `responders/pagers/` with one subclass. Paging is a journaled step like
any other; a page is confirmed or it is not, and the card says NOBODY WAS PAGED when no one was.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar

from pydantic import BaseModel, ConfigDict


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
    """`confirmed`: the other side took the page. `sentence` says who did, or why not."""

    confirmed: bool
    sentence: str


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

    @abstractmethod
    def resolve(self, page: Page) -> PageReceipt:
        """Say that it is over."""


AnyPager = Pager[Any]
