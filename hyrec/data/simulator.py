"""Simulated logs with known click probabilities, for Python: describe one, draw it, or write it to files."""

from hyrec.data.simulation.files import ensure_cached, simulate
from hyrec.data.simulation.log import Log, generate
from hyrec.data.simulation.spec import SimulatorSpec, Strengths, schema

__all__ = ["Log", "SimulatorSpec", "Strengths", "ensure_cached", "generate", "schema", "simulate"]
