"""What a recipe may say of derived columns."""

from __future__ import annotations

from hyrec.data.logs.recipe_parts import DERIVED, Column, RecipeError
from hyrec.messages import listed, suggest
from hyrec.plugins.functions import GROUP, function_names

_CODE = frozenset("()[]+*/<>=&| ")


def validate_derived(column: Column, where: str) -> None:
    """Refuse a derived column that cannot be made; ``where`` is its place in the recipe."""
    is_function = column.derive not in ("", *DERIVED)
    if is_function and column.derive not in (functions := function_names()):
        known = [*DERIVED, *functions]
        no_code = " Recipes hold no expressions: nothing in them is run." if _CODE & set(column.derive) else ""
        raise RecipeError(
            f"{where}.derive is {column.derive!r}.{suggest(column.derive, known)}{no_code} Allowed: "
            f"{', '.join(DERIVED)}, or a function that an installed package has under the entry point group {GROUP!r}. "
            f"{listed(functions, 'Installed')}"
        )
    if column.columns and (column.column or column.per):
        raise RecipeError(f"{where} has columns, and beside them column or per, which they take the place of.")
    if bool(column.columns) != (is_function or column.derive == "cross"):
        goes = "a cross or the function of a plugin is made of columns, and only these are"
        raise RecipeError(f"{where} has derive {column.derive!r} and columns {column.columns}: {goes}.")
    if column.derive == "cross" and (len(set(column.columns)) < 2 or column.kind != "id"):
        raise RecipeError(
            f"{where} is a cross: it needs two different columns or more and kind 'id', got {column.columns} and "
            f"{column.kind!r}."
        )
    if column.derive == "bins":
        ascend = all(a < b for a, b in zip(column.boundaries, column.boundaries[1:], strict=False))
        if not (column.boundaries and ascend and column.kind == "id"):
            raise RecipeError(
                f"{where} makes bins: it needs boundaries that ascend and kind 'id', got {column.boundaries} and "
                f"{column.kind!r}. Of a dense number transform: bucketize makes buckets."
            )
    if column.derive in ("year", "month", "hour", "weekday") and column.kind == "multi_id":
        raise RecipeError(f"{where} derives one {column.derive} a row; kind 'multi_id' holds lists. Use kind: id.")
