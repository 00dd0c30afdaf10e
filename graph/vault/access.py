"""
Who can read the secrets of one Vault or OpenBao: its policies, and who has them.

Auth roles and users of auth methods here; entities and groups in `graph/vault/identities.py`; the
accounts of clusters that may log in, in `graph/vault/logins.py`. A policy gets a `can_read` edge to
each secret whose data path it allows. A role gets one wherever all its policies together do, which
is not the same: one may deny what another allows. Tokens are not enumerated; a leaked one is looked
up by `graph/identify.py`. Matching itself is pure, in `graph/vault/policies.py`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import quote

import hvac

from graph import refs
from graph.connections import Connections
from graph.errors import AccessDeniedError, BadInputError, LocksmithError, NotFoundError
from graph.gathered import Gathered
from graph.model import AttributeValue, EdgeKind, NodeKind
from graph.refs import Ref
from graph.vault.policies import DENY, READ, PathRule, PolicySet, filled_in, parse_policy
from graph.vault_api import stanza, vault_errors

# Where an auth method keeps what a program or person logs in as.
_ROLES: dict[str, tuple[str, ...]] = {
    "approle": ("role",),
    "kubernetes": ("role",),
    "jwt": ("role",),
    "oidc": ("role",),
    "userpass": ("users",),
    "ldap": ("users", "groups"),
    "cert": ("certs",),
}
_ROOT = PathRule("*", frozenset({READ}))
_TEMPLATED = "only where the caller's own name fits into the path"
_TOLD = (
    "bound_service_account_names",
    "bound_service_account_namespaces",
    "bound_service_account_namespace_selector",
)


class Readable(Protocol):
    """A secret and the API path that a policy must allow to read its value."""

    @property
    def ref(self) -> Ref: ...
    @property
    def data_path(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Holder:
    """One that has policies: an auth role, a user, an entity, a group."""

    ref: Ref
    policies: tuple[str, ...]
    attributes: Mapping[str, AttributeValue]
    mount: str = ""  # of an auth role


class VaultAccess:
    """Reads one store into `gathered`; a refusal becomes a gap that names the rule to grant."""

    def __init__(self, source: str, store: str, connections: Connections) -> None:
        self.store = store
        self.gathered = Gathered(f"{source}/sys", "")
        self._connections = connections
        self.secrets: Sequence[Readable] = ()
        self.policies: Mapping[str, tuple[PathRule, ...]] = {}
        self.roles: list[Holder] = []
        self.auth_mounts: Mapping[str, Mapping[str, Any]] = {}
        self._readable: Mapping[str, Mapping[Ref, PathRule]] = {}
        self._shared: dict[tuple[str, ...], dict[Ref, PathRule]] = {}

    def mounted(self, path: str, part: str) -> Mapping[str, Mapping[str, Any]]:
        """
        Return the mounts under `sys/mounts` or `sys/auth` by path.

        Where that is not allowed, ask what any token may: those mounts it has a right in.

        Raises:
            AccessDeniedError, UnavailableError: not even that is answered.
        """
        try:
            found = self.get(path, f"list {path} of vault {self.store}")
        except AccessDeniedError as error:
            found = self.get("sys/internal/ui/mounts", f"list the mounts of vault {self.store}")
            self.miss(path, error, rule=stanza(path, "read"))
            found = found.get(part) or {}
        return found

    def read(self, secrets: Sequence[Readable]) -> None:
        """Gather policies and roles, and what each can read of `secrets`."""
        self.secrets = secrets
        self.policies = self._policies()
        self._readable = {
            name: _readable([rules], secrets) for name, rules in self.policies.items()
        }
        for name, found in self._readable.items():
            policy = refs.vault_policy(self.store, name)
            self.gathered.define(policy, NodeKind.POLICY)
            for secret, rule in found.items():
                self._connect(policy, secret, rule, path=(policy,))
        self.roles = self._roles()
        for role in self.roles:
            self.gathered.define(
                role.ref, NodeKind.SUBJECT, policies=role.policies, **role.attributes
            )
            self.connect_holder(role)

    def connect_holder(self, holder: Holder, values: Mapping[str, str] | None = None) -> set[Ref]:
        """
        Say what one reads by all its policies together; return these secrets.

        `values`: its own names for the templates in them, where it is known who it is.
        """
        held = {name: self.policies[name] for name in holder.policies if name in self.policies}
        rules: list[Sequence[PathRule]] = [*held.values()]
        if values is not None:
            rules = [*filled_in(rules, values)]
        together = self._together(tuple(held), rules, own=values is not None)
        for secret, rule in together.items():
            granting = tuple(
                refs.vault_policy(self.store, name)
                for name, own in zip(held, rules, strict=True)
                if any(rule.pattern == one.pattern and READ in one.capabilities for one in own)
            )
            self._connect(holder.ref, secret, rule, path=granting)
        # Said only where it is true for every secret: that it reads what its policies read.
        if all(secret in together for name in held for secret in self._readable[name]):
            for name in holder.policies:
                policy = refs.vault_policy(self.store, name)
                self.gathered.refer(policy, NodeKind.POLICY)
                self.gathered.connect(holder.ref, policy, EdgeKind.OPENS)
        return set(together)

    def _together(
        self, names: tuple[str, ...], rules: list[Sequence[PathRule]], *, own: bool
    ) -> dict[Ref, PathRule]:
        """Many have the same policies: what these read together is found out once."""
        if own and any(rule.templated for name in names for rule in self.policies[name]):
            return _readable(rules, self.secrets)
        known = self._shared.get(names)
        if known is None:
            known = self._shared[names] = _readable(rules, self.secrets)
        return known

    def _connect(self, tail: Ref, secret: Ref, rule: PathRule, *, path: tuple[Ref, ...]) -> None:
        note = _TEMPLATED if rule.templated else ""
        self.gathered.connect(
            tail, secret, EdgeKind.CAN_READ, verb=READ, direct=True, path=path, note=note
        )

    def _policies(self) -> dict[str, tuple[PathRule, ...]]:
        try:
            names = self.names("sys/policies/acl", f"list the policies of vault {self.store}")
        except AccessDeniedError as error:
            self.miss("sys/policies/acl", error, rule=stanza("sys/policies/acl", "list"))
            return {}
        policies: dict[str, tuple[PathRule, ...]] = {}
        for name in names:
            if name == "root":
                policies[name] = (_ROOT,)
                continue
            path = f"sys/policies/acl/{quote(name, safe='')}"
            try:
                found = self.get(path, f"read the policy {name} of vault {self.store}")
                policies[name] = parse_policy(str(found.get("policy") or ""))
            except AccessDeniedError as error:
                self.miss(path, error, rule=stanza("sys/policies/acl/*", "read"))
            except BadInputError as error:
                scope = refs.vault_policy(self.store, name)
                self.gathered.miss(scope, f"{name}: {error.happened}", do_now=error.do_now)
            except NotFoundError:  # removed since it was listed
                continue
        return policies

    def _roles(self) -> list[Holder]:
        roles: list[Holder] = []
        self.auth_mounts = dict(self.mounted("sys/auth", "auth"))
        for path, mount in self.auth_mounts.items():
            for folder in _ROLES.get(str(mount.get("type")), ()):
                base = f"auth/{path.strip('/')}/{folder}"
                try:
                    names = self.names(base, f"list {base} in vault {self.store}")
                    roles += [self._role(base, name, str(mount["type"])) for name in names]
                except AccessDeniedError as error:
                    rules = f"{stanza(base, 'list')} {stanza(f'{base}/+', 'read')}"
                    self.miss(base, error, rule=rules)
                except NotFoundError:  # a method that was never configured
                    continue
        return roles

    def _role(self, base: str, name: str, method: str) -> Holder:
        ref = refs.vault(self.store, "auth", f"{base.removeprefix('auth/')}/{name}")
        try:
            found = self.get(
                f"{base}/{quote(name, safe='')}", f"read {base}/{name} in vault {self.store}"
            )
        except NotFoundError:  # removed since it was listed
            return Holder(ref, (), {})
        policies = [
            str(policy) for policy in found.get("token_policies") or found.get("policies") or ()
        ]
        if not found.get("token_no_default_policy") and "default" not in policies:
            policies.append("default")
        attributes: dict[str, AttributeValue] = {"type": method}
        for told in _TOLD:
            said = found.get(told)
            if said:
                attributes[told] = said if isinstance(said, str) else tuple(map(str, said))
        mount = base.removeprefix("auth/").rpartition("/")[0]
        return Holder(ref, tuple(policies), attributes, mount)

    def miss(self, path: str, error: LocksmithError, *, rule: str) -> None:
        scope = f"{self.store}/{path}"
        self.gathered.miss(scope, error.happened, do_now=f"Grant: {rule}.", complete=False)

    def names(self, path: str, doing: str) -> list[str]:
        with vault_errors(doing):
            try:
                answer = self._connections.vault(self.store).adapter.list(f"/v1/{path}")
            except hvac.exceptions.InvalidPath:  # how an empty folder answers
                return []
        return [str(name) for name in answer["data"]["keys"]]

    def get(self, path: str, doing: str) -> dict[str, Any]:
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
