"""The parts of PLS path models."""
