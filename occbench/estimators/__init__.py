"""What turns crops into poses: models with their crops, backends and decoding."""
