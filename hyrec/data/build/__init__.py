"""``hyrec data build``: from an impression log to training Parquet and ``schema.yaml``.

>>> from hyrec.data.build import Recipe, build
>>> report = build(Recipe.load("recipe.yaml"), "logs", "built")  # doctest: +SKIP

Nothing here imports torch.
"""

from __future__ import annotations

from hyrec.data.build.dataset import build
from hyrec.data.build.recipe import Recipe, RecipeError
from hyrec.data.build.report import BuildReport

__all__ = ["BuildReport", "Recipe", "RecipeError", "build"]
