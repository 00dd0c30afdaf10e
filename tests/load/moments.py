"""
When does each kind of consumer break, and when does it see the new value? Forecast and measured.

One consumer of each kind asks a real PostgreSQL five times a second. Then its password is changed
as a revocation that comes first does it, the new one is put into OpenBao, the sync is asked to
copy, and each kind is helped in the way that its forecast names: restarted, run, started, or left
alone. Each query says when the old value was refused and when the new one was there.

`python -m tests.load.moments` prints the table of docs/forecast.md; the suite runs the same.
"""

import os
import secrets
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import hvac

from bot.sandbox.objects import ClusterObjects, Manifest
from bot.sandbox.openbao import OpenBaoServer
from bot.sandbox.sync_operator import GROUP, SyncOperator, preferred_version
from bot.sandbox.world import ensure_custom_resources
from responders.incident import Breakage
from tests.load.company import Company
from tests.load.rotations import CLUSTER
from tests.load.service import (
    COPY,
    FIELD,
    PATH,
    deployment,
    home_of,
    pod_spec,
    sync_of,
    thing,
    until,
)
from tests.responders.steps.databases import Orders, Vault, ask_for_passwords
from tests.servers.postgres import running_postgres

FILE_SECONDS = 8.0
PAUSE = 0.2  # seconds between two queries of one pod
SLOW_COPY, INTERVAL = "shop-db-slow", 4  # a sync that nobody asks to copy
HOWS = ("env", "envFrom", "subPath", "volume", "projected")


@dataclass(frozen=True)
class Moment:
    """
    One kind of consumer; times are in seconds.

    `broke_after` the revocation (None: it did not break), `new_after` what brings it the new value
    (None: it never came), which is for `file` the change of its copy.
    """

    kind: str
    now: Breakage
    broke_after: float | None
    new_after: float | None


@dataclass(frozen=True)
class Copied:
    """One ExternalSecret: `forecast` and `measured` seconds from the write to the copy."""

    kind: str
    forecast: float
    measured: float


@dataclass
class Street:
    """One namespace with a consumer of each kind, and what the moments are taken from."""

    kubeconfig: Path
    results: Path
    namespace: str
    objects: ClusterObjects

    def ref(self, kind: str, name: str) -> str:
        return f"k8s://{CLUSTER}/{self.namespace}/{kind}/{name}"

    def make(self, openbao: str, token: str, mount: str) -> None:
        ensure_custom_resources(self.objects)
        group = f"{GROUP}/{preferred_version(self.objects)}"
        for item in home_of(self.namespace, group, openbao, token, mount):
            self.objects.create(item)
        self.objects.create(sync_of(self.namespace, group, SLOW_COPY, f"{INTERVAL}s"))
        for how in HOWS:
            pod = pod_spec(self.results, how, pause=PAUSE)
            self.objects.create(deployment(self.namespace, how.lower(), 1, pod))
        slow = pod_spec(self.results, "volume", SLOW_COPY, pause=PAUSE)
        self.objects.create(deployment(self.namespace, "slow", 1, slow))
        idle = pod_spec(self.results, "env", pause=PAUSE)
        self.objects.create(deployment(self.namespace, "idle", 0, idle))
        bare = {**thing("v1", "Pod", self.namespace, "bare"), "spec": idle}
        self.objects.create(bare)
        self.objects.create(self._cron(idle))
        self.run_now("nightly-1")
        running = [*(how.lower() for how in HOWS), "slow", "bare", "nightly-1"]
        until(lambda: all(self.last(name) == "ok" for name in running), "not all of them ask")

    def run_now(self, name: str) -> None:
        """Have a run of the CronJob begin, as its controller would at its time."""
        found = self.objects.get(self._batch, "CronJob", "nightly", namespace=self.namespace)
        assert found is not None
        owner = {"apiVersion": self._batch, "kind": "CronJob", "name": "nightly"}
        job = thing("batch/v1", "Job", self.namespace, name)
        job["metadata"]["ownerReferences"] = [
            {**owner, "uid": found["metadata"]["uid"], "controller": True}
        ]
        self.objects.create({**job, "spec": found["spec"]["jobTemplate"]["spec"]})

    def restart(self, name: str) -> None:
        stamp = {"metadata": {"annotations": {"restarted-at": str(time.time())}}}
        self._patch("apps/v1", "Deployment", name, {"spec": {"template": stamp}})

    def start(self, name: str) -> None:
        self._patch("apps/v1", "Deployment", name, {"spec": {"replicas": 1}})

    def ask_to_copy(self) -> None:
        group = f"{GROUP}/{preferred_version(self.objects)}"
        change = {"metadata": {"annotations": {"force-sync": str(time.time())}}}
        self._patch(group, "ExternalSecret", COPY, change)

    def version(self, copy: str) -> str:
        found = self.objects.get("v1", "Secret", copy, namespace=self.namespace) or {}
        return str(found.get("metadata", {}).get("resourceVersion"))

    def asked(self, name: str) -> list[tuple[float, bool]]:
        """Read the queries of a consumer's pods, the earliest first."""
        found = [
            (float(line.split(",", 1)[0].strip("[")), line.rstrip().endswith('"ok"]'))
            for file in self.results.iterdir()
            if f"{file.name}-".startswith(f"{self.namespace}.{name}-")
            for line in file.read_text(encoding="utf-8").splitlines()
        ]
        return sorted(found)

    def last(self, name: str) -> str:
        asked = self.asked(name)
        return "" if not asked else "ok" if asked[-1][1] else "refused"

    def broke(self, name: str, since: float) -> float | None:
        return next((at for at, ok in self.asked(name) if at >= since and not ok), None)

    def answered(self, name: str, since: float) -> float | None:
        """Give the first moment since then from which a query was answered."""
        return next((at for at, ok in self.asked(name) if at >= since and ok), None)

    def close(self) -> None:
        for name in (*(how.lower() for how in HOWS), "slow", "idle"):
            self.objects.delete(thing("apps/v1", "Deployment", self.namespace, name))
        self.objects.delete(thing("v1", "Namespace", "", self.namespace))
        self.objects.wait_until_gone(thing("v1", "Namespace", "", self.namespace), seconds=120)
        self.objects.close()

    @property
    def _batch(self) -> str:
        return "batch/v1" if self.objects.serves("batch/v1", "CronJob") else "batch/v1beta1"

    def _cron(self, pod: Manifest) -> Manifest:
        template = {"spec": {**pod, "restartPolicy": "Never"}}
        spec = {"schedule": "0 3 * * *", "suspend": True}
        jobs = {"jobTemplate": {"spec": {"backoffLimit": 0, "template": template}}}
        return {**thing(self._batch, "CronJob", self.namespace, "nightly"), "spec": spec | jobs}

    def _patch(self, version: str, kind: str, name: str, change: Manifest) -> None:
        self.objects.patch(thing(version, kind, self.namespace, name), change)


@contextmanager
def running_street(
    folder: Path, kubeconfig: Path, openbao: tuple[str, str], postgres: str
) -> Iterator[tuple[Street, Orders, Vault, Company]]:
    key = f"kinds-{secrets.token_hex(3)}"
    address, token = openbao
    with ExitStack() as stack:
        orders = stack.enter_context(Orders(postgres, suffix=key.replace("-", "_")).set_up())
        root = hvac.Client(url=address, token=token)
        root.sys.enable_secrets_engine("kv", path=key, options={"version": "2"})
        results = folder / "moments"
        results.mkdir()
        street = Street(kubeconfig, results, key, ClusterObjects(kubeconfig))
        stack.callback(street.close)
        stack.enter_context(SyncOperator(kubeconfig))
        cluster = {
            "kubeconfig": str(kubeconfig),
            "namespaces": [key],
            "volume_sync_seconds": FILE_SECONDS,
        }
        sections: dict[str, Any] = {
            "vault": {"main": {"address": address, "token": token, "mounts": [key]}},
            "kubernetes": {CLUSTER: cluster},
        }
        company = stack.enter_context(Company(folder / "kinds", sections))
        yield street, orders, Vault(address, root, key), company


def measure(
    street: Street, orders: Orders, vault: Vault, company: Company
) -> tuple[list[Moment], list[Copied]]:
    old, new = secrets.token_urlsafe(24), secrets.token_urlsafe(24)
    role = orders.make_role("kinds", old)
    where = f"@/postgres?host={orders.folder}"
    vault.put(PATH, **{FIELD: f"postgresql://{role}:{quote(old)}{where}"})
    street.make(vault.address, vault.root.token, vault.mount)
    case = company.planned(old, "revoke-first")
    assert case.plan is not None
    forecast = {each.workload: each for each in case.plan.forecasts[0].breakages}
    assert case.plan.forecasts[0].order == "revoke-first"
    copies = {copy.secret.rpartition("/")[2]: copy for copy in case.blast_radius.copies}

    running = [*(how.lower() for how in HOWS), "slow", "bare", "nightly-1"]
    revoked = time.time()
    orders.run(f"ALTER ROLE {role} PASSWORD '{new}'")
    dead = time.time()
    until(lambda: all(street.broke(name, revoked) for name in running), "one does not break")

    before = {copy: street.version(copy) for copy in (COPY, SLOW_COPY)}
    wrote = time.time()
    vault.put(PATH, **{FIELD: f"postgresql://{role}:{quote(new)}{where}"})
    street.ask_to_copy()
    changed: dict[str, float] = {}

    def all_changed() -> bool:
        for copy in before.keys() - changed.keys():
            if street.version(copy) != before[copy]:
                changed[copy] = time.time()
        return len(changed) == len(before)

    until(all_changed, "a copy did not change")
    followers = {"volume": COPY, "projected": COPY, "slow": SLOW_COPY}
    until(
        lambda: all(street.answered(name, changed[copy]) for name, copy in followers.items()),
        "a file did not follow",
    )
    helped = {name: changed[copy] for name, copy in followers.items()}
    # The files have followed; whatever only a restart or a run helps has had as long.
    early = {name for name in ("env", "envfrom", "subpath", "bare") if street.answered(name, dead)}
    assert not early, early
    for name in ("env", "envfrom", "subpath"):
        helped[name] = time.time()
        street.restart(name)
    helped["idle"] = helped["nightly-2"] = time.time()
    street.start("idle")
    street.run_now("nightly-2")
    until(lambda: all(street.answered(name, at) for name, at in helped.items()), "one is not new")

    found = []
    for kind, name, workload in _kinds(street):
        broke, came = street.broke(name, revoked), helped.get(name)
        seen = None if came is None else street.answered(name, came)
        found.append(
            Moment(
                kind,
                forecast[workload],
                None if broke is None else broke - revoked,
                None if seen is None or came is None else seen - came,
            )
        )
    return found, [
        Copied("ExternalSecret, asked", 0.0, changed[COPY] - wrote),
        Copied(
            f"ExternalSecret, every {INTERVAL} s",
            float(copies[SLOW_COPY].refresh_interval or 0),
            changed[SLOW_COPY] - wrote,
        ),
    ]


def _kinds(street: Street) -> list[tuple[str, str, str]]:
    """List a kind's name, the name of its pods, and its ref."""
    rows = [(how, how.lower(), street.ref("Deployment", how.lower())) for how in HOWS]
    cron = street.ref("CronJob", "nightly")
    return [
        *rows,
        ("volume of the slow copy", "slow", street.ref("Deployment", "slow")),
        ("CronJob, run under way", "nightly-1", cron),
        ("CronJob, next run", "nightly-2", cron),
        ("scaled to zero", "idle", street.ref("Deployment", "idle")),
        ("bare Pod", "bare", street.ref("Pod", "bare")),
    ]


def main() -> int:
    with (
        tempfile.TemporaryDirectory(prefix="locksmith-kinds-") as folder,
        OpenBaoServer(Path(folder)) as openbao,
        running_postgres() as postgres,
    ):
        ask_for_passwords(postgres)
        place = (openbao.address, openbao.root_token)
        given = (Path(folder), Path(os.environ["KUBECONFIG"]), place, postgres)
        with running_street(*given) as (street, orders, vault, company):
            moments, copied = measure(street, orders, vault, company)
    print("| consumer | forecast: by | within | breaks | broke after | new value after |")
    print("|---|---|---:|---|---:|---:|")
    for each in moments:
        within = "" if each.now.seconds is None else f"{each.now.seconds:g} s"
        breaks = "yes" if each.now.breaks else "no"
        print(
            f"| {each.kind} | {each.now.follows} | {within} | {breaks}"
            f" | {_spoken(each.broke_after)} | {_spoken(each.new_after)} |"
        )
    for one in copied:
        print(f"| {one.kind} | copy | {one.forecast:g} s | | | {one.measured:.1f} s |")
    return 0


def _spoken(seconds: float | None) -> str:
    return "never" if seconds is None else f"{seconds:.1f} s"


if __name__ == "__main__":
    sys.exit(main())
