"""``hyrec data build``: from an impression log to training Parquet and ``schema.yaml``.

>>> from hyrec.data.logs import Recipe, build
>>> report = build(Recipe.load("recipe.yaml"), "logs", "built")  # doctest: +SKIP

Nothing here imports torch.
"""

from __future__ import annotations

from hyrec.data.logs.applied import ApplyReport
from hyrec.data.logs.apply import apply
from hyrec.data.logs.builder import build
from hyrec.data.logs.extend import extend
from hyrec.data.logs.recipe import Recipe
from hyrec.data.logs.recipe_parts import RecipeError
from hyrec.data.logs.report import BuildReport

__all__ = ["ApplyReport", "BuildReport", "Recipe", "RecipeError", "apply", "build", "extend"]
