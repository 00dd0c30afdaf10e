"""
The configuration: one YAML file, the environment over it, secrets from files; strict and explained.

Every setting is also an environment variable: `slack.bot_token` is `LOCKSMITH_SLACK__BOT_TOKEN`,
`vault.main.address` is `LOCKSMITH_VAULT__MAIN__ADDRESS`. A secret may instead name a file, in
both places: `bot_token_file: /run/secrets/bot` or `LOCKSMITH_SLACK__BOT_TOKEN_FILE`. Lists and
maps in the environment are written as JSON. An unknown key is an error that says where it stands.
What can be set stands in `bot/settings.py`.
"""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args, get_origin

import orjson
import yaml
from pydantic import BaseModel, ValidationError

from bot.settings import Config, PagerEntry
from graph import yaml_text
from graph.errors import BadInputError

PREFIX = "LOCKSMITH_"
NOT_SETTINGS = {"LOCKSMITH_CONFIG", "LOCKSMITH_DATA", "LOCKSMITH_PERSON"}


def data_folder(config: Config | None = None) -> Path:
    """Return the folder for the database and the key, made if missing (mode 0700)."""
    chosen = (config.data_folder if config else "") or os.environ.get("LOCKSMITH_DATA", "")
    home = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    folder = Path(chosen) if chosen else Path(home) / "locksmith"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise BadInputError(
            f"The data folder {folder} cannot be made: {error.strerror}.",
            do_now="Set data_folder or LOCKSMITH_DATA to a place that Locksmith may write to.",
        ) from None
    return folder


def database_url(config: Config) -> str:
    return config.database.url or f"sqlite:///{data_folder(config) / 'locksmith.sqlite'}"


def load(path: str = "", *, environ: Mapping[str, str] | None = None) -> Config:
    """
    Read the configuration from `path` (else LOCKSMITH_CONFIG, else none) and the environment.

    Raises:
        BadInputError: the file or a variable is wrong; it says which key, where and why.
    """
    environ = os.environ if environ is None else environ
    path = path or environ.get("LOCKSMITH_CONFIG", "")
    settings = _from_file(path) if path else {}
    for name, keys, value in _from_environment(environ):
        _put(settings, keys, value, name)
    _read_secret_files(settings, Config, "")
    try:
        return Config.model_validate(settings)
    except ValidationError as error:
        raise BadInputError(
            f"The configuration{f' {path}' if path else ''} is not usable: " + _explain(error),
            means="Nothing was started and nothing was changed.",
            do_now="Mend the keys named above; config.example.yaml shows every key in its place.",
        ) from None


def _from_file(path: str) -> dict[str, Any]:
    try:
        text = Path(path).read_text(encoding="utf-8")
        loaded = yaml_text.load(text)
    except OSError as error:
        raise BadInputError(
            f"The configuration file {path} cannot be read: {error.strerror}.",
            do_now="Give another with --config or LOCKSMITH_CONFIG.",
        ) from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}" if mark else "somewhere"
        raise BadInputError(
            f"{path} is not valid YAML at {where}: {error.problem}.",
            do_now="Mend that line; a linter for YAML shows the place.",
        ) from None
    if loaded is None:
        return {}
    if not isinstance(loaded, dict):
        raise BadInputError(
            f"{path} must hold keys and values, not a {type(loaded).__name__}.",
            do_now="Start from config.example.yaml.",
        )
    return loaded


def _from_environment(environ: Mapping[str, str]) -> Iterator[tuple[str, list[str], Any]]:
    for name, text in environ.items():
        if not name.startswith(PREFIX) or name in NOT_SETTINGS:
            continue
        value: Any = text
        if text[:1] in "[{":
            try:
                value = orjson.loads(text)
            except orjson.JSONDecodeError:
                raise BadInputError(
                    f"The environment variable {name} looks like JSON but is not.",
                    do_now='Write lists as ["a","b"] and maps as {"a":"b"}.',
                ) from None
        yield name, name[len(PREFIX) :].lower().split("__"), value


def _put(settings: dict[str, Any], keys: list[str], value: Any, name: str) -> None:
    for key in keys[:-1]:
        below = settings.setdefault(key, {})
        if not isinstance(below, dict):
            raise BadInputError(
                f"The environment variable {name} goes below “{key}”, which is not a section.",
                do_now="Compare its name with the keys of config.example.yaml.",
            )
        settings = below
    settings[keys[-1]] = value


def _read_secret_files(settings: Any, model: Any, where: str) -> None:
    """Replace `x_file` by the file's content where the model knows a secret `x`, not `x_file`."""
    if not isinstance(settings, dict):
        return
    fields = model.model_fields if isinstance(model, type) and issubclass(model, BaseModel) else {}
    is_pager = model is PagerEntry
    for key in list(settings):
        here = f"{where}.{key}".lstrip(".")
        if key.endswith("_file") and key not in fields:
            secret = key.removesuffix("_file")
            if secret in fields or is_pager:
                settings[secret] = _secret_from(str(settings.pop(key)), here)
            continue
        field = fields.get(key)
        if field is not None and field.annotation is not None:
            _descend(settings[key], field.annotation, here)


def _descend(value: Any, annotation: Any, where: str) -> None:
    if get_origin(annotation) is dict and isinstance(value, dict):
        for name, below in value.items():
            _read_secret_files(below, get_args(annotation)[-1], f"{where}.{name}")
    else:
        _read_secret_files(value, annotation, where)


def _secret_from(path: str, where: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise BadInputError(
            f"The setting {where} names the file {path}, which cannot be read: {error.strerror}.",
            do_now="Mount the file, or give the secret another way.",
        ) from None


def _explain(error: ValidationError) -> str:
    """Name each wrong key without its value: the value may be a secret."""
    lines = []
    for problem in error.errors(include_input=False, include_url=False, include_context=False):
        where = ".".join(str(part) for part in problem["loc"])
        message = problem["msg"]
        if problem["type"] == "extra_forbidden":
            message = "there is no such key"
        lines.append(f"{where}: {message}")
    return "; ".join(lines) + "."
