"""
Playbooks: what to do about one type of credential, as YAML that a person can read and extend.

A playbook answers six questions in words and names steps; `planner.py` applies it to the graph.
Ours lie in `responders/playbooks/`; a user's folder adds to them, and a file whose `name` equals
one of ours replaces it. Errors name the file and the line. Nothing here knows an incident.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Literal, Self

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    ValidationError,
    model_validator,
)

from graph import yaml_text
from graph.errors import BadInputError, NotFoundError

OWN_FOLDER = Path(__file__).parent / "playbooks"

StoreKind = Literal[
    "vault_kv",
    "vault_token",
    "vault_database_static",
    "vault_database_dynamic",
    "kubernetes",
    "aws_secrets_manager",
    "unknown",
]
Order = Literal["rotate-first", "revoke-first"]
Phase = Literal["rotate", "refresh", "reload", "revoke", "verify"]
Multiplicity = Literal["once", "secret", "sync", "wave"]
# A step can be for values that are read from their store by version, or for all others.
Only = Literal["in_vault", "elsewhere"]

# Facts of the incident: known for every step. Text unless said otherwise.
INCIDENT_PLACEHOLDERS = frozenset(
    {
        "incident",  # the incident's id
        "detector",  # the kind of credential: "openbao_token"
        "credential",  # credential:… ref
        "issuer",  # who can revoke it: the name of a configured issuer, or vault://STORE
        "store",  # the Vault/OpenBao store (its configured name): of {secret}, else of the issuer
        "accessor",  # of a leaked Vault token
        "entity",  # id of the entity behind a leaked Vault token
        "account",  # whom a leaked token of a service account speaks for
        "bound_to",  # the Pod, Secret or account that this token ends with
        "uid",  # of that object
        "secret",  # the stored secret, without #field; in `for_each: secret|sync` that one
        "field",  # its key/field
        "leaked_version",  # integer; absent where the store has no versions
        "current_version",  # integer
        "workloads",  # list of refs: in `for_each: wave` those of the wave, else all to restart
        "consumers",  # list of refs: everything that uses the value
        "watched_workloads",  # list of refs: those without what has no pods and follows its copy
        "copies",  # list of refs with #key: every copy made by a sync
        "where",  # where the leak was seen
    }
)
SYNC_PLACEHOLDERS = frozenset({"sync", "target", "target_key"})  # only in `for_each: sync`
WAVE_PLACEHOLDERS = frozenset({"wave", "waves"})  # integers, from 1; only in `for_each: wave`

# Beside these, {playbook_x} is what the secret's metadata says under that name.
FROM_METADATA = "playbook_"

# Doubled braces are for the step itself: {{token}} reaches it as {token}.
PLACEHOLDER = re.compile(r"(?<!\{)\{([a-z_]+)\}(?!\})")

Setting = JsonValue


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Matches(_Strict):
    """
    Which incidents a playbook is for: every list that is not empty must match.

    `detectors` and `issuers` are globs; `issuers: ["*"]` asks for any known issuer. `fallback`
    marks the one that is taken where nothing else matches. `named`: only for a secret whose
    metadata asks for the playbook by name (`playbook=NAME`), which then outweighs all others.
    """

    detectors: tuple[str, ...] = ()
    stores: tuple[StoreKind, ...] = ()
    issuers: tuple[str, ...] = ()
    named: bool = False
    fallback: bool = False

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        listed = self.detectors or self.stores or self.issuers
        if not (listed or self.named or self.fallback):
            raise ValueError("matches nothing: name detectors, stores or issuers, or set fallback")
        return self


class Answers(_Strict):
    """The six questions, answered for people."""

    owner: str = Field(min_length=1)
    stored: str = Field(min_length=1)
    consumers: str = Field(min_length=1)
    reload: str = Field(min_length=1)
    verify: str = Field(min_length=1)
    roll_back: str = Field(min_length=1)


class PlaybookStep(_Strict):
    """
    One step before it meets the graph; `with` are the settings of the step that `use` names.

    `only` leaves it out where the leaked value is not (in_vault), or is (elsewhere), in a Vault.
    """

    use: str = Field(pattern=r"^[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*$")
    title: str = Field(min_length=1)
    for_each: Multiplicity = "once"
    phase: Phase
    only: Only | None = None
    settings: dict[str, Setting] = Field(default_factory=dict, alias="with")

    @model_validator(mode="after")
    def _placeholders_exist(self) -> Self:
        known = INCIDENT_PLACEHOLDERS
        known |= SYNC_PLACEHOLDERS if self.for_each == "sync" else frozenset()
        known |= WAVE_PLACEHOLDERS if self.for_each == "wave" else frozenset()
        for found in placeholders_in([self.title, *self.settings.values()]):
            if found not in known and not found.startswith(FROM_METADATA):
                raise ValueError(f"{{{found}}} is not a placeholder here; known: {sorted(known)}")
        return self


StepId = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]*$")]


class Playbook(_Strict):
    """One type of credential: when it applies, the six answers, the steps and their orders."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_-]*$")
    title: str = Field(min_length=1)
    matches: Matches
    answers: Answers
    tested_on: str = ""  # what the whole playbook was carried out on; "" for nothing yet
    steps: dict[StepId, PlaybookStep] = Field(min_length=1)
    orders: dict[Order, tuple[StepId, ...]] = Field(min_length=1)

    @model_validator(mode="after")
    def _orders_name_steps(self) -> Self:
        used = {step_id for ids in self.orders.values() for step_id in ids}
        for order, ids in self.orders.items():
            for step_id in ids:
                if step_id not in self.steps:
                    raise ValueError(f"{order} names the step {step_id!r}, which is not in steps")
            if len(set(ids)) != len(ids):
                raise ValueError(f"{order} names a step twice")
        if idle := sorted(set(self.steps) - used):
            raise ValueError(f"no order uses the steps {', '.join(idle)}")
        return self


@dataclass(frozen=True, slots=True)
class Credential:
    """What a playbook is chosen by; `playbook` is the one that the secret itself asks for."""

    detector: str
    store: StoreKind
    issuer: str = ""
    playbook: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """A playbook, its file, and the file of ours whose place it takes."""

    playbook: Playbook
    file: Path
    replaces: Path | None = None


def load_playbooks(folder: Path | None = None, own: Path = OWN_FOLDER) -> dict[str, Playbook]:
    """
    Read ours and the user's; a user's playbook of the same name takes the place of ours.

    Raises:
        BadInputError: a file is not a playbook (file and line are named), or a name is used
            twice in one folder.
    """
    return {name: found.playbook for name, found in find_playbooks(folder, own).items()}


def find_playbooks(folder: Path | None = None, own: Path = OWN_FOLDER) -> dict[str, Found]:
    """Read ours and the user's, each with its file; raises as `load_playbooks` does."""
    ours = _load_folder(own)
    if folder is None:
        return ours
    if not folder.is_dir():
        raise BadInputError(
            f"The playbook folder {folder} does not exist.",
            do_now="Create it, or remove it from the configuration.",
        )
    theirs = {
        name: replace(found, replaces=ours[name].file if name in ours else None)
        for name, found in _load_folder(folder).items()
    }
    return ours | theirs


def parse_playbook(text: str, file: str) -> Playbook:
    """
    Read one playbook.

    Raises:
        BadInputError: with `file:line` of the first thing that is wrong.
    """
    try:
        data = yaml_text.load(text)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise _bad(file, line, str(error.problem or "not YAML")) from None
    try:
        return Playbook.model_validate(data)
    except ValidationError as error:
        found = error.errors()
        # An unknown key explains the missing one, so it is named first.
        first = next((one for one in found if one["type"] == "extra_forbidden"), found[0])
        where = tuple(part for part in first["loc"] if part != "[key]") or ("orders",)
        path = ".".join(str(part) for part in where)
        raise _bad(file, line_of(text, where), f"{path}: {first['msg']}") from None


def choose(playbooks: Iterable[Playbook], credential: Credential) -> Playbook:
    """
    Take the playbook that the secret names, else the one that fits most closely, else the fallback.

    An issuer named outweighs a detector named, a detector outweighs a store, a literal name
    outweighs a glob; between equals the first by name.

    Raises:
        NotFoundError: nothing fits and there is no fallback.
    """
    playbooks = tuple(playbooks)
    for playbook in playbooks:
        if playbook.name == credential.playbook:
            return playbook
    ranked = sorted(
        ((_rank(playbook.matches, credential), playbook) for playbook in playbooks),
        key=lambda pair: (pair[0] or 0, pair[1].name),
    )
    fitting = [(rank, playbook) for rank, playbook in ranked if rank is not None]
    if not fitting:
        raise NotFoundError(
            f"No playbook fits a {credential.detector} in a {credential.store} store.",
            means="There is no fallback playbook either.",
            do_now="Add a playbook with “fallback: true” to the playbook folder.",
        )
    best = max(rank for rank, _ in fitting)
    return next(playbook for rank, playbook in fitting if rank == best)


def _rank(matches: Matches, credential: Credential) -> int | None:
    asked = bool(matches.detectors or matches.stores or matches.issuers)
    if not asked:
        return 0 if matches.fallback else None
    if matches.named:
        return None
    score = 0
    for patterns, value, weight in (
        (matches.issuers, credential.issuer, 100),
        (matches.detectors, credential.detector, 10),
        (matches.stores, credential.store, 1),
    ):
        if not patterns:
            continue
        fit = _fit(patterns, value)
        if not fit:
            return 0 if matches.fallback else None
        score += fit * weight
    return score


def _fit(patterns: Sequence[str], value: str) -> int:
    """Give 3 for a literal fit, 2 for a glob, 0 for none; an empty value never fits."""
    if not value:
        return 0
    if value in patterns:
        return 3
    return 2 if any(fnmatchcase(value, pattern) for pattern in patterns) else 0


def files_of(folder: Path) -> list[Path]:
    return sorted([*folder.glob("*.yaml"), *folder.glob("*.yml")])


def _load_folder(folder: Path) -> dict[str, Found]:
    playbooks: dict[str, Found] = {}
    for file in files_of(folder):
        playbook = parse_playbook(file.read_text(encoding="utf-8"), str(file))
        if playbook.name in playbooks:
            raise _bad(str(file), 1, f"a second playbook in this folder is named {playbook.name!r}")
        playbooks[playbook.name] = Found(playbook, file)
    return playbooks


def placeholders_in(values: Iterable[Setting]) -> list[str]:
    """Name the placeholders in settings, at any depth."""
    found: list[str] = []
    for value in values:
        if isinstance(value, str):
            found += PLACEHOLDER.findall(value)
        elif isinstance(value, list):
            found += placeholders_in(value)
        elif isinstance(value, Mapping):
            found += placeholders_in(value.values())
    return found


def line_of(text: str, path: Sequence[int | str]) -> int:
    """Say at which line of a playbook the thing at `path` stands."""
    return _line(yaml_text.compose(text), path)


def _line(tree: yaml.Node | None, path: Sequence[int | str]) -> int:
    """Walk the YAML tree along a pydantic location; the deepest node that exists tells the line."""
    node, line = tree, 1
    for part in path:
        if isinstance(node, yaml.MappingNode):
            pairs = [(key, value) for key, value in node.value if key.value == str(part)]
            if not pairs:
                continue  # pydantic's own words in a location ("[key]", a union's member)
            line, node = pairs[0][0].start_mark.line + 1, pairs[0][1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int):
            node = node.value[part]
            line = node.start_mark.line + 1
    return line


def _bad(file: str, line: int, message: str) -> BadInputError:
    return BadInputError(
        f"{file}:{line}: {message}",
        means="This playbook cannot be used, so no plan is made from it.",
        do_now="Mend the file; `locksmith check` reads it again.",
    )
