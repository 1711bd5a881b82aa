"""Everything between a name and loaded weights: models and detectors by name, their files, and their trust."""
