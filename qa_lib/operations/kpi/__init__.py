"""The parts of the KPI table."""
