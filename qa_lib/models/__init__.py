"""The CFA and SEM engine."""
