import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import hvac
import pytest

from bot.sandbox.openbao import OpenBaoServer


def test_a_value_is_stored_and_read_back(openbao: OpenBaoServer) -> None:
    client = hvac.Client(url=openbao.address, token=openbao.root_token)
    client.sys.enable_secrets_engine("kv", path="stored", options={"version": "2"})
    client.secrets.kv.v2.create_or_update_secret("a", {"b": "c"}, mount_point="stored", cas=0)
    found = client.secrets.kv.v2.read_secret_version(
        "a", mount_point="stored", raise_on_deleted_version=True
    )
    assert found["data"]["data"] == {"b": "c"}


def test_the_audit_device_records_digests_that_the_server_can_recompute(
    openbao: OpenBaoServer,
) -> None:
    client = hvac.Client(url=openbao.address, token=openbao.root_token)
    client.sys.enable_secrets_engine("kv", path="audited", options={"version": "2"})
    client.secrets.kv.v2.create_or_update_secret(
        "a", {"b": "a value to look for"}, mount_point="audited"
    )
    digest = client.sys.calculate_hash("to-file", "a value to look for")["data"]["hash"]
    lines = [json.loads(line) for line in openbao.audit_log.read_text().splitlines()]
    writes = [line for line in lines if line["request"]["path"] == "audited/data/a"]
    assert writes[0]["request"]["data"]["data"] == {"b": digest}
    assert "a value to look for" not in openbao.audit_log.read_text()


def test_the_root_token_is_in_no_file_and_on_no_command_line(openbao: OpenBaoServer) -> None:
    written = [p for p in openbao.log.parent.rglob("*") if p.is_file()]
    assert all(openbao.root_token not in p.read_text(errors="replace") for p in written)
    lines = subprocess.run(["ps", "-eww", "-o", "args"], capture_output=True, text=True, check=True)
    assert openbao.address.removeprefix("http://") in lines.stdout
    assert openbao.root_token not in lines.stdout


def test_it_answers_nobody_after_it_stopped(tmp_path: Path) -> None:
    server = OpenBaoServer(tmp_path).start()
    server.stop()
    with pytest.raises(httpx.ConnectError):
        httpx.get(server.address, trust_env=False)


def test_it_dies_with_a_parent_that_was_killed(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from bot.sandbox.openbao import OpenBaoServer;"
        "s = OpenBaoServer(Path(sys.argv[1])).start(); print(s.address, flush=True);"
        "sys.stdin.read()"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert parent.stdout is not None
    assert parent.stdin is not None
    address = parent.stdout.readline().strip()
    assert httpx.get(f"{address}/v1/sys/health", trust_env=False).is_success
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    parent.stdin.close()
    parent.stdout.close()
    assert _refuses_within(address, seconds=10)


def _refuses_within(address: str, *, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            httpx.get(f"{address}/v1/sys/health", trust_env=False, timeout=1)
        except httpx.TransportError:
            return True
        time.sleep(0.05)
    return False
