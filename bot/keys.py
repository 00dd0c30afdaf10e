"""
The installation keys: the present one and those before it, from the settings or the data folder.

In the data folder they are `fingerprint.key` and `fingerprint.previous`, made by Locksmith itself
(mode 0600); where `fingerprint.key` is configured, only its owner can change it.
"""

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkstemp

from pydantic import SecretStr

from bot.config import data_folder
from bot.settings import Config
from graph.errors import BadInputError, ConflictError
from graph.fingerprints import generate_key

_PRESENT, _PREVIOUS = "fingerprint.key", "fingerprint.previous"


@dataclass(frozen=True, slots=True)
class InstallationKeys:
    """`previous` has the latest first."""

    present: SecretStr
    previous: tuple[SecretStr, ...] = ()

    def reveal_previous(self) -> tuple[str, ...]:
        return tuple(key.get_secret_value() for key in self.previous)


def installation_keys(config: Config) -> InstallationKeys:
    """
    Return the keys; without a configured one that of the data folder, made once.

    The file appears whole and once, so that two first starts at once agree on one key.
    """
    settings = config.fingerprint
    if settings.key is not None:
        return InstallationKeys(settings.key, settings.previous_keys)
    folder = data_folder(config)
    kept = folder / _PREVIOUS
    former = kept.read_text().split() if kept.exists() else []
    return InstallationKeys(
        SecretStr(_made_once(folder / _PRESENT)),
        (*settings.previous_keys, *(SecretStr(key) for key in former)),
    )


def new_key(config: Config) -> Path:
    """
    Put a new key in the data folder in front of the present one; return the file that it is in.

    Raises:
        BadInputError: the key is configured, so that only its owner can change it.
        ConflictError: the files were changed at the same time.
    """
    if config.fingerprint.key is not None:
        raise BadInputError(
            "The installation key is configured (`fingerprint.key`), and Locksmith cannot change it"
            " there.",
            means="Nothing was changed.",
            do_now="Make a key (“openssl rand -hex 32”), put it in the place of the present one,"
            " put the present one in front of `fingerprint.previous_keys`, restart, and follow"
            " “locksmith index status”.",
        )
    folder = data_folder(config)
    present = _made_once(folder / _PRESENT)
    kept = folder / _PREVIOUS
    former = kept.read_text().split() if kept.exists() else []
    # The former key first: whatever ends this half way, no key is lost.
    if present not in former:
        _write(kept, [present, *former])
    _write(folder / _PRESENT, [generate_key()])
    return folder / _PRESENT


def forget_previous(config: Config) -> int:
    """Delete the former keys of the data folder; return how many there were."""
    kept = data_folder(config) / _PREVIOUS
    former = kept.read_text().split() if kept.exists() else []
    kept.unlink(missing_ok=True)
    return len(former)


def _made_once(path: Path) -> str:
    """Return the key of a file; where there is none yet, it appears at once with a whole key."""
    if not path.exists():
        handle, aside = mkstemp(dir=path.parent, prefix=f".{path.name}-")  # mode 0600
        with os.fdopen(handle, "w") as file:
            file.write(f"{generate_key()}\n")
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):  # somebody else was first: theirs counts
            os.link(aside, path)
        Path(aside).unlink()
    return path.read_text().strip()


def _write(path: Path, keys: list[str]) -> None:
    """Replace a file of keys as a whole, readable by nobody else at any moment."""
    aside = path.with_name(f"{path.name}.new")
    try:
        handle = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise ConflictError(
            f"{aside} is there already: another change of the key was begun.",
            means="Nothing was changed by this one.",
            do_now="If no other runs, delete that file and try again.",
        ) from None
    with os.fdopen(handle, "w") as file:
        file.write("".join(f"{key}\n" for key in keys))
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)
