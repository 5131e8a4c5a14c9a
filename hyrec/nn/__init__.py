"""Leaf modules that several components share."""

from __future__ import annotations

from hyrec.nn.shape_caches import limit_shape_caches

limit_shape_caches()  # here, so that no kernel of a component runs before
