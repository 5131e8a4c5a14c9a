"""Which vocabularies ids are of: a digest for each embedding table, kept in schemas, files and checkpoints."""

from __future__ import annotations

import json
from collections.abc import Mapping

KEY = b"hyrec.fingerprint"
"""Key of the digests in the metadata of a Parquet file."""


def differences(one: Mapping[str, str], other: Mapping[str, str]) -> str:
    """Return the tables that both know and that differ, as ``"tables item, user"``; empty if there are none.

    Example:
        >>> differences({"item": "a1", "user": "b2"}, {"item": "a1", "user": "c3", "tag": "d4"})
        'tables user'
    """
    tables = sorted(table for table in {*one} & {*other} if one[table] != other[table])
    return f"tables {', '.join(tables)}" if tables else ""


def refuse_other_vocabularies(file: str, metadata: Mapping[bytes, bytes] | None, expected: Mapping[str, str]) -> None:
    """Refuse a file whose ids are of other vocabularies than those of a schema; one that does not say passes.

    Raises:
        ValueError: With the tables that differ, and for a fingerprint that cannot be read.
    """
    try:
        found = json.loads((metadata or {}).get(KEY, b"{}"))
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise ValueError(f"{file}: its {KEY.decode()} is no mapping of tables; build it again, or remove that key.")
    if differ := differences(expected, found):
        raise ValueError(
            f"{file} was built with other vocabularies than the schema ({differ}): its ids mean other values, and the "
            "scores would be worthless.\nUse the schema.yaml that was written with the file, or build them all at once."
        )
