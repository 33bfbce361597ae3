"""Puts the worker together, starts it and ends it; only here adapters are picked."""
