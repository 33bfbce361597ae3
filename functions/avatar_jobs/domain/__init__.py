"""Decisions on plain data: no I/O, no environment, no clock, no randomness; stdlib and pydantic only."""
