"""Keys and secrets of AWS (moto)."""

from collections.abc import Iterator
from typing import Any

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
