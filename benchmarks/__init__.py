"""Benchmarks of jaxvec and other programs: `python -m benchmarks sgns --help`."""
