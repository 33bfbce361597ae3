"""Decisions on plain data: no I/O, no environment, no clock, no randomness; standard library and pydantic only."""
