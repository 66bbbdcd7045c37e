"""Benchmarks: gatewise beside its peers, alternately in one run.  `python -m benchmarks --help`."""
