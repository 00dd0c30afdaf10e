"""
Who can read the secrets of one Vault or OpenBao: its policies, and the auth roles that have them.

A policy gets a `can_read` edge to each secret whose data path it allows. A role gets one wherever
all its policies together do, which is not the same: one may deny what another allows. Tokens are
not enumerated; a leaked one is looked up by `graph/identify.py`. Matching itself is pure, in
`graph/vault/policies.py`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import quote

import hvac

from graph import refs
from graph.connections import Connections
from graph.errors import AccessDeniedError, BadInputError, NotFoundError
from graph.gathered import Gathered
from graph.model import AttributeValue, EdgeKind, NodeKind
from graph.refs import Ref
from graph.vault.policies import DENY, READ, PathRule, PolicySet, parse_policy
from graph.vault_api import stanza, vault_errors

# Where an auth method keeps what a program or person logs in as.
_ROLES = {
    "approle": "role",
    "kubernetes": "role",
    "jwt": "role",
    "oidc": "role",
    "userpass": "users",
}
_ROOT = PathRule("*", frozenset({READ}))
_TEMPLATED = "only where the caller's own name fits into the path"
_TOLD = ("bound_service_account_names", "bound_service_account_namespaces")


class Readable(Protocol):
    """A secret and the API path that a policy must allow to read its value."""

    @property
    def ref(self) -> Ref: ...
    @property
    def data_path(self) -> str: ...


@dataclass(frozen=True, slots=True)
class _Role:
    ref: Ref
    policies: tuple[str, ...]
    attributes: Mapping[str, AttributeValue]


class VaultAccess:
    """Reads one store into `gathered`; a refusal becomes a gap that names the rule to grant."""

    def __init__(self, source: str, store: str, connections: Connections) -> None:
        self.store = store
        self.gathered = Gathered(f"{source}/sys", "")
        self._connections = connections

    def mounted(self, path: str, part: str) -> Mapping[str, Mapping[str, Any]]:
        """
        Return the mounts under `sys/mounts` or `sys/auth` by path.

        Where that is not allowed, ask what any token may: those mounts it has a right in.

        Raises:
            AccessDeniedError, UnavailableError: not even that is answered.
        """
        try:
            found = self._get(path, f"list {path} of vault {self.store}")
        except AccessDeniedError as error:
            found = self._get("sys/internal/ui/mounts", f"list the mounts of vault {self.store}")
            self._miss(path, error, rule=stanza(path, "read"))
            found = found.get(part) or {}
        return found

    def read(self, secrets: Sequence[Readable]) -> None:
        """Gather policies and roles, and what each can read of `secrets`."""
        policies = self._policies()
        readable = {name: _readable([rules], secrets) for name, rules in policies.items()}
        for name, found in readable.items():
            policy = refs.vault_policy(self.store, name)
            self.gathered.define(policy, NodeKind.POLICY)
            for secret, rule in found.items():
                self._connect(policy, secret, rule, path=(policy,))
        for role in self._roles():
            self.gathered.define(
                role.ref, NodeKind.SUBJECT, policies=role.policies, **role.attributes
            )
            self._connect_role(role, policies, readable, secrets)

    def _connect_role(
        self,
        role: _Role,
        policies: Mapping[str, Sequence[PathRule]],
        readable: Mapping[str, Mapping[Ref, PathRule]],
        secrets: Sequence[Readable],
    ) -> None:
        held = {name: policies[name] for name in role.policies if name in policies}
        together = _readable(list(held.values()), secrets)
        for secret, rule in together.items():
            granting = tuple(
                refs.vault_policy(self.store, name)
                for name, rules in held.items()
                if any(rule.pattern == own.pattern and READ in own.capabilities for own in rules)
            )
            self._connect(role.ref, secret, rule, path=granting)
        # Said only where it is true for every secret: that the role reads what its policies read.
        if all(secret in together for name in held for secret in readable[name]):
            for name in role.policies:
                policy = refs.vault_policy(self.store, name)
                self.gathered.refer(policy, NodeKind.POLICY)
                self.gathered.connect(role.ref, policy, EdgeKind.OPENS)

    def _connect(self, tail: Ref, secret: Ref, rule: PathRule, *, path: tuple[Ref, ...]) -> None:
        note = _TEMPLATED if rule.templated else ""
        self.gathered.connect(
            tail, secret, EdgeKind.CAN_READ, verb=READ, direct=True, path=path, note=note
        )

    def _policies(self) -> dict[str, tuple[PathRule, ...]]:
        try:
            names = self._names("sys/policies/acl", f"list the policies of vault {self.store}")
        except AccessDeniedError as error:
            self._miss("sys/policies/acl", error, rule=stanza("sys/policies/acl", "list"))
            return {}
        policies: dict[str, tuple[PathRule, ...]] = {}
        for name in names:
            if name == "root":
                policies[name] = (_ROOT,)
                continue
            path = f"sys/policies/acl/{quote(name, safe='')}"
            try:
                found = self._get(path, f"read the policy {name} of vault {self.store}")
                policies[name] = parse_policy(str(found.get("policy") or ""))
            except AccessDeniedError as error:
                self._miss(path, error, rule=stanza("sys/policies/acl/*", "read"))
            except BadInputError as error:
                scope = refs.vault_policy(self.store, name)
                self.gathered.miss(scope, f"{name}: {error.happened}", do_now=error.do_now)
            except NotFoundError:  # removed since it was listed
                continue
        return policies

    def _roles(self) -> list[_Role]:
        roles: list[_Role] = []
        for path, mount in self.mounted("sys/auth", "auth").items():
            folder = _ROLES.get(str(mount.get("type")))
            if folder is None:
                continue
            base = f"auth/{path.strip('/')}/{folder}"
            try:
                names = self._names(base, f"list {base} in vault {self.store}")
                roles += [self._role(base, name, str(mount["type"])) for name in names]
            except AccessDeniedError as error:
                rules = f"{stanza(base, 'list')} {stanza(f'{base}/+', 'read')}"
                self._miss(base, error, rule=rules)
        return roles

    def _role(self, base: str, name: str, method: str) -> _Role:
        ref = refs.vault(self.store, "auth", f"{base.removeprefix('auth/')}/{name}")
        try:
            found = self._get(
                f"{base}/{quote(name, safe='')}", f"read {base}/{name} in vault {self.store}"
            )
        except NotFoundError:  # removed since it was listed
            return _Role(ref, (), {})
        policies = [
            str(policy) for policy in found.get("token_policies") or found.get("policies") or ()
        ]
        if not found.get("token_no_default_policy") and "default" not in policies:
            policies.append("default")
        attributes: dict[str, AttributeValue] = {"type": method}
        for told in _TOLD:
            if found.get(told):
                attributes[told] = tuple(str(each) for each in found[told])
        return _Role(ref, tuple(policies), attributes)

    def _miss(self, path: str, error: AccessDeniedError, *, rule: str) -> None:
        scope = f"{self.store}/{path}"
        self.gathered.miss(scope, error.happened, do_now=f"Grant: {rule}.", complete=False)

    def _names(self, path: str, doing: str) -> list[str]:
        with vault_errors(doing):
            try:
                answer = self._connections.vault(self.store).adapter.list(f"/v1/{path}")
            except hvac.exceptions.InvalidPath:  # how an empty folder answers
                return []
        return [str(name) for name in answer["data"]["keys"]]

    def _get(self, path: str, doing: str) -> dict[str, Any]:
        with vault_errors(doing):
            answer = self._connections.vault(self.store).adapter.get(f"/v1/{path}")
        found = answer.get("data") if isinstance(answer, dict) else None
        return found if isinstance(found, dict) else {}


def _readable(
    policies: Sequence[Sequence[PathRule]], secrets: Sequence[Readable]
) -> dict[Ref, PathRule]:
    """Return the secrets that the policies allow together, each with the rule that does."""
    rules = PolicySet(policies)
    found: dict[Ref, PathRule] = {}
    for secret in secrets:
        rule = rules.rule_for(secret.data_path)
        if rule is not None and READ in rule.capabilities and DENY not in rule.capabilities:
            found[secret.ref] = rule
    return found
