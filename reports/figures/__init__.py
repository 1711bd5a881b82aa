"""Figures and pictures of the report, one file a figure."""
