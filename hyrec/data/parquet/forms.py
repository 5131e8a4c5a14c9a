"""Forms of values that other writers use, brought to those that are decoded."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types

from hyrec.data.parquet import arrow
from hyrec.data.parquet.columns import Column
from hyrec.data.parquet.policy import DataError

_ANY = r"\s*[\^|,;\s]\s*"
"""What whole numbers are joined by where a schema names no separator: numbers hold none of them."""


@dataclass(frozen=True)
class Form:
    """How the values of a column become what is decoded: numbers, texts, and lists of them.

    Args:
        separator: Between the entries of a text that stands for a list, or ``_ANY``. Empty: texts are no lists.
        numbers: What decimals and the entries of such texts become: ``whole`` numbers, ``float``, or ``kept``.
        kind: Type of a column that is nothing but null. None: it stays so.
    """

    separator: str
    numbers: Literal["whole", "float", "kept"]
    kind: pa.DataType | None

    def apply(self, array: pa.Array, where: str) -> pa.Array:
        """Return an array in this form.

        Raises:
            DataError: For a value that has no such form; the message begins with ``where``.
        """
        kind = array.type
        if isinstance(kind, pa.BaseExtensionType):
            return self.apply(array.storage, where)
        if types.is_null(arrow.depth_of(kind)[1]):
            return array if self.kind is None else array.cast(self.kind)
        if arrow.is_view(kind):
            return self.apply(array.cast(pa.large_list(kind.value_type)), where)
        if arrow.is_list(kind):
            return arrow.relist(array, self.apply(array.values, where))
        if types.is_dictionary(kind) and (self.separator or not arrow.is_text(kind)):
            return self.apply(array.dictionary_decode(), where)
        if types.is_string_view(kind) or types.is_binary_view(kind):
            return self.apply(array.cast(pa.string() if types.is_string_view(kind) else pa.binary()), where)
        if self.separator and arrow.is_text(kind):
            return self._split(array, where)
        return self._number(array, where) if types.is_decimal(kind) else array

    def _number(self, array: pa.Array, where: str) -> pa.Array:
        if self.numbers == "float":
            return array.cast(pa.float64())
        whole = self.numbers == "whole" and (not types.is_decimal(array.type) or array.type.scale <= 0)
        return _whole(array, where) if whole else array

    def _split(self, array: pa.Array, where: str) -> pa.Array:
        text = pc.utf8_trim_whitespace(array.cast(pa.string()))
        filled = pc.if_else(pc.equal(text, ""), pa.scalar(None, pa.string()), text)
        split = pc.split_pattern_regex if self.separator == _ANY else pc.split_pattern
        lists = split(filled, self.separator)
        entries = pc.utf8_trim_whitespace(lists.values)
        entries = pc.if_else(pc.equal(entries, ""), pa.scalar(None, pa.string()), entries)
        if self.numbers == "float":
            try:
                entries = entries.cast(pa.float64())
            except pa.ArrowInvalid as error:
                raise DataError(f"{where} holds a text with an entry that is no number: {error}.") from error
        elif self.numbers == "whole":
            entries = _whole(entries, where)
        return pa.ListArray.from_arrays(lists.offsets, entries, mask=array.is_null())


def form_of(
    kind: pa.DataType,
    uses: Sequence[Column],
    is_whole: Callable[[str], bool],
    known: pa.DataType | None,
    *,
    extended: bool,
) -> Form | None:
    """Return the form of a column; None where its values are decoded as they are.

    Args:
        kind: Type in the file.
        uses: What the schema reads it as.
        is_whole: Whether another column of the file holds whole numbers.
        known: Its type in other files.
        extended: Whether it holds extension types, of which ``kind`` says how they are stored.

    Raises:
        DataError: For two separators.
    """
    holds = {use.holds for use in uses} - {"any"}
    depth, inner = arrow.depth_of(kind)
    joined = {
        use.separator or _ANY: use.use
        for use in uses
        if arrow.is_text(inner) and depth < max(use.depths) and (use.separator or use.holds in ("id", "time"))
    }
    if len(joined) > 1:
        raise DataError(f"{' and '.join(joined.values())} read the column {uses[0].name!r} by two separators.")
    peers = {peer for use in uses if use.holds == "hashed id" for peer in use.peers if peer != use.name}
    if types.is_null(inner):
        return None if known is None else Form("", "kept", known)
    viewed = arrow.is_view(kind) or (depth > 1 and arrow.is_view(kind.value_type))
    if not joined and not viewed and not extended and (arrow.is_decoded(inner) or not (holds or arrow.is_text(inner))):
        return None
    numbers: Literal["whole", "float", "kept"] = "whole"
    if holds <= {"number", "time"}:
        numbers = "float" if holds else "kept"
    elif joined and "id" not in holds and not any(map(is_whole, peers)):
        numbers = "kept"
    return Form(next(iter(joined), ""), numbers, None)


def _whole(array: pa.Array, where: str) -> pa.Array:
    """Return whole numbers as int64, or as uint64 where one of them needs it."""
    with contextlib.suppress(pa.ArrowInvalid):
        return array.cast(pa.int64())
    try:
        return array.cast(pa.uint64())
    except pa.ArrowInvalid as error:
        reason = str(error).splitlines()[0]
        raise DataError(f"{where} holds values that are no whole numbers of 64 bits: {reason}.") from error
