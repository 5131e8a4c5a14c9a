"""Slow, obvious versions of every block, written from the papers: one sample, one event at a time."""
