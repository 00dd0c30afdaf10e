"""
A real PostgreSQL server for tests, from the binaries of the machine, on a socket of its own.

It runs as another user when the tests run as root, because PostgreSQL refuses to be root. Skips
with the reason where there are no binaries.
"""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest

_START_SECONDS = 30


def _binaries() -> Path | None:
    found = shutil.which("initdb")
    if found:
        return Path(found).resolve().parent
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return versions[-1].parent if versions else None


def _not_root(folder: Path) -> list[str]:
    """Return the prefix that runs a command as nobody, to whom `folder` then belongs."""
    if os.getuid() != 0:
        return []
    nobody = pwd.getpwnam("nobody")
    os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    ids = [f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups"]
    return ["setpriv", *ids]


def why_no_postgres() -> str:
    """Say why no server can be started here; "" where one can."""
    if _binaries() is None:
        return "no PostgreSQL binaries (initdb) on this machine"
    if os.getuid() == 0 and not shutil.which("setpriv"):
        return "PostgreSQL must not run as root, and setpriv is not there to change the user"
    return ""


@contextmanager
def running_postgres() -> Iterator[str]:
    """Run a server; the folder of its socket."""
    binaries = _binaries()
    assert binaries is not None
    folder = Path(tempfile.mkdtemp(prefix="locksmith-pg-"))
    prefix = _not_root(folder)
    data = folder / "data"
    initdb = [binaries / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "--no-sync"]
    subprocess.run([*prefix, *initdb], check=True, capture_output=True, cwd=folder)
    quick = ["-c", "listen_addresses=", "-c", "fsync=off", "-c", "shared_buffers=32MB"]
    with (folder.parent / f"{folder.name}.log").open("wb") as log:
        server = subprocess.Popen(
            [*prefix, binaries / "postgres", "-D", data, "-k", folder, *quick],
            cwd=folder,
            stdout=log,
            stderr=log,
        )
        try:
            _wait_until_it_answers(str(folder))
            yield str(folder)
        finally:
            server.send_signal(signal.SIGINT)  # a fast shutdown: sessions are ended
            server.wait(timeout=_START_SECONDS)
            shutil.rmtree(folder, ignore_errors=True)
    Path(log.name).unlink()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The folder of the server's socket."""
    if why := why_no_postgres():
        pytest.skip(why)
    with running_postgres() as folder:
        yield folder


@pytest.fixture
def postgres_url(postgres_server: str) -> Iterator[str]:
    """The address of an empty database, dropped afterwards."""
    name = f"t_{uuid4().hex}"
    with psycopg.connect(host=postgres_server, user="postgres", autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
        yield f"postgresql://postgres@/{name}?host={postgres_server}"
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def _wait_until_it_answers(folder: str) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            psycopg.connect(host=folder, user="postgres").close()
        except psycopg.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)  # between two looks at the condition
        else:
            return
