"""
The whole load test: `python -m tests.load` with KUBECONFIG at the control plane of the tests.

A service of 20 process pods in 3 namespaces asks a PostgreSQL all the time with a password that
comes from OpenBao, while it is rotated twice: with two roles, rotating first, and with one role,
revoking first. Prints the counts; exits with 1 where a promise was broken. The suite plays the same
(`test_load.py`).
"""

import os
import sys
import tempfile
from pathlib import Path

from bot.sandbox.openbao import OpenBaoServer
from tests.load.rotations import REPLICAS, Result, running_load
from tests.responders.steps.databases import ask_for_passwords
from tests.servers.postgres import running_postgres


def main() -> int:
    kubeconfig = Path(os.environ["KUBECONFIG"])
    with (
        tempfile.TemporaryDirectory(prefix="locksmith-load-") as folder,
        OpenBaoServer(Path(folder)) as openbao,
        running_postgres() as postgres,
    ):
        ask_for_passwords(postgres)
        place = (openbao.address, openbao.root_token)
        with running_load(Path(folder), kubeconfig, place, postgres, REPLICAS) as load:
            calm, rough = load.rotate_first(), load.revoke_first()
    for result in (calm, rough):
        _tell(result)
    broken = [
        *(["a query failed while rotating first"] if calm.failed else []),
        *(f"{each.consumer} failed longer than forecast" for each in rough.outages if each.late),
        *("not every pod is on the new value" for r in (calm, rough) if r.on_the_new != r.pods),
        *("the old password is taken" for r in (calm, rough) if not r.old_is_refused),
    ]
    print("\n".join(broken) or "every promise was kept")
    return 1 if broken else 0


def _tell(result: Result) -> None:
    print(f"{result.playbook}, {result.order}: {result.seconds:.0f} s")
    print(f"  forecast: {result.forecast}")
    print(
        f"  {result.pods} pods, {result.queries} queries, {len(result.failed)} failed;"
        f" {result.on_the_new} pods on the new value, {result.proven} workloads proven;"
        f" old password {'refused' if result.old_is_refused else 'TAKEN'}"
    )
    for reason in sorted({each.said for each in result.failed})[:5]:
        print(f"  failed: {reason}")
    if not result.failed:
        return
    print(f"  {'consumer':<36} {'follows':<8} failed  out for  forecast: at most")
    for each in result.outages:
        print(
            f"  {each.consumer:<36} {each.follows:<8} {each.failed:6} {each.seconds:6.1f} s"
            f" {each.until:8.1f} s"
        )


if __name__ == "__main__":
    sys.exit(main())
