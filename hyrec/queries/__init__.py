"""Query generators."""

from hyrec.queries.global_queries import GlobalQueries

__all__ = ["GlobalQueries"]
