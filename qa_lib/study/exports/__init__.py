"""Exports of any source as tables: formats, encodings, dialects."""
