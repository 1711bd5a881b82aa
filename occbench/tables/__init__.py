"""Predictions become the CSVs of a run: one file a table."""
