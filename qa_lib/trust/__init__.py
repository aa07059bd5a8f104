"""May the numbers be trusted: reliability, factors, validity, invariance."""
