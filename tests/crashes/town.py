"""
The servers that a sweep works on, in a process of their own: OpenBao, PostgreSQL, issuers, cluster.

So the process that forks at each point has no threads behind it. `running_town` says where they
are; each worker has an issuer of its own, so that what one point creates is counted for it alone.
"""

import json
import logging
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from moto.server import ThreadedMotoServer

from bot.sandbox.cluster import EmbeddedCluster
from bot.sandbox.issuer import Paygate
from bot.sandbox.loopback import Answer, Request
from bot.sandbox.objects import ClusterObjects
from bot.sandbox.openbao import OpenBaoServer
from bot.sandbox.rollouts import Rollouts
from bot.sandbox.sync_operator import SyncOperator
from bot.sandbox.world import ensure_custom_resources
from tests.responders.steps.databases import ask_for_passwords
from tests.responders.steps.parts import proxy
from tests.responders.steps.test_aws_access_key import refusing_dead_keys
from tests.servers.aws import Aws
from tests.servers.operators import CERTIFICATES, CertManager, reconciling, serve_kind
from tests.servers.postgres import running_postgres, why_no_postgres
from tests.servers.providers import Providers


@dataclass(frozen=True)
class Town:
    """Where everything is; `postgres` is the folder of its socket, "" where there is none."""

    openbao: str
    root_token: str
    audit_log: str
    postgres: str
    issuers: tuple[tuple[str, str], ...]  # address and admin token, one for each worker
    kubeconfig: str
    has_real_cluster: bool
    aws: str  # behind what refuses keys that are off
    providers: str


class KeyedPaygate(Paygate):
    """Paygate for a run that is cut off anywhere: one Idempotency-Key is answered in one way."""

    def __init__(self) -> None:
        self._answered: dict[str, Answer] = {}
        super().__init__()

    def _answer(self, request: Request) -> Answer:
        key = request.headers.get("idempotency-key", "")
        if key and key in self._answered:
            return self._answered[key]
        answer = super()._answer(request)
        if key:
            self._answered[key] = answer
        return answer


class OpenProviders(Providers):
    """Those of `tests/servers/providers.py`, whose tokens are made and looked at over HTTP."""

    def _town(self, request: Request, call: str) -> Answer:
        if call.startswith("POST /make/"):
            return Answer(200, {"token": self.make(call.rpartition("/")[2])})
        if call == "POST /kill":
            self.kill(request.bearer)
        return Answer(200, {"live": self.live(request.bearer)})


@contextmanager
def _amazon() -> Iterator[str]:
    """Run a local AWS, and in front of it what AWS does and moto does not: refuse dead keys."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # a line for each request
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    aws = Aws(f"http://{host}:{port}")
    with proxy(aws.address, refusing_dead_keys(aws)) as address:
        yield address
    server.stop()


@contextmanager
def _cluster(folder: Path, kubeconfig: str) -> Iterator[Path]:
    """Run the demo's cluster, or add to a real one what no test cluster runs."""
    if not kubeconfig:
        with EmbeddedCluster(folder) as cluster, Rollouts(cluster):
            yield cluster.kubeconfig
        return
    objects = ClusterObjects(Path(kubeconfig))
    ensure_custom_resources(objects)
    made = serve_kind(objects, CERTIFICATES, "Certificate")
    with reconciling(CertManager(objects).look):
        yield Path(kubeconfig)
    if made is not None:
        objects.delete(made)
    objects.close()


@contextmanager
def running_town(folder: Path, *, workers: int, kubeconfig: str = "") -> Iterator[Town]:
    """Run it; `kubeconfig` names a real cluster, else there is the embedded one."""
    told, tell = os.pipe()
    stay, leave = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(told)
        os.close(leave)
        code = 1
        try:
            _serve(folder, workers, kubeconfig, tell, stay)
            code = 0
        finally:
            os._exit(code)
    os.close(tell)
    os.close(stay)
    with os.fdopen(told) as said:
        text = said.read()
    try:
        if not text:
            raise RuntimeError("the servers of the sweep did not start")
        found = json.loads(text)
        yield Town(**found | {"issuers": tuple(map(tuple, found["issuers"]))})
    finally:
        os.close(leave)
        os.waitpid(child, 0)


def _serve(folder: Path, workers: int, real: str, tell: int, stay: int) -> None:
    """Start all, say where they are, stay until the other end of `stay` is closed."""
    with ExitStack() as stack:
        openbao = stack.enter_context(OpenBaoServer(folder))
        socket = ""
        if not why_no_postgres():
            socket = stack.enter_context(running_postgres())
            ask_for_passwords(socket)
        issuers = [stack.enter_context(KeyedPaygate()) for _ in range(workers)]
        aws = stack.enter_context(_amazon())
        providers = stack.enter_context(OpenProviders())
        kubeconfig = stack.enter_context(_cluster(folder, real))
        stack.enter_context(SyncOperator(kubeconfig))
        town = Town(
            openbao=openbao.address,
            root_token=openbao.root_token,
            audit_log=str(openbao.audit_log),
            postgres=socket,
            issuers=tuple((each.address, each.admin_token) for each in issuers),
            kubeconfig=str(kubeconfig),
            has_real_cluster=bool(real),
            aws=aws,
            providers=providers.address,
        )
        with os.fdopen(tell, "w") as out:
            out.write(json.dumps(asdict(town)))
        os.read(stay, 1)
