"""`collect --watch`: changes are printed as they come, until the process is told to end."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from threading import Thread

from tests.bot.cli.conftest import Run
from tests.graph.live.cluster_stub import ClusterStub
from tests.graph.live.parts import deployment, eventually, kubeconfig


def test_manifests_are_read_once_and_cannot_be_followed(run: Run, tmp_path: Path) -> None:
    ended = run("collect", "--watch", "--manifests", str(tmp_path), "--cluster", "prod")
    assert ended.code == 2
    assert "read once" in ended.err


def test_changes_and_gaps_are_printed_as_they_come(tmp_path: Path) -> None:
    with ClusterStub() as stub:
        stub.put("deployments", deployment("shop", "api", "db"))
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith("LOCKSMITH_")
        } | {
            "LOCKSMITH_DATA": str(tmp_path / "data"),
            "LOCKSMITH_KUBERNETES__PROD__KUBECONFIG": kubeconfig(tmp_path, "prod", stub.address),
        }
        process = subprocess.Popen(
            [sys.executable, "-m", "bot", "collect", "--watch"],
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        lines: list[str] = []
        assert process.stdout is not None
        reader = Thread(target=lines.extend, args=(process.stdout,), daemon=True)
        reader.start()
        try:
            followed = "Followed by this process: cluster/prod"
            eventually(lambda: any(line.startswith(followed) for line in lines), seconds=30)
            stub.put("deployments", deployment("shop", "worker", "db"))
            edge = "+ edge k8s://prod/shop/Deployment/worker -consumes-> k8s://prod/shop/Secret/db"
            eventually(lambda: any(edge in line for line in lines))
            stub.stop()
            eventually(
                lambda: (
                    any(line.startswith("? rbac/prod") for line in lines)
                    or any(line.startswith("? kubernetes/prod") for line in lines)
                ),
                seconds=15,
            )
            stub.start()
            eventually(lambda: any("seen again" in line for line in lines), seconds=30)
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 0
        finally:
            process.kill()
            process.wait()
            reader.join()
            process.stdout.close()
