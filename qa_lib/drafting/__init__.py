"""A study drafted from an export: ``qa new``."""
