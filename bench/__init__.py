"""Benchmarks of the functions: each module is one, run as `python -m bench.NAME`; README.md says how to read them."""
