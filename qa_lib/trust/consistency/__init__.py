"""The coefficients behind reliability."""
