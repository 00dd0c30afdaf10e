"""
Two rotations of one database password under load, and what the service's own queries say of them.

`rotate_first` is the scheme of two roles: no query may fail. `revoke_first` is the one role whose
password is changed at once: queries fail from then on, and may fail no longer than the forecast of
the plan says, which is held against the queries consumer by consumer.
"""

import secrets
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import hvac

from bot.sandbox.sync_operator import SyncOperator
from responders.incident import Breakage, Case
from tests.load.company import Company
from tests.load.service import FIELD, PATH, Asked, Service
from tests.responders.steps.databases import Orders, Vault

CLUSTER = "prod"
REPLICAS = ((4, 3), (4, 3), (3, 3))  # pods of (by-env, by-file) in three namespaces: 20
FILE_SECONDS = 8.0  # what is said of the kubelet; the control plane's own takes two


@dataclass(frozen=True)
class Outage:
    """How long the queries of one consumer failed, in seconds; `until` is the forecast's bound."""

    consumer: str
    follows: str
    failed: int
    seconds: float
    until: float
    late: int  # failed queries after the forecast's bound


@dataclass(frozen=True)
class Result:
    """What one rotation did to the service; `proven` are consumers with evidence."""

    playbook: str
    order: str
    forecast: str
    seconds: float
    pods: int
    queries: int
    failed: tuple[Asked, ...]
    outages: tuple[Outage, ...]
    proven: int
    on_the_new: int  # living pods whose last query was answered with what is in the store
    old_is_refused: bool


@dataclass
class Load:
    """The running service, the servers behind it and the bot beside it."""

    service: Service
    company: Company
    orders: Orders
    vault: Vault
    roles: tuple[str, str]

    def rotate_first(self) -> Result:
        return self._rotate("postgres-two-roles", "rotate-first")

    def revoke_first(self) -> Result:
        return self._rotate("postgres-password", "revoke-first")

    def _rotate(self, playbook: str, order: str) -> Result:
        role, password = self._login()
        self._describe(playbook, role)
        began = time.time()
        self.service.until_asked(began)
        before = self.service.living()
        planned = self.company.planned(password, order)
        assert planned.plan is not None
        assert planned.plan.playbook == playbook, planned.plan
        case = self.company.carried_out(planned.id)
        ended = time.time()
        self.service.until_asked(ended)
        asked = self.service.asked(since=began)
        assert before <= {one.pod for one in asked}
        last = {one.pod: one for one in asked}
        now = self._login()
        living = self.service.living()
        forecast = planned.plan.forecasts[0]
        return Result(
            playbook=playbook,
            order=forecast.order,
            forecast=forecast.sentence,
            seconds=ended - began,
            pods=len(living),
            queries=len(asked),
            failed=tuple(one for one in asked if not one.ok),
            outages=tuple(_outages(case, asked, forecast.breakages)),
            proven=len(_proven(case)),
            on_the_new=sum(last[pod].ok and last[pod].role == now[0] for pod in living),
            old_is_refused=not self.orders.logs_in(role, password),
        )

    def _login(self) -> tuple[str, str]:
        """Give the role and the password that are in the store now."""
        url = urlsplit(self.vault.read(PATH)[FIELD])
        return str(url.username), str(url.password)

    def _describe(self, playbook: str, role: str) -> None:
        other = next(each for each in self.roles if each != role)
        said = {
            "playbook": playbook,
            "playbook_database": "orders",
            "playbook_role": role,
            "playbook_other_role": other,
        }
        self.vault.call("post", f"{self.vault.mount}/metadata/{PATH}", custom_metadata=said)


@contextmanager
def running_load(
    folder: Path,
    kubeconfig: Path,
    openbao: tuple[str, str],
    postgres: str,
    replicas: tuple[tuple[int, int], ...],
) -> Iterator[Load]:
    """
    Start the service and the bot on servers that run.

    `openbao` is its address and root token, `postgres` the folder of the socket of a server that
    asks for passwords, `replicas` the pods of (by-env, by-file) for each namespace.
    """
    key = f"load-{secrets.token_hex(3)}"
    address, token = openbao
    with ExitStack() as stack:
        orders = stack.enter_context(Orders(postgres, suffix=key.replace("-", "_")).set_up())
        roles = tuple(orders.make_role(name, secrets.token_urlsafe(24)) for name in ("a", "b"))
        root = hvac.Client(url=address, token=token)
        root.sys.enable_secrets_engine("kv", path=key, options={"version": "2"})
        vault = Vault(address, root, key)
        password = secrets.token_urlsafe(24)
        orders.run(f"ALTER ROLE {roles[0]} PASSWORD '{password}'")
        url = f"postgresql://{roles[0]}:{quote(password)}@/postgres?host={postgres}"
        vault.put(PATH, **{FIELD: url})
        service = Service(kubeconfig, folder / "results", key, replicas)
        stack.callback(service.stop)
        stack.enter_context(SyncOperator(kubeconfig))
        service.start(address, token, key)
        sections = _sections(service, address, token, key, orders)
        company = stack.enter_context(Company(folder / "data", sections))
        yield Load(service, company, orders, vault, (roles[0], roles[1]))


def _sections(
    service: Service, address: str, token: str, mount: str, orders: Orders
) -> dict[str, Any]:
    settings = orders.settings()
    cluster = {
        "kubeconfig": str(service.kubeconfig),
        "mode": "fingerprint",
        "namespaces": service.namespaces,
        "volume_sync_seconds": FILE_SECONDS,
    }
    return {
        "vault": {"main": {"address": address, "token": token, "mounts": [mount]}},
        "kubernetes": {CLUSTER: cluster},
        "databases": {
            "orders": {name: getattr(settings, name) for name in type(settings).model_fields}
        },
    }


def _proven(case: Case) -> list[str]:
    """Name the workloads for which the step that looks at all of them has evidence."""
    (step,) = (each for each in case.progress if each.step.id == "consumers")
    found = step.evidence["workloads"]
    assert isinstance(found, list)
    return found


def _outages(case: Case, asked: list[Asked], breakages: tuple[Breakage, ...]) -> Iterator[Outage]:
    """Hold the failed queries of each consumer against the bound that its forecast sets."""
    began = _moment(case.progress[0].started_at)
    for breakage in breakages:
        consumer = breakage.workload.removeprefix(f"k8s://{CLUSTER}/")
        failed = [one.at for one in asked if one.consumer == consumer and not one.ok]
        end = _bound(case, breakage)
        yield Outage(
            consumer=consumer,
            follows=breakage.follows,
            failed=len(failed),
            seconds=max(failed) - min(failed) if failed else 0.0,
            until=end - began,
            late=sum(at > end for at in failed),
        )


def _bound(case: Case, breakage: Breakage) -> float:
    """Say when a consumer has the new value at the latest, by what its forecast says."""
    if breakage.follows == "restart":
        return max(
            _moment(each.finished_at)
            for each in case.progress
            if each.step.id.startswith("restart") and breakage.workload in each.step.targets
        )
    namespace = breakage.workload.split("/")[3]
    copied = max(
        _moment(each.finished_at)
        for each in case.progress
        if each.step.phase == "refresh" and f"/{namespace}/" in str(each.step.settings["target"])
    )
    assert breakage.seconds is not None
    return copied + breakage.seconds


def _moment(at: datetime | None) -> float:
    assert at is not None
    return at.timestamp()
