"""A job: its model, the events that can happen to it, and the steps by which each event changes it."""
