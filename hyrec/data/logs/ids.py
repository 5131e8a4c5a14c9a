"""The forms of ids: whole numbers of 64 bits, or text; two values never share one form."""

from __future__ import annotations

import polars as pl

from hyrec.data.logs.recipe_parts import RecipeError

_WHOLE = (pl.Int64, pl.UInt64)
_FLOAT = r"^\s*[-+]?((\d*\.\d+|\d+\.?)([eE][-+]?\d+)?|inf|NaN)\s*$"


def id_values(values: pl.Series, where: str) -> pl.Series:
    """Return the values as whole numbers or text, so that a number reads the same from CSV and Parquet.

    Whole numbers become int64, or uint64 where one of them needs it. A column of whole numbers that came as
    floats or decimals (as columns with missing entries do) is one of whole numbers.

    Raises:
        RecipeError: For fractions and for types that are no ids.
    """
    text: pl.Series
    dtype = values.dtype
    if dtype in (pl.Boolean, pl.Null) or dtype.is_integer():
        return _narrowest(values)
    if dtype.is_float() and (values.fill_nan(None).floor() == values).all():
        whole = _narrowest(values.fill_nan(None))
        if whole.dtype.is_float():
            raise RecipeError(f"{where} has numbers beyond 64 bits; store whole numbers or text.")
        return whole
    if dtype.is_decimal():
        text = values.cast(pl.String)
        if text.str.contains(".", literal=True).any():
            text = text.str.strip_chars_end("0").str.strip_suffix(".")
        if not text.str.contains(".", literal=True).any():
            return whole_numbers(text)
    if dtype.is_float() or dtype.is_decimal():
        raise RecipeError(f"{where} has fractions, which are no ids. Use kind: dense, perhaps with bucketize.")
    if dtype in (pl.String, pl.Binary, pl.Categorical, pl.Enum) or dtype.is_temporal():
        try:
            text = values.cast(pl.String)
            return text
        except pl.exceptions.PolarsError as error:
            raise RecipeError(f"{where} has bytes that are no UTF-8 text. Ids are whole numbers or strings.") from error
    raise RecipeError(f"{where} has type {dtype}, which is no id. Ids are whole numbers or strings.")


def whole_numbers(text: pl.Series) -> pl.Series:
    """Return text as int64 or uint64 where each entry would be written like that again, and unchanged otherwise."""
    whole = _narrowest(text)
    return whole if (whole.cast(pl.String) == text).all() else text


def from_csv(text: pl.Series, *, as_id: bool) -> pl.Series:
    """Return a CSV file's column in the type that suits all its entries.

    ``as_id``: they are ids, of which ``0012`` and ``12`` stay two, so that the column is text.
    """
    if text.null_count() == len(text):
        return pl.repeat(None, len(text), dtype=pl.Null, eager=True).alias(text.name)
    whole = whole_numbers(text)
    if as_id and whole.dtype == pl.String:
        whole = whole_numbers(text.str.replace(r"\.0+$", ""))
    if whole.dtype != pl.String:
        return whole
    if text.str.contains("(?i)^(true|false)$").all():
        return text.str.to_lowercase() == "true"
    if as_id:
        return text
    whole = _narrowest(text)
    return text.cast(pl.Float64) if whole.dtype == pl.String and text.str.contains(_FLOAT).all() else whole


def one_form(parts: list[pl.Series], *, written: bool = False) -> list[pl.Series]:
    """Bring whole numbers of both signs, or whole numbers and floats that hold such, to one type without loss.

    Args:
        parts: Columns that are to be compared or put together.
        written: Whether whole numbers may be compared with text, because both were written as text.
    """
    dtypes = {part.dtype for part in parts if part.dtype != pl.Null}
    if written and dtypes - {pl.String} <= {*_WHOLE} and pl.String in dtypes:
        return [part.cast(pl.String) for part in parts]
    if len({dtype.is_float() for dtype in dtypes}) == 2 and all(dtype.is_numeric() for dtype in dtypes):
        known = [part.fill_nan(None) if part.dtype.is_float() else part for part in parts]
        if all((part.floor() == part).all() for part in known if part.dtype.is_float()):
            parts = [_narrowest(part) for part in known]
            dtypes = {part.dtype for part in parts}
    if pl.UInt64 in dtypes and all(dtype.is_integer() for dtype in dtypes):
        negative = any((part < 0).any() for part in parts if part.dtype != pl.Null)
        return [part.cast(pl.String if negative else pl.UInt64) for part in parts]
    return parts


def like_built(values: pl.Series, built: list[pl.Series]) -> pl.Series:
    """Return ids in the form of those that a build has kept, where some of either are text.

    Whole numbers that are stored or written as floats, as columns with missing entries are, lose their ``.0``, but for
    text where the build has text as well.
    """
    if values.dtype.is_float():
        whole = _narrowest(values.fill_nan(None))
        return whole if (whole == values).all() else values
    if values.dtype == pl.String and all(part.dtype != pl.String for part in built):
        return values.str.replace(r"^(-?\d+)\.0+$", "$1")
    return values


def _narrowest(values: pl.Series) -> pl.Series:
    """Return whole numbers as int64 or else as uint64; the values as they are where neither holds them."""
    for dtype in _WHOLE:
        whole: pl.Series = values.cast(dtype, strict=False)
        if whole.null_count() == values.null_count():
            return whole
    return values
