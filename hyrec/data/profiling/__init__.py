"""What a data set holds before anything is trained on it: figures by split, drift, costs and suspected leaks."""

from hyrec.data.profiling.findings import Finding
from hyrec.data.profiling.profile import Profile, profile
from hyrec.data.profiling.sources import Sources, find_sources

__all__ = ["Finding", "Profile", "Sources", "find_sources", "profile"]
