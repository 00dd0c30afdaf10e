"""
A database password is rotated under a service that asks all the time: a sample with 6 pods.

The whole of it, with 20 pods, is `python -m tests.load`.
"""

from pathlib import Path

import pytest

from bot.sandbox.openbao import OpenBaoServer
from tests.load.rotations import running_load
from tests.responders.steps.databases import ask_for_passwords
from tests.servers.postgres import postgres_server

__all__ = ["postgres_server"]

REPLICAS = ((1, 1), (1, 1), (1, 1))


@pytest.mark.cluster
@pytest.mark.timeout(400)
def test_no_query_fails_with_two_roles_and_an_outage_is_as_forecast_with_one(
    real_cluster: Path, openbao: OpenBaoServer, postgres_server: str, tmp_path: Path
) -> None:
    ask_for_passwords(postgres_server)
    place = (openbao.address, openbao.root_token)
    with running_load(tmp_path, real_cluster, place, postgres_server, REPLICAS) as load:
        calm = load.rotate_first()
        assert calm.failed == ()
        assert calm.queries > calm.pods == 6
        assert calm.old_is_refused
        assert (calm.on_the_new, calm.proven) == (6, 6)
        assert "breaks none of 6 consumers" in calm.forecast

        rough = load.revoke_first()
        assert rough.old_is_refused
        assert (rough.on_the_new, rough.proven) == (6, 6)
        assert "breaks 6 of 6 consumers at once" in rough.forecast
        assert {each.follows for each in rough.outages} == {"restart", "file"}
        # What is restarted runs on the refused password until then, so its queries do fail.
        assert all(each.failed for each in rough.outages if each.follows == "restart")
        assert [each for each in rough.outages if each.late] == []
