"""Files, archives of arrays, external sorting and threads; knows nothing of text or models."""
