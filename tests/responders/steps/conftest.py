"""A KV mount for each test, with a token that may do no more than the steps declare."""

import secrets
from collections.abc import Iterator
from pathlib import Path

import hvac
import pytest

from bot.sandbox.openbao import OpenBaoServer
from tests.responders.steps.databases import Orders, Vault, ask_for_passwords
from tests.responders.steps.homes import Home
from tests.responders.steps.parts import LISTING, POLICY, Store
from tests.servers.postgres import postgres_server

__all__ = ["postgres_server"]


@pytest.fixture
def store(openbao: OpenBaoServer) -> Iterator[Store]:
    root = hvac.Client(url=openbao.address, token=openbao.root_token)
    mount = f"kv-{secrets.token_hex(4)}"
    root.sys.enable_secrets_engine("kv", path=mount, options={"version": "2"})
    root.sys.create_or_update_acl_policy(
        mount, POLICY.format(mount=mount) + LISTING, pretty_print=False
    )
    token = root.auth.token.create(policies=[mount], no_parent=True)["auth"]["client_token"]
    made = Store(openbao.address, root, mount, token)
    yield made
    for connections in made.opened:
        connections.close()
    root.adapter.close()


@pytest.fixture
def home(real_cluster: Path, store: Store) -> Iterator[Home]:
    made = Home(real_cluster, store)
    yield made
    made.objects.delete(
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": made.namespace}}
    )
    made.objects.close()


@pytest.fixture(scope="session")
def asks_for_passwords(postgres_server: str) -> str:
    """Have everybody but the superuser log in with a password; returns the socket's folder."""
    ask_for_passwords(postgres_server)
    return postgres_server


@pytest.fixture
def orders(asks_for_passwords: str) -> Iterator[Orders]:
    with Orders(asks_for_passwords).set_up() as server:
        yield server


@pytest.fixture
def vault(openbao: OpenBaoServer) -> Iterator[Vault]:
    root = hvac.Client(url=openbao.address, token=openbao.root_token)
    mount = f"kv-{secrets.token_hex(4)}"
    root.sys.enable_secrets_engine("kv", path=mount, options={"version": "2"})
    made = Vault(openbao.address, root, mount)
    yield made
    for connections in made.opened:
        connections.close()
    root.adapter.close()
