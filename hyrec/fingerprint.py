"""What ids and numbers mean: a digest for each vocabulary and dense feature, kept in schemas, files and checkpoints."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

KEY = b"hyrec.fingerprint"
"""Key of the digests in the metadata of a Parquet file."""
DENSE = "dense "
"""What begins the names of dense features; other names are those of embedding tables."""
_SHOWN, _ANCESTORS = 4, 60


def differences(one: Mapping[str, str], other: Mapping[str, str], *, grown: bool = False) -> str:
    """Return what both know and what differs, as ``"tables item, user; dense price"``; empty if nothing does.

    ``grown``: vocabularies of ``one`` may have grown out of those of ``other``, which keeps the ids that were there.

    Example:
        >>> differences({"item": "a1", "user": "b2"}, {"item": "a1", "user": "c3", "tag": "d4"})
        'tables user'
        >>> differences({"item": grown("a2", "a1")}, {"item": "a1"}, grown=True)
        ''
    """
    differ = []
    for name in sorted({*one} & {*other}):
        digests = one[name].split()
        if latest(other[name]) not in (digests if grown else digests[:1]):
            differ.append(name)
    tables = [name for name in differ if is_table(name)]
    dense = [name.removeprefix(DENSE) for name in differ if name.startswith(DENSE)]
    parts = [f"tables {', '.join(tables)}"] if tables else []
    parts += [f"{DENSE}{_shown(dense)}"] if dense else []
    return "; ".join(parts)


def grown(digest: str, before: str) -> str:
    """Return a digest with those of the vocabularies that it has grown out of, the latest first."""
    return " ".join([digest, *before.split()[:_ANCESTORS]])


def latest(digest: str) -> str:
    """Return the digest of what is there now, without those of what it has grown out of."""
    return digest.split()[0]


def is_table(name: str) -> bool:
    """Whether a digest is that of an embedding table's vocabulary."""
    return not name.startswith(DENSE)


def changed_entries(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """Return what differs between two schemas, written as plain mappings, but for their digests.

    Example:
        >>> changed_entries({"features": {"age": {"std": 1.0}}}, {"features": {"age": {"std": 2.0}}, "time_unit": "ms"})
        ['features age (std)', 'time_unit']
    """
    changed = []
    for key in (key for key in _differing(one, other) if key != "fingerprint"):
        before, after = one.get(key, {}), other.get(key, {})
        names = []
        for name in _differing(before, after):
            fields = _differing(before.get(name), after.get(name))
            names.append(f"{name} ({', '.join(fields)})" if fields else name)
        changed.append(f"{key} {_shown(names)}".strip())
    return changed


def _differing(one: Any, other: Any) -> list[str]:
    """Return the keys of two mappings by which they differ; of anything else none."""
    if not (isinstance(one, Mapping) and isinstance(other, Mapping)):
        return []
    return sorted(key for key in {*one, *other} if one.get(key) != other.get(key))


def _shown(names: list[str]) -> str:
    more = [f"{len(names) - _SHOWN} more"] if len(names) > _SHOWN else []
    return ", ".join([*names[:_SHOWN], *more])


def refuse_other_vocabularies(file: str, metadata: Mapping[bytes, bytes] | None, expected: Mapping[str, str]) -> None:
    """Refuse a file whose ids and numbers mean something else than a schema says; one that does not say passes.

    Raises:
        ValueError: With what differs, and for a fingerprint that cannot be read.
    """
    try:
        found = json.loads((metadata or {}).get(KEY, b"{}"))
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise ValueError(f"{file}: its {KEY.decode()} is no mapping of tables; build it again, or remove that key.")
    if differ := differences(expected, found, grown=True):
        what, why = "vocabularies", "ids mean other values, and the scores would be worthless"
        if not differ.startswith("tables"):
            what, why = "transforms or rules", "numbers mean something else, and the scores would be wrong"
        raise ValueError(
            f"{file} was built with other {what} than the schema ({differ}): its {why}.\nUse the schema.yaml that was "
            "written with the file, build both at once, or encode new rows with the model's build: hyrec data apply."
        )


def refuse_other_schema(saved: Mapping[str, Any], used: Mapping[str, Any], fingerprint: Mapping[str, str]) -> None:
    """Refuse a checkpoint of another schema; one that holds none passes.

    Args:
        saved: The schema of the checkpoint, as a plain mapping.
        used: That of the model.
        fingerprint: The digests of the model's schema.

    Raises:
        ValueError: With what differs.
    """
    changed = changed_entries(saved, used) if saved else []
    if differ := differences(saved.get("fingerprint", {}), fingerprint):
        changed.append(f"the vocabularies of the {differ}" if differ.startswith("tables") else differ)
    if changed:
        raise ValueError(
            f"This checkpoint was trained with another schema: {'; '.join(changed)} differ. Use the schema that "
            "was saved in the run's config.yaml; new rows get its ids and transforms with hyrec data apply."
        )
