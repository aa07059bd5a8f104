"""All that an estimator needs to know of the data: moments, counts, polychoric correlations."""
