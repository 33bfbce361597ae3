"""`./ops scaling`: shows from the archive what the scaling rule saw, what it did, and why."""
