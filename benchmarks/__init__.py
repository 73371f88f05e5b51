"""Measurements of jaxvec beside other programs: `python -m benchmarks sgns --help`."""
