"""Builds the worker, starts it and stops it; adapters are chosen only here."""
