"""The training loop: ids in segments, compiled steps, epochs and reports."""
