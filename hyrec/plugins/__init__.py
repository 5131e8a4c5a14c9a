"""Finds, loads and describes plugins; writes new ones."""
