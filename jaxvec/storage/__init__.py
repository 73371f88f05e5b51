"""Files, archives of arrays, sorted runs on disk, threads: knows nothing of words."""
