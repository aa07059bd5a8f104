"""Exploratory factor analysis: how many factors, their loadings, and how well they fit."""

from __future__ import annotations

from qa_lib.trust.dimensionality import Factorability, factorability

__all__ = ["Factorability", "factorability"]
