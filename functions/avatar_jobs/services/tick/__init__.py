"""The work of one tick: observe, decide, act, record."""
