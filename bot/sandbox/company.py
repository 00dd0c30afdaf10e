"""The demo company's Slack workspace and the configuration that Locksmith runs with there."""

from importlib.resources import files
from pathlib import Path

from bot.sandbox.page_receiver import PageReceiver
from bot.sandbox.people import CHANNELS, PEOPLE, TEAMS
from bot.sandbox.workspace.server import Workspace
from bot.sandbox.workspace.shape import (
    Channel,
    User,
    UserGroup,
    WorkspaceShape,
    app_from_manifest,
)
from bot.sandbox.world import CLUSTER, MOUNT, STORE, World
from bot.settings import Config
from graph import yaml_text

BOT = "U0LOCKSMITH"
_BOT_TOKEN = "xoxb-demo-workspace-only"  # noqa: S105 - opens the demo's own workspace, nothing else
_APP_TOKEN = "xapp-demo-workspace-only"  # noqa: S105


def workspace_shape() -> WorkspaceShape:
    """Describe the workspace: the company's people and channels, and our app by its manifest."""
    manifest = yaml_text.load((files("bot.slack") / "manifest.yaml").read_text())
    return WorkspaceShape(
        users=tuple(
            User(
                id=user_id(person.name),
                name=person.name,
                real_name=person.real_name,
                email=person.email,
                title=person.title,
                is_restricted=person.guest,
            )
            for person in PEOPLE
        ),
        channels=tuple(
            Channel(
                id=f"C0{channel.name.upper()}",
                name=channel.name,
                topic=channel.topic,
                private=channel.private,
                ext_shared=channel.external,
                members=(*(user_id(member) for member in channel.members), BOT),
            )
            for channel in CHANNELS
        ),
        user_groups=tuple(
            UserGroup(
                id=f"S0{team.name.upper()}",
                handle=team.name,
                name=team.name.title(),
                users=tuple(user_id(owner) for owner in team.owners),
            )
            for team in TEAMS
        ),
        app=app_from_manifest(manifest, bot_token=_BOT_TOKEN, app_token=_APP_TOKEN),
    )


def user_id(name: str) -> str:
    return f"U0{name.upper()}"


def demo_config(
    world: World, workspace: Workspace, receiver: PageReceiver, *, folder: Path, context: str = ""
) -> Config:
    """Configure Locksmith for the demo; on a real system the same keys stand in config.yaml."""
    return Config.model_validate(
        {
            "installation": "demo",
            "data_folder": str(folder),
            "slack": {
                "bot_token": _BOT_TOKEN,
                "app_token": _APP_TOKEN,
                "base_url": workspace.base_url,
                "security_channel": "security",
            },
            "vault": {
                STORE: {
                    "address": world.openbao.address,
                    "auth": "approle",
                    "role_id": world.bot_role_id,
                    "secret_id": world.bot_secret_id,
                    "mounts": [MOUNT],
                    "environment": "demo",
                }
            },
            "kubernetes": {
                CLUSTER: {
                    "kubeconfig": str(world.kubeconfig),
                    "context": context,
                    "mode": "fingerprint",
                    "namespaces": ["payments", "shop", "reporting", "platform"],
                    "environment": "demo",
                    "volume_sync_seconds": 5,  # the demo's kubelet follows within two
                }
            },
            "issuers": {
                "paygate": {
                    "base_url": world.issuer.address,
                    "admin_token": world.issuer.admin_token,
                    "create": {
                        "method": "POST",
                        "path": "/v1/tokens",
                        "body": {"name": "locksmith {mark}"},
                        "ok": [201],
                    },
                    "revoke": {
                        "method": "POST",
                        "path": "/v1/tokens/revoke",
                        "body": {"token": "{token}"},
                        "ok": [200],
                    },
                    "revoke_by_id": {"method": "DELETE", "path": "/v1/tokens/{id}", "ok": [204]},
                    "find": {"path": "/v1/tokens", "items": "tokens"},
                    "probe": {"method": "GET", "path": "/v1/account", "ok": [200], "dead": [401]},
                }
            },
            "teams": {
                team.name: {
                    "members": [f"{owner}@example.com" for owner in team.owners],
                    "slack_group": f"S0{team.name.upper()}",
                    "pagers": [f"{team.name}-oncall", f"{team.name}-slack"],
                }
                for team in TEAMS
            },
            "pagers": _pagers(workspace, receiver),
            "approvals": {"approvers": ["group:security"], "quorum": 1},
            "response": {
                "mode": "suggest",
                "allow": [f"vault://{STORE}/*", f"k8s://{CLUSTER}/*", "issuer:paygate"],
            },
            "collect": {"interval_seconds": 10},
        }
    )


def _pagers(workspace: Workspace, receiver: PageReceiver) -> dict[str, dict[str, str]]:
    """Two ways to each team: a webhook that a pager service would take, and a direct message."""
    pagers: dict[str, dict[str, str]] = {}
    for team in TEAMS:
        pagers[f"{team.name}-oncall"] = {
            "kind": "webhook",
            "url": f"{receiver.address}/pages/{team.name}",
            "secret": "demo-signing-key",
        }
        pagers[f"{team.name}-slack"] = {
            "kind": "slack",
            "bot_token": _BOT_TOKEN,
            "base_url": workspace.base_url,
            "user": user_id(team.owners[0]),
        }
    return pagers
