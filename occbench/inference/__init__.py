"""Persons x attacks -> estimators -> predictions: the engine, attacked photos, detectors."""
