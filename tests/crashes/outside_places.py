"""What lies outside of Vault: keys and secrets of AWS (moto), a token of GitHub, a Secret alone."""

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

from bot.sandbox.objects import ClusterObjects
from tests.crashes.kv_places import wait_for
from tests.crashes.place import SECRET, Place
from tests.servers.aws import ACCOUNT, REGION, Aws


class Amazon(Place):
    """An account of AWS, asked through what refuses keys that are off, as AWS does."""

    def prepare(self) -> None:
        self.aws = Aws(self.town.aws)
        self.user = f"deploy-{self.key}"

    def config(self) -> dict[str, Any]:
        settings = Aws(self.town.aws).settings(tries=1)
        account = {name: getattr(settings, name) for name in type(settings).model_fields}
        return {"aws": {"prod": account}}


class AwsAccessKey(Amazon):
    playbook, order = "aws-access-key", "rotate-first"

    def prepare(self) -> None:
        super().prepare()
        iam = self.aws.client("iam")
        iam.create_user(UserName=self.user)
        self.leaked = iam.create_access_key(UserName=self.user)["AccessKey"]
        self.value = self.leaked["SecretAccessKey"]
        self.keep(
            {"access_key_id": self.leaked["AccessKeyId"], "secret_access_key": self.value},
            playbook=self.playbook,
            playbook_user=f"aws://{ACCOUNT}/iam/user/{self.user}",
        )

    def wrongs(self) -> Iterator[str]:
        yield from self.replaced_once()
        listed = self.aws.client("iam").list_access_keys(UserName=self.user)["AccessKeyMetadata"]
        keys = {key["AccessKeyId"]: key["Status"] for key in listed}
        if keys.pop(self.leaked["AccessKeyId"], ""):
            yield "lost: the leaked key is still there"
        if keys.pop(self.vault.read(SECRET)["access_key_id"], "") != "Active":
            yield "lost: the key in the store does not work"
        if keys:
            yield f"doubled: {len(keys)} keys that nobody has"


class AwsSecretsManager(Amazon):
    playbook, order = "aws-secrets-manager", "rotate-first"

    def prepare(self) -> None:
        super().prepare()
        made = self.aws.client("secretsmanager").create_secret(
            Name=self.user, SecretString=self.value
        )
        self.old = made["VersionId"]
        self.named = f"aws://{ACCOUNT}/{REGION}/secretsmanager/{self.user}"

    def wrongs(self) -> Iterator[str]:
        client = self.aws.client("secretsmanager")
        now = client.get_secret_value(SecretId=self.user, VersionStage="AWSCURRENT")
        if now["VersionId"] == self.old or now["SecretString"] == self.value:
            yield "lost: the leaked version is still the current one"
        listed = client.list_secret_version_ids(SecretId=self.user, IncludeDeprecated=True)
        if (count := len(listed["Versions"])) > 2:
            yield f"doubled: {count} versions"
        if any(
            each["VersionId"] == self.old and each.get("VersionStages")
            for each in listed["Versions"]
        ):
            yield "lost: the leaked version still has a label"


class GithubToken(Place):
    playbook, order, detector = "github-token", "rotate-first", "github-pat"

    def prepare(self) -> None:
        self.value, self.new = self._make(), self._make()
        self.keep({"token": self.value})

    def config(self) -> dict[str, Any]:
        return {"providers": {"github": {"base_url": f"{self.town.providers}/github"}}}

    def by_hand(self, step_id: str) -> None:
        if step_id.startswith("replace") and len(self.versions()) == 1:
            self.vault.put(SECRET, token=self.new)

    def wrongs(self) -> Iterator[str]:
        yield from self.replaced_once()
        if self._live(self.value):
            yield "lost: GitHub takes the leaked token"
        if not self._live(self.new):
            yield "lost: GitHub refuses the new token"

    def _make(self) -> str:
        answer = httpx.post(f"{self.town.providers}/town/make/github", trust_env=False)
        return str(answer.json()["token"])

    def _live(self, token: str) -> bool:
        headers = {"Authorization": f"Bearer {token}"}
        answer = httpx.get(f"{self.town.providers}/town/live", headers=headers, trust_env=False)
        return bool(answer.json()["live"])


class KubernetesGenerated(Place):
    """A Secret that is itself the original, with a Deployment that has it in its environment."""

    playbook, order = "kubernetes-generated", "rotate-first"

    def prepare(self) -> None:
        self.objects = ClusterObjects(Path(self.town.kubeconfig))
        for item in self._manifests():
            self.objects.apply(item)
        wait_for(lambda: len(self._pods()) == 2, "the Deployment has no pods")
        self.began = {pod["metadata"]["uid"] for pod in self._pods()}

    def config(self) -> dict[str, Any]:
        cluster = {
            "kubeconfig": self.town.kubeconfig,
            "mode": "fingerprint",
            "namespaces": [self.key],
        }
        return {"kubernetes": {"prod": cluster}}

    def wrongs(self) -> Iterator[str]:
        secret = self.objects.get("v1", "Secret", "session", namespace=self.key) or {"data": {}}
        held = base64.b64decode(secret["data"].get("key", "")).decode()
        if held in {"", self.value}:
            yield "lost: the Secret does not hold a new value"
        sets = self.objects.list("apps/v1", "ReplicaSet", namespace=self.key)
        if len(sets) > 2:
            yield f"doubled: restarted {len(sets) - 1} times"
        if self.began & {pod["metadata"]["uid"] for pod in self._pods()}:
            yield "lost: a pod still runs on the leaked value"
        self.objects.close()

    def _pods(self) -> list[dict[str, Any]]:
        return self.objects.list("v1", "Pod", namespace=self.key)

    def _manifests(self) -> list[dict[str, Any]]:
        labels = {"app": "api"}
        value = {"secretKeyRef": {"name": "session", "key": "key"}}
        container = {
            "name": "api",
            "image": "shop/api:1",
            "env": [{"name": "K", "valueFrom": value}],
        }
        asks = {"locksmith/playbook": self.playbook}
        return [
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.key}},
            {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {"namespace": self.key, "name": "session", "annotations": asks},
                "stringData": {"key": self.value},
            },
            {
                "apiVersion": "apps/v1",
                "kind": "Deployment",
                "metadata": {"namespace": self.key, "name": "api"},
                "spec": {
                    "replicas": 2,
                    "selector": {"matchLabels": labels},
                    "template": {
                        "metadata": {"labels": labels},
                        "spec": {"containers": [container]},
                    },
                },
            },
        ]
