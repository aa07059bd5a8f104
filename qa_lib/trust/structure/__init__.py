"""The mechanics of exploratory factors."""
