"""Benchmarks of functions, worker and scaling rules, run as `python -m bench.NAME`; README.md explains the results."""
