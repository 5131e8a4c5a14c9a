"""Loggers: where a run writes its metrics besides ``metrics.csv``."""
