"""Trains the cells of a study, each as a run of its own."""
