"""
The graph's part of the composition root: a configuration becomes what questions need.

By itself, so that a question does not load the workflow engine. What an incident needs is put on
top in `bot.wiring`. Nothing is called over the network here.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from bot.config import database_url
from bot.intake.checking import Checking
from bot.intake.intake import Intake
from bot.keys import installation_keys
from bot.settings import Config
from graph.audit_hash import seek_uses, seek_value
from graph.collector import CollectContext
from graph.connections import Connections
from graph.database import Database
from graph.detect import detect
from graph.errors import BadInputError
from graph.fingerprints import Fingerprinter, LocalKey
from graph.identify import Identified, identify
from graph.ingest import log_gaps
from graph.queries.access import Accesses, accesses, places_of
from graph.reads import Reads
from graph.refs import Ref, split_key
from graph.repository import GraphRepository
from graph.secret_value import SecretValue
from graph.transit_key import TransitKeys


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class GraphParts:
    """What questions need: the database, the clients, the live graph."""

    config: Config
    database: Database
    connections: Connections
    fingerprinter: Fingerprinter
    repository: GraphRepository
    reads: Reads
    now: Callable[[], datetime] = utc_now

    @property
    def collect_context(self) -> CollectContext:
        return CollectContext(
            connections=self.connections,
            fingerprinter=self.fingerprinter,
            references=self.config.graph.references,
            infer=self.config.graph.infer,
            owner_rules=tuple((rule.match, rule.owner) for rule in self.config.owners),
            catalogs=self.config.catalogs,
        )

    def close(self) -> None:
        self.connections.close()
        self.database.close()


def graph_parts(config: Config) -> GraphParts:
    """
    Open the database (its tables are made if missing) and prepare every connection.

    Raises:
        BadInputError: the database's address or the installation key is not usable.
        UnavailableError: the database does not answer.
    """
    database = Database(database_url(config))
    database.create_all()
    connections = Connections(
        config.vault,
        config.kubernetes,
        config.issuers,
        config.databases,
        aws=config.aws,
        providers=config.providers,
        http=config.http,
    )
    return GraphParts(
        config=config,
        database=database,
        connections=connections,
        fingerprinter=_fingerprinter(config, connections),
        repository=GraphRepository(database.engine),
        reads=Reads(database.engine),
    )


def _fingerprinter(config: Config, connections: Connections) -> Fingerprinter:
    keys, settings = installation_keys(config), config.fingerprint
    present = SecretValue(keys.present.get_secret_value())
    previous = [LocalKey(SecretValue(key)) for key in keys.reveal_previous()]
    if settings.transit is None:
        return Fingerprinter(present, key_id=settings.key_id, previous=previous)
    at = settings.transit
    if at.store not in config.vault:
        raise BadInputError(
            f"fingerprint.transit.store names “{at.store}”, which is no configured vault.",
            do_now=f"Configured in section `vault`: {', '.join(config.vault) or 'none'}.",
        )
    elsewhere = TransitKeys(connections, store=at.store, key=at.key, mount=at.mount)
    # What was fingerprinted before the key moved into the store is still under the present one.
    previous.insert(0, LocalKey(present, key_id=settings.key_id))
    return Fingerprinter(elsewhere, previous=previous)


def intake_of(graph: GraphParts) -> Intake:
    return Intake(
        fingerprinter=graph.fingerprinter,
        index=graph.repository,
        detect=detect,
        identify=lambda value: _identified(value, graph),
        clock=graph.now,
        checking=Checking(
            graph.config.detection, graph.connections, graph.repository.snapshot, graph.now
        ),
    )


def _identified(value: SecretValue, graph: GraphParts) -> Identified:
    """Ask our issuers, and what our audit logs call it, so that readers and users are found."""
    found = identify(value, graph.connections)
    sought = seek_value(value, graph.connections, graph.fingerprinter, graph.reads)
    unasked = seek_uses(found.facts, sought.fingerprints, graph.connections, graph.reads)
    return replace(found, gaps=(*found.gaps, *sought.gaps, *unasked))


def who_read(graph: GraphParts, secret: Ref) -> Accesses:
    """Say who did read a secret or a copy of it, from what was taken in of the audit logs."""
    places = places_of(graph.repository.snapshot(), [split_key(secret)])
    reads = accesses(graph.reads.of(places, since=None))
    return Accesses(secret, reads, log_gaps(graph.reads, graph.connections, since=None))
