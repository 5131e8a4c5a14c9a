"""MovieLens for hyrec."""

from hyrec_movielens.data import MovieLensData

__all__ = ["MovieLensData"]
__version__ = "0.1.0"
