"""Models of ordinal items: data, estimation, tests and diagnostics of their own."""
