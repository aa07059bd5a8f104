"""Studies drawn from a stated population: ``qa.simulate``."""
