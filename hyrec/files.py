"""Files that are read strictly and written whole: one YAML reader, one way to replace a file, one digest."""

from __future__ import annotations

import contextlib
import csv
import hashlib
import json
import os
import tempfile
from collections.abc import Collection, Hashable, Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml

MAX_DEPTH, MAX_VALUES = 50, 1_000_000
"""What a YAML file may hold, aliases written out: ten lines of them can stand for more values than memory has."""
_MAX_BITS = 1023


def is_leftover(parts: Iterable[str], asked: Collection[str] = ()) -> bool:
    """Whether a path leads through what writers leave behind: names that begin with ``.`` or ``_``.

    Args:
        parts: Names of the folders and the file, below what was asked for.
        asked: Names that were asked for, which are none.

    Example:
        >>> is_leftover(["_temporary", "0", "part-0.parquet"]), is_leftover(["_day=3", "part-0.parquet"])
        (True, False)
    """
    hidden = (part.startswith(".") or (part.startswith("_") and "=" not in part) for part in parts if part not in asked)
    return any(hidden)


class RefusedYAMLError(yaml.constructor.ConstructorError):
    """A key that is written twice, of which YAML would drop one, or a number that no float can hold."""


class _StrictLoader(yaml.SafeLoader):
    """Loads plain data only, and refuses a key that is written twice and a value that is not what its form says."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            value = super().construct_object(node, deep)
        except (ValueError, AttributeError):  # 2023-02-30, !!int x, an integer of thousands of digits
            kind = node.tag.rpartition(":")[2]
            problem = f"{str(node.value)[:40]!r} is no {kind}; put text in quotes"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark) from None
        if isinstance(value, int) and value.bit_length() > _MAX_BITS:
            problem = f"the number {str(node.value)[:20]}... is larger than any float"
            raise RefusedYAMLError(None, None, problem, node.start_mark)
        return value

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, Hashable):
                if key in seen:
                    problem = f"the key {key!r} is written twice; keep one of them"
                    raise RefusedYAMLError(None, None, problem, key_node.start_mark)
                seen.add(key)
        return super().construct_mapping(node, deep)


def read_yaml(text: str) -> Any:
    """Read YAML as ``yaml.safe_load`` does, but refuse a key that is written twice, and what is too deep or too large.

    Raises:
        yaml.YAMLError: With line and column; :func:`yaml_problem` puts it into words.
    """
    try:
        content = yaml.load(text, Loader=_StrictLoader)
    except RecursionError:
        raise yaml.YAMLError(f"nested more than {MAX_DEPTH} deep") from None
    left, total = [(content, 0)], 0
    while left:
        value, depth = left.pop()
        total += 1
        if depth > MAX_DEPTH or total > MAX_VALUES:
            what = f"nested more than {MAX_DEPTH} deep" if depth > MAX_DEPTH else f"more than {MAX_VALUES:,} values"
            raise yaml.YAMLError(what)
        inner = value.values() if isinstance(value, dict) else value if isinstance(value, (list, tuple, set)) else ()
        left += ((item, depth + 1) for item in inner)
    return content


def yaml_problem(error: yaml.YAMLError) -> str:
    """Return where YAML is wrong and why, as ``" in line 3: expected ..."``."""
    place = getattr(error, "problem_mark", None)
    line = f" in line {place.line + 1}" if place else ""
    return f"{line}: {getattr(error, 'problem', None) or str(error).splitlines()[0]}"


def yaml_line(value: Any) -> str:
    """Write a value as YAML on one line.

    Example:
        >>> print(yaml_line({"files": ["log.csv"], "threshold": 0.5}))
        {files: [log.csv], threshold: 0.5}
    """
    text = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=10_000, allow_unicode=True)
    return str(text).removesuffix("\n...\n").strip()


def plain_value(text: str) -> Any:
    """Read a value of the command line as YAML; what is no YAML stays text.

    Raises:
        RefusedYAMLError: For a key that is written twice, or a number that no float can hold.

    Example:
        >>> plain_value("0.5"), plain_value("[a, b]"), plain_value("a: b: c")
        (0.5, ['a', 'b'], 'a: b: c')
    """
    try:
        return read_yaml(text)
    except RefusedYAMLError:
        raise
    except yaml.YAMLError:
        return text


def digest(content: Any, size: int = 8) -> str:
    """Return a short hash of bytes, text or what JSON can hold, ``size`` bytes long, the same on every machine.

    Example:
        >>> digest("hyrec") == digest(b"hyrec"), len(digest([1, 2], size=4))
        (True, 8)
    """
    if not isinstance(content, bytes):
        content = (content if isinstance(content, str) else json.dumps(content)).encode()
    return hashlib.blake2b(content, digest_size=size).hexdigest()


@contextlib.contextmanager
def replaced(path: str | Path) -> Iterator[Path]:
    """Yield a path to write to, which then takes the place of a file: readers see all of it or what was there.

    The new file lies beside the old one, is synced and renamed. When the body raises, nothing is left of it.

    Args:
        path: The file; its folder is made when missing.

    Example:
        >>> import pathlib, tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with replaced(f"{folder}/a.txt") as partial:
        ...         _ = partial.write_text("whole")
        ...     pathlib.Path(f"{folder}/a.txt").read_text()
        'whole'
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{target.name}-", suffix=".partial", dir=target.parent)
    os.close(handle)
    partial = Path(name)
    try:
        yield partial
        partial.chmod(0o644)
        _sync(partial)
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


def write_text(path: str | Path, text: str) -> Path:
    """Write a text file in UTF-8 that readers see whole or not at all."""
    with replaced(path) as partial:
        partial.write_text(text, encoding="utf-8", newline="\n")
    return Path(path)


def write_csv(path: str | Path, rows: Iterable[Iterable[Any]]) -> Path:
    """Write a table, its names first, that readers see whole or not at all."""
    with replaced(path) as partial, partial.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)
    return Path(path)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
