"""Studies: variants of a config over paired seeds, their costs, their statistics and the report."""
