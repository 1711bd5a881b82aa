"""Persons and boxes: readers of the data sets, detections and their matching, fetching, synthetic people."""
