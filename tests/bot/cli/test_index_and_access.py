"""The key of the index is changed on a real store; who read a secret is told from its log."""

import re
import secrets
from collections.abc import Iterator
from pathlib import Path

import hvac
import pytest
import yaml

from bot.sandbox.openbao import OpenBaoServer
from tests.bot.cli.conftest import Run
from tests.graph.vault_parts import VaultCorner
from tests.servers.processes import write_config


@pytest.fixture
def corner(openbao: OpenBaoServer) -> Iterator[VaultCorner]:
    corner = VaultCorner(openbao)
    yield corner
    corner.client.sys.disable_secrets_engine(corner.mount)


@pytest.fixture
def file(corner: VaultCorner, tmp_path: Path) -> str:
    settings = {
        "data_folder": str(tmp_path / "data"),
        "vault": {
            "main": {
                "address": corner.server.address,
                "token": corner.server.root_token,
                "mounts": [corner.mount],
                "audit_log": str(corner.server.audit_log),
            }
        },
    }
    return str(write_config(settings, tmp_path))


def value() -> str:
    return f"rekeyfQ2xLbV7rTz{secrets.token_hex(8)}"


def test_the_key_is_changed_without_reading_a_value_back(
    run: Run, corner: VaultCorner, file: str, tmp_path: Path
) -> None:
    leaked = value()
    corner.put("payments/db", {"password": leaked})
    assert run("--config", file, "collect").code == 0
    one = ("--config", file, "report", "--value-stdin", "--as", "ana@example.com")
    incident = run(*one, given=leaked).out
    before = run("--config", file, "index", "status", "--json").json
    changed = run("--config", file, "index", "rekey", "--later")
    assert changed.code == 0, changed.err
    waiting = run("--config", file, "index", "status", "--json").json
    assert waiting["previous_key_ids"] == [before["key_id"]]
    assert waiting["waiting"] == sum(row["digests"] for row in before["index"]) > 0
    found = run("--config", file, "blast-radius", "--value-stdin", "--json", given=leaked).json
    assert found["secrets"], "matched under the former key until the stores are read again"
    refused = run("--config", file, "index", "forget")
    assert refused.code == 1
    assert "still under a former key" in refused.err
    assert run("--config", file, "collect").code == 0
    done = run("--config", file, "index", "status", "--json").json
    assert done["waiting"] == 0
    assert {row["key_id"] for row in done["index"]} == {waiting["key_id"]}
    assert "needed no more" in run("--config", file, "index", "status").out
    again = run(*one, given=leaked).out
    assert again.split()[0] == incident.split()[0] or incident.split("inc-")[1][:6] in again
    assert run("--config", file, "audit", "verify").code == 0, "its older part is still open"
    for path in (tmp_path / "data").iterdir():
        assert leaked.encode() not in path.read_bytes()
    gone = run("--config", file, "index", "forget")
    assert gone.code == 0
    assert "1 former keys and 0 digests" in gone.out
    assert run("--config", file, "blast-radius", "--value-stdin", given=leaked).code == 0


def test_rekey_reads_everything_again_and_says_how_far_it_is(
    run: Run, corner: VaultCorner, file: str
) -> None:
    corner.put("a", {"password": value()})
    assert run("--config", file, "collect").code == 0
    ended = run("--config", file, "index", "rekey")
    assert ended.code == 0, ended.err
    assert re.search(r"vault/main: [1-9]\d* fingerprints under the new key", ended.out)
    assert "are under the present key" in ended.out


def test_a_configured_key_is_not_changed_for_its_owner(run: Run, file: str) -> None:
    settings = yaml.safe_load(Path(file).read_text())
    settings["fingerprint"] = {"key": secrets.token_hex(32)}
    Path(file).write_text(yaml.safe_dump(settings))
    ended = run("--config", file, "index", "rekey")
    assert ended.code == 2
    assert "fingerprint.previous_keys" in ended.err
    former = settings["fingerprint"]["key"]
    keys = Path(file).parent  # whose files are given to Locksmith, not written by it
    (keys / "former").write_text(f"{former}\n")
    settings["fingerprint"] = {
        "key": secrets.token_hex(32),
        "previous_keys_file": str(keys / "former"),
    }
    Path(file).write_text(yaml.safe_dump(settings))
    assert len(run("--config", file, "index", "status", "--json").json["previous_key_ids"]) == 1


def test_who_read_a_secret_is_told_with_what_is_not_known(
    run: Run, corner: VaultCorner, file: str
) -> None:
    leaked = value()
    corner.put("payments/db", {"password": leaked})
    token = corner.token([corner.rules("MOUNT/data/* read")], display_name="deploy")
    client = hvac.Client(url=corner.server.address, token=token["client_token"])
    for _ in range(3):
        client.adapter.get(f"/v1/{corner.mount}/data/payments/db")
    assert run("--config", file, "collect").code == 0
    ref = f"vault://main/{corner.mount}/payments/db"
    answer = run("--config", file, "access", ref, "--since", "1h", "--json").json
    deploy = next(one for one in answer["reads"] if "deploy" in one["who"])
    assert (deploy["times"], deploy["sure"], deploy["versions"]) == (3, True, [1])
    assert deploy["addresses"] == ["127.0.0.1"]
    by_value = run("--config", file, "access", "--value-stdin", "--json", given=leaked)
    assert leaked not in by_value.out
    served = next(one for one in by_value.json["reads"] if "deploy" in one["who"])
    assert (served["secret"], served["times"]) == (ref, 3)
    shown = run("--config", file, "access", ref)
    assert "deploy" in shown.out
    assert run("--config", file, "access", ref, "--since", "soon").code == 2
    assert run("--config", file, "access").code == 2
