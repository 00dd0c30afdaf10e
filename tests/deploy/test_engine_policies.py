"""The policy for engines grants what the steps declare, no more, and a real OpenBao takes it."""

import re

import hvac

from bot.sandbox.openbao import OpenBaoServer
from graph.plugins import discover
from graph.vault.policies import parse_policy
from responders.step import Step
from tests.servers.processes import ROOT

ENGINES = ROOT / "deploy" / "vault" / "act-engines.hcl"
OTHERS = (ROOT / "deploy" / "vault" / "act.hcl", ROOT / "deploy" / "vault" / "read.hcl")
STEPS = discover(Step, "responders.steps")
MOUNTS = {
    "vault_database": "database",
    "vault_leases": "database",
    "vault_approle": "approle",
    "vault_pki": "pki",
    "vault_transit": "transit",
    "vault_identity": "identity",
}
# A list is asked for with a slash at the end where Vault checks it; the issuer's certificate is
# open to everybody, as a rule.
BESIDE = {
    ("sys/leases/lookup/database/creds/+/", frozenset({"list", "sudo"})),
    ("auth/approle/role/+/secret-id/", frozenset({"list"})),
    ("pki/issuer/+/json", frozenset({"read"})),
}


def declared() -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for name, step in STEPS.items():
        mount = MOUNTS.get(name.partition(".")[0])
        for permission in step.permissions if mount else ():
            rule = re.fullmatch(r'path "([^"]+)" \{ capabilities = \[(.+)\] \}', permission.rule)
            assert rule, permission.rule
            if re.match(r"MOUNT/(data|metadata|destroy)/", rule[1]):
                continue  # the KV mount: in act.hcl
            path = re.sub(r"\b(ROLE|SERIAL|NAME|ID|CONNECTION)\b", "+", rule[1])
            path = path.replace("MOUNT", str(mount))
            found.setdefault(path, set()).update(re.findall(r'"(\w+)"', rule[2]))
    return found


def test_it_grants_what_the_steps_declare_and_no_more() -> None:
    granted = {
        (rule.pattern, frozenset(rule.capabilities)) for rule in parse_policy(ENGINES.read_text())
    }
    wanted = {(path, frozenset(given)) for path, given in declared().items()}
    assert granted == wanted | BESIDE


def test_the_server_takes_it_beside_the_others(openbao: OpenBaoServer) -> None:
    client = hvac.Client(url=openbao.address, token=openbao.root_token)
    for file in (ENGINES, *OTHERS):
        client.sys.create_or_update_acl_policy(f"t-{file.stem}", file.read_text())
    made = client.auth.token.create(policies=["t-act-engines"], no_default_policy=True)
    token = made["auth"]["client_token"]
    paths = ["database/creds/shop", "database/rotate-role/shop", "identity/entity"]
    answer = client.sys.get_capabilities(paths, token=token)
    has = answer.get("data") or answer
    assert set(has["database/creds/shop"]) == {"deny"}
    assert set(has["database/rotate-role/shop"]) == {"update"}
    assert set(has["identity/entity"]) == {"deny"}
