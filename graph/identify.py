"""
Ask what a leaked value is here: its type, and for a token of Vault or OpenBao what it opens.

The type is found offline. Only a value with the shape of such a token is shown to the configured
stores, each asked with the bot's own token: a store that does not know it is not its issuer.
Where a value is *stored* is not asked here; that is what the fingerprints are for. Of a JWT the
claims are read, never the signature: whose service account it speaks for is `account_tokens.py`'s.
"""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from graph import refs
from graph.account_tokens import facts_of_claims
from graph.connections import Connections, vault_errors
from graph.detect import Detected, detect, is_vault_token
from graph.errors import AccessDeniedError, BadInputError, NotFoundError, UnavailableError
from graph.model import EMPTY, Attributes, AttributeValue, Edge, EdgeKind, Gap, Node, NodeKind
from graph.refs import Ref
from graph.secret_value import SecretValue
from graph.shapes import GENERIC, OPENBAO_TOKEN
from graph.vault_api import stanza

_UNKNOWN = "Unknown credential"
_LONGEST_CLAIMS = 8192  # characters
_RANKS = {"high": 0, "medium": 1, "low": 2}


@dataclass(frozen=True, slots=True)
class Identified:
    """
    What is known of a value without its text.

    `facts` of a token: `issuer` ("vault://main"), `accessor` ("" for a batch token), `policies`,
    `display_name`, `ttl` (seconds), `expire_time` ("" for never), `orphan`, `entity`, `type`,
    `path`, `role` (ref of the auth role, "" if none). Of a token of a service account: `account`,
    `bound_to`, `uid`, `jti`. `credential` names it in the graph, None
    where no issuer knows it; `edges` say what it opens. `gaps`: stores that could not be asked.
    """

    detector: str
    detector_name: str
    facts: Attributes = field(default_factory=lambda: EMPTY)
    nodes: tuple[Node, ...] = ()
    edges: tuple[Edge, ...] = ()
    credential: Ref | None = None
    gaps: tuple[Gap, ...] = ()


def identify(value: SecretValue, connections: Connections) -> Identified:
    """Identify one value; a store that cannot be asked becomes a gap, not an error."""
    found = _main_type(value)
    if not is_vault_token(value):
        facts, unasked = facts_of_claims(_claims(value), connections)
        return Identified(
            detector=found.detector if found else GENERIC,
            detector_name=found.detector_name if found else _UNKNOWN,
            facts=facts,
            gaps=unasked,
        )
    name = "Vault or OpenBao token"
    gaps: list[Gap] = []
    for store in connections.vault_names:
        try:
            token = _look_up(value, store, connections)
        except NotFoundError:
            continue
        except (AccessDeniedError, UnavailableError, BadInputError) as error:
            gaps.append(_gap(store, error))
            continue
        return _known_token(token, store, name=name, gaps=tuple(gaps))
    return Identified(detector=OPENBAO_TOKEN, detector_name=name, gaps=tuple(gaps))


def _main_type(value: SecretValue) -> Detected | None:
    """Take the surest finding; of equally sure ones the one that covers most."""
    return min(
        detect(value.reveal()),
        key=lambda found: (_RANKS[found.confidence], found.start - found.end),
        default=None,
    )


def _claims(value: SecretValue) -> Mapping[str, object]:
    """Read what a JWT says of itself; {} where the value is none."""
    parts = value.reveal().strip().split(".")
    if len(parts) != 3 or len(parts[1]) > _LONGEST_CLAIMS:  # noqa: PLR2004 - head, claims, signature
        return {}
    try:
        found = orjson.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (binascii.Error, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _look_up(value: SecretValue, store: str, connections: Connections) -> Mapping[str, Any]:
    client = connections.vault(store)
    with vault_errors(f"look up the leaked token in vault {store}"):
        answer = client.adapter.post(
            "/v1/auth/token/lookup", json={"token": value.reveal().strip()}
        )
    found = answer.get("data") if isinstance(answer, dict) else None
    return found if isinstance(found, dict) else {}


def _known_token(
    token: Mapping[str, Any], store: str, *, name: str, gaps: tuple[Gap, ...]
) -> Identified:
    """Pick what is harmless: `id` of the answer is the token itself, `meta` anybody's text."""
    policies = tuple(
        dict.fromkeys(
            str(policy)
            for part in ("policies", "identity_policies")
            for policy in token.get(part) or ()
        )
    )
    accessor = str(token.get("accessor") or "")
    # A batch token has no accessor; the moment of its making tells it from its brothers.
    identifier = accessor or f"batch:{token.get('creation_time') or 0}"
    credential = refs.credential(f"vault:{store}:{identifier}")
    facts: dict[str, AttributeValue] = {
        "issuer": f"vault://{store}",
        "accessor": accessor,
        "policies": policies,
        "display_name": str(token.get("display_name") or ""),
        "ttl": int(token.get("ttl") or 0),
        "expire_time": str(token.get("expire_time") or ""),
        "orphan": bool(token.get("orphan")),
        "entity": str(token.get("entity_id") or ""),
        "type": str(token.get("type") or ""),
        "path": str(token.get("path") or ""),
        "role": _role(token, store),
    }
    opened = [refs.vault_policy(store, policy) for policy in policies]
    return Identified(
        detector=OPENBAO_TOKEN,
        detector_name=name,
        facts=facts,
        nodes=(
            Node(credential, NodeKind.CREDENTIAL, facts),
            *(Node(policy, NodeKind.POLICY) for policy in opened),
        ),
        edges=tuple(Edge(credential, policy, EdgeKind.OPENS) for policy in opened),
        credential=credential,
        gaps=gaps,
    )


def _role(token: Mapping[str, Any], store: str) -> str:
    """Name the auth role that a token came from: `auth/approle/login` with role_name `ci`."""
    meta = token.get("meta")
    role = (meta.get("role_name") or meta.get("role")) if isinstance(meta, dict) else None
    mount, _, call = str(token.get("path") or "").removeprefix("auth/").rpartition("/")
    if not role or call != "login" or not mount:
        return ""
    return refs.vault(store, "auth", f"{mount}/role/{role}")


def _gap(store: str, error: AccessDeniedError | UnavailableError | BadInputError) -> Gap:
    rule = stanza("auth/token/lookup", "update")
    denied = isinstance(error, AccessDeniedError)
    return Gap(
        source=f"vault/{store}",
        scope=f"{store}/auth/token/lookup",
        reason=f"Whether the leaked token is one of {store} is unknown. {error.happened}",
        do_now=f"Add to the bot's policy: {rule}." if denied else error.do_now,
    )
