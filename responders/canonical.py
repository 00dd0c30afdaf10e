"""
One byte sequence for one value: what the audit chain seals and what a plan's hash is taken of.

Keys are sorted and nothing is padded, after RFC 8785 (our data holds no number for which the
two could differ: integers, and floats that orjson prints in shortest form as the RFC does).
"""

import hashlib

import orjson


def canonical_json(data: object) -> bytes:
    """Serialise plain values, enums and aware datetimes (UTC, “Z”)."""
    return orjson.dumps(data, option=orjson.OPT_SORT_KEYS | orjson.OPT_UTC_Z)


def digest(data: object) -> str:
    """Hash the canonical form: hex SHA-256."""
    return hashlib.sha256(canonical_json(data)).hexdigest()
