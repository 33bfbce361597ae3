"""The life of a job: its model, its events, and the steps by which each event changes it."""
