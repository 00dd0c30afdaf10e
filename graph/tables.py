"""
The tables of the graph. Only `graph/repository.py` speaks to them.

Rows carry the source that owns them; several sources may speak of one node. Attributes are
canonical JSON (sorted keys) in text, so that equal attributes are equal strings, which the snapshot
shares. Digests of fingerprints are keyed: useless without the installation key. No value of a
secret has a column here.
"""

from datetime import datetime

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
)
from sqlmodel import Field, SQLModel

from graph.database import UtcDateTime

_Id = BigInteger().with_variant(Integer, "sqlite")  # SQLite numbers only INTEGER keys by itself


class NodeRow(SQLModel, table=True):
    """What one source says of one node."""

    __tablename__ = "graph_node"
    __table_args__ = (UniqueConstraint("ref", "source"), Index("ix_graph_node_source", "source"))

    id: int | None = Field(default=None, sa_column=Column(_Id, primary_key=True))
    ref: str = Field(sa_type=Text)
    source: str = Field(sa_type=Text)
    kind: str
    attributes: str = Field(sa_type=Text)
    first_seen: datetime = Field(sa_type=UtcDateTime)
    last_seen: datetime = Field(sa_type=UtcDateTime)


class EdgeRow(SQLModel, table=True):
    """`identity` is a digest of tail, head, kind and attributes: one row per use and source."""

    __tablename__ = "graph_edge"
    __table_args__ = (
        UniqueConstraint("identity", "source"),
        Index("ix_graph_edge_source", "source"),
    )

    id: int | None = Field(default=None, sa_column=Column(_Id, primary_key=True))
    identity: bytes = Field(sa_type=LargeBinary)
    source: str = Field(sa_type=Text)
    tail: str = Field(sa_type=Text)
    head: str = Field(sa_type=Text)
    kind: str
    attributes: str = Field(sa_type=Text)
    first_seen: datetime = Field(sa_type=UtcDateTime)
    last_seen: datetime = Field(sa_type=UtcDateTime)


class GapRow(SQLModel, table=True):
    """`owner` is the source whose look found the gap; `source` the one that the gap names."""

    __tablename__ = "graph_gap"
    __table_args__ = (UniqueConstraint("owner", "source", "scope", "reason"),)

    id: int | None = Field(default=None, sa_column=Column(_Id, primary_key=True))
    owner: str = Field(sa_type=Text)
    source: str = Field(sa_type=Text)
    scope: str = Field(sa_type=Text)
    reason: str = Field(sa_type=Text)
    do_now: str = Field(default="", sa_type=Text)
    since: datetime = Field(sa_type=UtcDateTime)


class FingerprintRow(SQLModel, table=True):
    """A keyed digest of one normal form of one stored value; `version` -1 where there is none."""

    __tablename__ = "graph_fingerprint"
    __table_args__ = (
        UniqueConstraint("digest", "key_id", "secret", "key", "version", "form", "source"),
        Index("ix_graph_fingerprint_source", "source"),
    )

    id: int | None = Field(default=None, sa_column=Column(_Id, primary_key=True))
    source: str = Field(sa_type=Text)
    secret: str = Field(sa_type=Text)
    key: str = Field(sa_type=Text)
    version: int
    digest: str
    form: str
    key_id: str
    weak: bool
    current: bool


class ChangeRow(SQLModel, table=True):
    """
    The change feed, in the order of `revision`.

    `subject_kind` is node, edge or gap; a node has its `ref`; an edge `ref` (tail), `head`,
    `edge_kind` and `identity`; a gap its scope as `ref`.
    """

    __tablename__ = "graph_change"

    revision: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    kind: str
    subject_kind: str
    ref: str = Field(sa_type=Text)
    head: str = Field(default="", sa_type=Text)
    edge_kind: str = ""
    identity: bytes = Field(default=b"", sa_type=LargeBinary)
    source: str = Field(sa_type=Text)
    at: datetime = Field(sa_type=UtcDateTime)


class FeedRow(SQLModel, table=True):
    """One row: the latest revision. Whoever writes locks it, so revisions appear in order."""

    __tablename__ = "graph_feed"

    id: int = Field(default=1, primary_key=True)
    revision: int = Field(default=0, sa_type=BigInteger)


class SourceRow(SQLModel, table=True):
    """How fresh one source is: last look, last complete look, since when stale (None: fresh)."""

    __tablename__ = "graph_source"

    name: str = Field(sa_column=Column(Text, primary_key=True))
    last_attempt: datetime = Field(sa_type=UtcDateTime)
    last_complete: datetime | None = Field(default=None, sa_type=UtcDateTime, nullable=True)
    stale_since: datetime | None = Field(default=None, sa_type=UtcDateTime, nullable=True)


class LeaseRow(SQLModel, table=True):
    """Which process follows an endpoint; `beat` grows with each sign of life of the `holder`."""

    __tablename__ = "graph_lease"

    name: str = Field(sa_column=Column(Text, primary_key=True))
    holder: str = Field(sa_type=Text)
    beat: int = Field(default=0, sa_type=BigInteger)


class ReadRow(SQLModel, table=True):
    """One read that an audit log tells of. `secret` of a list is its namespace or cluster."""

    __tablename__ = "graph_read"
    __table_args__ = (
        UniqueConstraint("source", "request", "secret"),
        Index("ix_graph_read_secret", "secret", "at"),
    )

    id: int | None = Field(default=None, sa_column=Column(_Id, primary_key=True))
    source: str = Field(sa_type=Text)
    request: str
    at: datetime = Field(sa_type=UtcDateTime)
    secret: str = Field(sa_type=Text)
    verb: str
    who: str = Field(sa_type=Text)
    subject: str = Field(sa_type=Text)
    address: str
    agent: str = Field(sa_type=Text)
    version: int
    sure: bool


class ServedRow(SQLModel, table=True):
    """The keyed digest that an audit log has for one value that a read gave out."""

    __tablename__ = "graph_served"
    __table_args__ = (UniqueConstraint("digest", "source", "request", "field"),)

    id: int | None = Field(default=None, sa_column=Column(_Id, primary_key=True))
    source: str = Field(sa_type=Text)
    request: str
    field: str = Field(sa_type=Text)
    digest: str


class SoughtRow(SQLModel, table=True):
    """
    What an audit log calls a value that was reported: `fingerprint` is our digest of it.

    `digest` is the log's own of the value, or its name for the credential (an accessor, a number).
    """

    __tablename__ = "graph_sought"
    __table_args__ = (UniqueConstraint("fingerprint", "source", "digest"),)

    id: int | None = Field(default=None, sa_column=Column(_Id, primary_key=True))
    fingerprint: str
    source: str = Field(sa_type=Text)
    digest: str


class UseRow(SQLModel, table=True):
    """One use of a reported credential that an audit log tells of, by what the log calls it."""

    __tablename__ = "graph_use"
    __table_args__ = (
        UniqueConstraint("source", "request", "mark"),
        Index("ix_graph_use_mark", "mark", "at"),
    )

    id: int | None = Field(default=None, sa_column=Column(_Id, primary_key=True))
    source: str = Field(sa_type=Text)
    request: str
    mark: str
    at: datetime = Field(sa_type=UtcDateTime)
    who: str = Field(sa_type=Text)
    what: str = Field(sa_type=Text)
    address: str


class AuditLogRow(SQLModel, table=True):
    """How far one audit log was read; `since` is the moment of its first line that was read."""

    __tablename__ = "graph_audit_log"

    source: str = Field(sa_column=Column(Text, primary_key=True))
    inode: int = Field(default=0, sa_type=BigInteger)
    offset: int = Field(default=0, sa_type=BigInteger)
    head: str = ""
    head_length: int = 0
    looked_at: datetime = Field(sa_type=UtcDateTime)
    since: datetime | None = Field(default=None, sa_type=UtcDateTime, nullable=True)
    trouble: str = Field(default="", sa_type=Text)


def _table(model: type[SQLModel]) -> Table:
    return SQLModel.metadata.tables[str(model.__tablename__)]


# The same tables in the words of SQLAlchemy's core, in which whole sets of rows are written.
NODES = _table(NodeRow)
EDGES = _table(EdgeRow)
GAPS = _table(GapRow)
FINGERPRINTS = _table(FingerprintRow)
CHANGES = _table(ChangeRow)
FEED = _table(FeedRow)
SOURCES = _table(SourceRow)
LEASES = _table(LeaseRow)
READS = _table(ReadRow)
SERVED = _table(ServedRow)
SOUGHT = _table(SoughtRow)
USES = _table(UseRow)
AUDIT_LOGS = _table(AuditLogRow)
