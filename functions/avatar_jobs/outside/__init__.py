"""Calls to other systems: ended by the wall clock, with limits on what is read. The adapters share it."""
