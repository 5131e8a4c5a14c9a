"""Leaf modules that several components share."""
