"""Components against their slow references, in float64."""
