"""The demo company as data: who works there, who owns what, and where they talk. No behaviour."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Person:
    """`name` is also the Slack handle; `email` is NAME@example.com."""

    name: str
    real_name: str
    team: str
    title: str
    guest: bool = False

    @property
    def email(self) -> str:
        return f"{self.name}@example.com"


@dataclass(frozen=True, slots=True)
class Team:
    """`owners` are names of people; `namespaces` and `store_paths` are what the team owns."""

    name: str
    owners: tuple[str, ...]
    namespaces: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Channel:
    """`external`: shared with another organisation. `members` are names of people."""

    name: str
    topic: str
    members: tuple[str, ...]
    private: bool = False
    external: bool = False


PEOPLE: tuple[Person, ...] = (
    Person("rita", "Rita Ramos", "payments", "Developer"),
    Person("ana", "Ana Alvarez", "payments", "Payments lead"),
    Person("ben", "Ben Becker", "shop", "Shop lead"),
    Person("cleo", "Cleo Chen", "platform", "Platform and reporting lead"),
    Person("sam", "Sam Sato", "security", "Security engineer"),
    Person("sue", "Sue Suarez", "security", "Head of security"),
    Person("gus", "Gus Grant", "", "Contractor", guest=True),
)

TEAMS: tuple[Team, ...] = (
    Team("payments", ("ana",), ("payments",)),
    Team("shop", ("ben",), ("shop",)),
    Team("reporting", ("cleo",), ("reporting",)),
    Team("platform", ("cleo",), ("platform",)),
    Team("security", ("sam", "sue")),
)

_EVERYONE = tuple(person.name for person in PEOPLE)
_STAFF = tuple(person.name for person in PEOPLE if not person.guest)

CHANNELS: tuple[Channel, ...] = (
    Channel("general", "Everything and nothing", _EVERYONE),
    Channel("security", "Incidents", ("sam", "sue"), private=True),
    Channel("payments", "Team payments", ("rita", "ana", "ben")),
    Channel("partners", "Shared with a partner company", _STAFF, external=True),
)

APPROVERS: tuple[str, ...] = ("sam", "sue")
